"""Imports: a file, what its columns become, how far it is, what came of it."""

from __future__ import annotations

import csv
import uuid
from collections.abc import Iterator
from pathlib import PurePath
from typing import Any

from django.contrib import messages
from django.db import transaction
from django.http import HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.utils.http import content_disposition_header
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from apps.accounts.access import WorkspaceRequest, may, within
from apps.contacts import selectors
from apps.contacts.forms import MappingForm, ReadAsForm, UploadForm
from apps.contacts.models import ContactList, ImportJob
from apps.contacts.services import import_files, imports, lists
from apps.contacts.services.import_files import ImportFileError
from apps.contacts.views import paging

State = ImportJob.State


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
    """Show an import as it stands: its columns, its progress, or what came of it."""
    job = _job(request, importjob_uuid)
    if job.state == State.UPLOADED:
        return _columns(request, job)
    if request.htmx:
        response = render(request, "contacts/import_progress.html", {"job": job})
        if job.state != State.RUNNING:
            response["HX-Refresh"] = "true"
        return response
    return render(request, "contacts/import_detail.html", {"job": job, **_rejects_of(request, job)})


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
def start(request: WorkspaceRequest, importjob_uuid: uuid.UUID) -> HttpResponse:
    """Begin the import."""
    job = _job(request, importjob_uuid)
    if job.state != State.UPLOADED:
        return _to_job(request, job)
    form = MappingForm(request.POST, job=job, preview=imports.preview(job))
    if form.is_valid():
        try:
            with transaction.atomic():  # a refused start leaves no new list behind
                contact_list = _list_of(request, form)
                consent = form.cleaned_data["consent"]
                imports.start(job, mapping=form.mapping, contact_list=contact_list, consent=consent)
        except (imports.ImportMappingError, lists.ListNameError) as error:
            form.add_error("new_list" if isinstance(error, lists.ListNameError) else None, error.message)
        else:
            return _to_job(request, job)
    return _columns(request, job, form)


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
    yield "\ufeff" + writer.writerow([_("Line"), _("Why not"), *map(as_text, names)])
    for reject in selectors.rejects(job).iterator(chunk_size=500):
        yield writer.writerow([reject.line, reject.reason, *(as_text(str(cell)) for cell in reject.row)])


def as_text(cell: str) -> str:
    """Return a cell that no spreadsheet takes for a formula (OWASP: CSV injection)."""
    return f"'{cell}" if cell.lstrip(" ").startswith(("=", "+", "-", "@", "\t", "\r", "\n", "|", "%")) else cell


def _columns(request: WorkspaceRequest, job: ImportJob, form: MappingForm | None = None) -> HttpResponse:
    preview = imports.preview(job)
    form = form or MappingForm(job=job, preview=preview)
    context = {
        "job": job,
        "form": form,
        "read_as": ReadAsForm(job=job),
        "columns": [(column, form[f"column_{number}"]) for number, column in enumerate(preview.columns)],
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


def _list_of(request: WorkspaceRequest, form: MappingForm) -> ContactList:
    # A name that somebody typed wins over the list that stood chosen by itself.
    if name := form.cleaned_data["new_list"].strip():
        return lists.create(request.workspace, name=name)
    chosen: ContactList = form.cleaned_data["contact_list"]
    return chosen


def _job(request: WorkspaceRequest, importjob_uuid: uuid.UUID) -> ImportJob:
    jobs = ImportJob.objects.select_related("workspace", "contact_list", "created_by")
    return within(request.workspace, jobs, uuid=importjob_uuid)


def _to_job(request: WorkspaceRequest, job: ImportJob) -> HttpResponse:
    return redirect("contacts:import_detail", workspace_slug=request.workspace.slug, importjob_uuid=job.uuid)
