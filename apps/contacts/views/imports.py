"""Imports: a file, what its columns become, how far it is, what came of it."""

from __future__ import annotations

import csv
import uuid
from collections.abc import Iterator
from pathlib import PurePath
from typing import Any

from django.contrib import messages
from django.http import HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.utils.http import content_disposition_header
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from apps.accounts.access import WorkspaceRequest, may, within
from apps.contacts import import_bar, selectors
from apps.contacts.forms import MappingForm, ReadAsForm, UploadForm
from apps.contacts.models import ImportJob
from apps.contacts.services import import_files, import_undo, imports, lists
from apps.contacts.services.import_files import ImportFileError
from apps.contacts.views import paging
from core.spreadsheets import guarded

State = ImportJob.State
# A dry run of a small file is done before the page is drawn; the worker finds nothing left to do.
LOOK_AT_ONCE = 128 * 1024


@may("imports.view")
@require_safe
def show(request: WorkspaceRequest) -> HttpResponse:
    """List the imports, newest first."""
    rows = list(selectors.imports(request.workspace)[: selectors.PAGE])
    return render(request, "contacts/imports.html", {"rows": rows, "may_import": request.may("contacts.import")})


@may("contacts.import")
@require_http_methods(["GET", "HEAD", "POST"])
def new(request: WorkspaceRequest) -> HttpResponse:
    """Take a file."""
    form = UploadForm()
    if request.method == "POST":
        files = request.FILES  # reading them is what finds out
        when_missing = import_files.too_big().message if getattr(request, "upload_too_big", False) else ""
        form = UploadForm(request.POST, files, when_missing=when_missing)
        if form.is_valid():
            file = form.cleaned_data["file"]
            try:
                job = imports.upload(request.workspace, file, file_name=file.name, contact_list=None, by=request.user)
            except ImportFileError as error:
                form.add_error("file", error.message)
            else:
                return _to_job(request, job)
    return render(request, "contacts/import_new.html", {"form": form}, status=422 if form.errors else 200)


@may("imports.view")
@require_safe
def detail(request: WorkspaceRequest, importjob_uuid: uuid.UUID) -> HttpResponse:
    """Show an import as it stands: its columns, what it would change, its progress, or what came of it."""
    job = _job(request, importjob_uuid)
    if job.state == State.UPLOADED:
        return _columns(request, job)
    if request.htmx and not request.GET.get("after"):
        response = render(request, "contacts/import_progress.html", {"job": job})
        if job.state not in imports.MOVING:
            response["HX-Refresh"] = "true"
        return response
    can_undo = import_undo.can_undo(job)
    context = {
        "job": job,
        "bar": import_bar.draw(job.counts),
        "can_undo": can_undo,
        "people": import_undo.people_of(job) if can_undo else 0,
        **_rejects_of(request, job),
    }
    if job.state == State.CHECKED:
        return render(request, "contacts/import_looked.html", {**context, **_looked(job)})
    return render(request, "contacts/import_detail.html", context)


@may("contacts.import")
@require_POST
def read_as(request: WorkspaceRequest, importjob_uuid: uuid.UUID) -> HttpResponse:
    """Read the file with another character set, delimiter or head."""
    job = _job(request, importjob_uuid)
    form = ReadAsForm(request.POST, job=job)
    if form.is_valid():
        imports.read_as(job, **form.cleaned_data)
    return _to_job(request, job)


@may("contacts.import")
@require_POST
def check(request: WorkspaceRequest, importjob_uuid: uuid.UUID) -> HttpResponse:
    """Take the columns, the list and the consent, and count what would change; nothing is written."""
    job = _job(request, importjob_uuid)
    if job.state != State.UPLOADED:
        return _to_job(request, job)
    form = MappingForm(request.POST, job=job, preview=imports.preview(job))
    if form.is_valid():
        values = form.cleaned_data
        new_list = " ".join(values["new_list"].split())
        try:
            lists.check_name(request.workspace, new_list)
            # A name that somebody typed wins over the list that stood chosen by itself.
            chosen = None if new_list else values["contact_list"]
            imports.check(job, mapping=form.mapping, contact_list=chosen, new_list=new_list, consent=values["consent"])
        except (imports.ImportMappingError, lists.ListNameError) as error:
            form.add_error("new_list" if isinstance(error, lists.ListNameError) else None, error.message)
        else:
            if job.size_bytes <= LOOK_AT_ONCE:
                imports.run_to_end(job)
            return _to_job(request, job)
    return _columns(request, job, form)


