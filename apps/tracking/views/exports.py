"""Exports: ask for a file, watch it being made, fetch it."""

from __future__ import annotations

import uuid

from django.contrib import messages
from django.http import FileResponse, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from apps.accounts.access import WorkspaceRequest, may, within
from apps.campaigns.finding import Wanted
from apps.campaigns.models import Campaign
from apps.tracking.forms import ExportForm
from apps.tracking.models import ExportJob
from apps.tracking.services import exports

SHOWN = 50
TYPES = {"csv": "text/csv; charset=utf-8", "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"}
State = ExportJob.State


@may("contacts.export")
@require_safe
def show(request: WorkspaceRequest) -> HttpResponse:
    """List the files, newest first; those being made move by themselves."""
    jobs = ExportJob.objects.filter(workspace=request.workspace).select_related("campaign", "created_by")
    rows = [(job, bool(Wanted.of(job.wanted).kept)) for job in jobs.order_by("-pk")[:SHOWN]]
    context = {"rows": rows, "is_moving": any(job.state in exports.OPEN for job, _is_part in rows)}
    return render(request, "tracking/export_rows.html" if request.htmx else "tracking/exports.html", context)


@may("contacts.export")
@require_POST
def start(request: WorkspaceRequest, campaign_uuid: uuid.UUID) -> HttpResponse:
    """Ask for a file of a campaign."""
    campaigns = Campaign.objects.select_related("workspace", "transport")
    campaign = within(request.workspace, campaigns, uuid=campaign_uuid)
    form = ExportForm(request.POST)
    if not form.is_valid():
        messages.warning(request, _("Choose what the file should hold, and its format. Nothing was made."))
    else:
        exports.start(
            campaign,
            kind=form.cleaned_data["kind"],
            file_format=form.cleaned_data["format"],
            asked=request.POST,
            by=request.user,
        )
        messages.success(request, _("The file is being made. It is deleted after a day."))
    return _back(request)


@may("contacts.export")
@require_safe
def download(request: WorkspaceRequest, exportjob_uuid: uuid.UUID) -> HttpResponseBase:
    """Give a finished file."""
    job = _job(request, exportjob_uuid)
    try:
        file = exports.path_of(job).open("rb") if job.state == State.FINISHED else None
    except FileNotFoundError:
        file = None
    if file is None:
        messages.warning(request, _("This file is not there. Files are deleted after a day; ask for it again."))
        return _back(request)
    response = FileResponse(file, as_attachment=True, filename=job.file_name, content_type=TYPES[job.format])
    response["Cache-Control"] = "private, no-store"
    return response


@may("contacts.export")
@require_POST
def cancel(request: WorkspaceRequest, exportjob_uuid: uuid.UUID) -> HttpResponse:
    """Stop a file that is being made, or delete one."""
    exports.cancel(_job(request, exportjob_uuid))
    messages.success(request, _("The file is gone."))
    return _back(request)


def _job(request: WorkspaceRequest, exportjob_uuid: uuid.UUID) -> ExportJob:
    return within(request.workspace, ExportJob.objects.select_related("workspace"), uuid=exportjob_uuid)


def _back(request: WorkspaceRequest) -> HttpResponse:
    return redirect("tracking:exports", workspace_slug=request.workspace.slug)
