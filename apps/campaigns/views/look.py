"""A workspace's look on its recipients' pages, as a page of its settings."""

from __future__ import annotations

from django.contrib import messages
from django.core.files.uploadedfile import UploadedFile
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from apps.accounts.access import WorkspaceRequest, may
from apps.accounts.services import look
from apps.accounts.views.tabs import tabs
from apps.campaigns import recoding
from apps.campaigns.services import images
from core.errors import EspError


@may("workspace.edit")
@require_http_methods(["GET", "HEAD", "POST"])
def show(request: WorkspaceRequest) -> HttpResponse:
    """Choose a colour, and give a logo or take it away."""
    error = ""
    if request.method == "POST":
        try:
            colour = request.POST.get("colour", "")
            look.change(request.workspace, colour=colour, logo=_logo(request), by=request.user)
        except EspError as refused:
            error = refused.message
        else:
            messages.success(request, _("Saved."))
            return redirect("campaigns:look", workspace_slug=request.workspace.slug)
    context = {
        "colours": look.COLOURS.items(),
        "chosen": request.POST.get("colour") or request.workspace.colour,
        "logo_url": images.path_of(request.workspace.logo),
        "error": error,
        "tabs": tabs(request, "campaigns:look"),
    }
    return render(request, "campaigns/look.html", context, status=422 if error else 200)


def _logo(request: WorkspaceRequest) -> str:
    """Return the name of the image that is the logo from now on.

    Raises:
        ImageError: the file is no image that we take.
    """
    file = request.FILES.get("logo")
    if not isinstance(file, UploadedFile):
        return "" if "no_logo" in request.POST else request.workspace.logo
    if (file.size or 0) > recoding.MAX_BYTES or getattr(request, "upload_too_big", False):
        raise recoding.ImageError(_("This file is larger than 10 MB. Make it smaller, and upload it again."))
    return images.add(request.workspace, by=request.user, title=file.name or "", data=file.read()).name