@may("contacts.import")
@require_POST
def rethink(request: WorkspaceRequest, importjob_uuid: uuid.UUID) -> HttpResponse:
    """Go back from the dry run to the columns."""
    job = _job(request, importjob_uuid)
    if job.state == State.CHECKED:
        imports.rethink(job)
    return _to_job(request, job)


@may("contacts.import")
@require_POST
def start(request: WorkspaceRequest, importjob_uuid: uuid.UUID) -> HttpResponse:
    """Begin the import that the dry run described."""
    job = _job(request, importjob_uuid)
    if job.state == State.CHECKED:
        try:
            imports.start(job, mapping=imports.preview(job, rows=0).mapping, by=request.user)
        except (imports.ImportMappingError, lists.ListNameError) as error:
            messages.warning(request, error.message)
    return _to_job(request, job)


@may("contacts.import")
@require_POST
def undo(request: WorkspaceRequest, importjob_uuid: uuid.UUID) -> HttpResponse:
    """Take an import back, as far as nothing happened to its people since."""
    job = _job(request, importjob_uuid)
    import_undo.begin(job)
    return _to_job(request, job)


@may("contacts.import")
@require_POST
def cancel(request: WorkspaceRequest, importjob_uuid: uuid.UUID) -> HttpResponse:
    """Stop an import."""
    job = _job(request, importjob_uuid)
    imports.cancel(job)
    messages.success(request, _("Stopped. People who were imported already stay."))
    return _to_job(request, job)


@may("contacts.import")
@require_safe
def rejects(request: WorkspaceRequest, importjob_uuid: uuid.UUID) -> HttpResponseBase:
    """Give the refused rows as CSV, with line and reason; no cell can act as a formula."""
    job = _job(request, importjob_uuid)
    name = f"{PurePath(job.file_name).stem}-rejected.csv"
    response = StreamingHttpResponse(_reject_lines(job), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = str(content_disposition_header(True, name))
    return response


class _Echo:
    """Lets `csv.writer` give its lines back instead of writing them."""

    def write(self, line: str) -> str:
        return line


def _reject_lines(job: ImportJob) -> Iterator[str]:
    writer = csv.writer(_Echo())
    names = [column["name"] for column in job.columns] if job.has_header else []
    # Excel reads UTF-8 only behind a byte order mark.
    yield "\ufeff" + writer.writerow([_("Line"), _("Why not"), *map(guarded, names)])
    for reject in selectors.rejects(job).iterator(chunk_size=500):
        yield writer.writerow([reject.line, reject.reason, *(guarded(str(cell)) for cell in reject.row)])


def _looked(job: ImportJob) -> dict[str, Any]:
    words = {
        "new": _("New"),
        "updated": _("Updated"),
        "unchanged": _("Unchanged"),
        "suppressed": _("Suppressed, never written to"),
    }
    return {
        "examples": [(word, some) for kind, word in words.items() if (some := job.examples.get(kind))],
        "taken": sum(job.counts.get(kind, 0) for kind in ("new", "updated", "unchanged")),
    }


def _columns(request: WorkspaceRequest, job: ImportJob, form: MappingForm | None = None) -> HttpResponse:
    preview = imports.preview(job)
    form = form or MappingForm(job=job, preview=preview)
    context = {
        "job": job,
        "form": form,
        "read_as": ReadAsForm(job=job),
        "columns": [(column, form[f"column_{number}"]) for number, column in enumerate(preview.columns)],
        "is_recalled": preview.is_recalled,
        "recognised": sum(bool(target) for target in preview.mapping.values()),
        "may_import": request.may("contacts.import"),
    }
    return render(request, "contacts/import_columns.html", context, status=422 if form.errors else 200)


def _rejects_of(request: WorkspaceRequest, job: ImportJob) -> dict[str, Any]:
    rows = list(selectors.rejects(job, after=paging.number(request, "after"))[: selectors.PAGE + 1])
    more, rows = len(rows) > selectors.PAGE, rows[: selectors.PAGE]
    shown = len(rows) + paging.number(request, "shown")
    return {
        "rejects": rows,
        "shown": shown,
        "next_url": paging.url(after=rows[-1].line, shown=shown) if more else "",
        "may_import": request.may("contacts.import"),
    }


def _job(request: WorkspaceRequest, importjob_uuid: uuid.UUID) -> ImportJob:
    jobs = ImportJob.objects.select_related("workspace", "contact_list", "created_by")
    return within(request.workspace, jobs, uuid=importjob_uuid)


def _to_job(request: WorkspaceRequest, job: ImportJob) -> HttpResponse:
    return redirect("contacts:import_detail", workspace_slug=request.workspace.slug, importjob_uuid=job.uuid)
