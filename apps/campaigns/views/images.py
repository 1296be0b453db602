"""Images: the panel beside the editor, the page with all of them, and each at its public address."""

from __future__ import annotations

import re
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import messages
from django.core.files.uploadedfile import UploadedFile
from django.http import HttpRequest, HttpResponse, HttpResponseNotFound, HttpResponseNotModified
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from apps.accounts.access import WorkspaceRequest, may, within
from apps.accounts.models import Workspace
from apps.campaigns import recoding
from apps.campaigns.models import Image, Template
from apps.campaigns.services import images
from apps.campaigns.views import entrance
from core import patience

PAGE = 24
BESIDE = 8
MAX_SHOWN_WIDTH = 600
YEAR = 365 * 24 * 3600
_NAME = re.compile(r"[\w-]{24}\.(?:png|jpg|gif)", re.ASCII)


def panel(workspace: Workspace) -> dict[str, object]:
    """Return what the panel beside an editor shows."""
    found = list(images.of(workspace)[: BESIDE + 1])
    return {"images": [_shown(image) for image in found[:BESIDE]], "has_more_images": len(found) > BESIDE}


def _shown(image: Image) -> tuple[Image, str, str, str]:
    """Return an image with its path, its address, and how a letter shows it."""
    address = images.url(image)
    width = min(image.width, MAX_SHOWN_WIDTH)
    tag = f'<img src="{address}" alt="…" width="{width}" style="max-width:100%;height:auto;border:0">'
    return image, images.path(image), address, tag


@may("campaigns.view")
@require_safe
def all_of(request: WorkspaceRequest) -> HttpResponse:
    """Show the workspace's images, newest first."""
    return _page(request)


def _page(request: WorkspaceRequest, *, error: str = "") -> HttpResponse:
    before, shown = _number(request.GET.get("before")), _number(request.GET.get("shown"))
    own = images.of(request.workspace)
    found = list((own.filter(pk__lt=before) if before else own)[: PAGE + 1])
    page, shown = found[:PAGE], shown + len(found[:PAGE])
    context = {
        "images": [_shown(image) for image in page],
        "shown": shown,
        "total": own.count(),
        "next_url": "?" + urlencode({"before": page[-1].pk, "shown": shown}) if len(found) > PAGE else "",
        "image_error": error,
        "may_edit": request.may("campaigns.edit"),
    }
    return render(request, "campaigns/images.html", context, status=422 if error else 200)


@may("campaigns.edit")
@require_POST
def add(request: WorkspaceRequest) -> HttpResponse:
    """Take an image in, and go back to where it was uploaded."""
    back = _back(request)
    error = _take(request)
    if entrance.is_fragment(request):
        context = {**back, **panel(request.workspace), "image_error": error}
        return render(request, "campaigns/fragments/images.html", context, status=422 if error else 200)
    if error and not back:
        return _page(request, error=error)
    if error:
        messages.error(request, error)
    else:
        messages.success(request, _("Uploaded."))
    return _to(request, back)


def _take(request: WorkspaceRequest) -> str:
    """Take the file in; return the sentence that says why not."""
    file = request.FILES.get("file")
    if not isinstance(file, UploadedFile):
        return _("Choose a file first.")
    if (file.size or 0) > recoding.MAX_BYTES or getattr(request, "upload_too_big", False):
        return _("This file is larger than 10 MB. Make it smaller, and upload it again.")
    try:
        images.add(request.workspace, by=request.user, title=file.name or "", data=file.read())
    except recoding.ImageError as refused:
        return refused.message
    return ""


def _back(request: WorkspaceRequest) -> dict[str, object]:
    """Return the draft or template that the panel stands beside, found within the workspace."""
    if number := _number(request.POST.get("campaign")):
        return {"campaign": entrance.campaign_of(request, number)}
    if text := request.POST.get("template"):
        try:
            wanted = UUID(text)
        except ValueError:
            return {}
        return {"template": within(request.workspace, Template.objects.all(), uuid=wanted)}
    return {}


def _to(request: WorkspaceRequest, back: dict[str, object]) -> HttpResponse:
    slug = request.workspace.slug
    match back:
        case {"campaign": campaign}:
            answer = redirect("campaigns:content", workspace_slug=slug, campaign_id=campaign.pk)  # type: ignore[attr-defined]  # made by `_back`
        case {"template": template}:
            answer = redirect("campaigns:template", workspace_slug=slug, template_uuid=template.uuid)  # type: ignore[attr-defined]  # as above
        case _:
            return redirect("campaigns:images", workspace_slug=slug)
    answer["Location"] += "#images"
    return answer


@may("campaigns.edit")
@require_POST
def remove(request: WorkspaceRequest, image_uuid: UUID) -> HttpResponse:
    """Throw an image away."""
    image = within(request.workspace, Image.objects.defer("data"), uuid=image_uuid)
    images.remove(image)
    messages.success(request, _("Removed “%(name)s”.") % {"name": image.title})
    return redirect("campaigns:images", workspace_slug=request.workspace.slug)


@require_safe
def show(request: HttpRequest, name: str) -> HttpResponse:
    """Answer with an image as a file that can be nothing else, to everybody who knows its name."""
    asked = Image.objects.filter(name=name) if _NAME.fullmatch(name) else Image.objects.none()
    with patience.at_most(patience.DOOR_SECONDS):
        found = asked.values_list("kind", "digest", "data").first()
    if found is None:
        return HttpResponseNotFound("No such image.\n", content_type="text/plain; charset=utf-8")
    kind, digest, data = found
    response: HttpResponse
    if request.headers.get("If-None-Match") == f'"{digest}"':
        response = HttpResponseNotModified()
    else:
        response = HttpResponse(bytes(data), content_type=recoding.CONTENT_TYPES[kind])
    response["ETag"] = f'"{digest}"'
    response["Cache-Control"] = f"public, max-age={YEAR}, immutable"
    response["Content-Disposition"] = f'inline; filename="{name}"'
    response["Content-Security-Policy"] = "sandbox; default-src 'none'"
    response["X-Content-Type-Options"] = "nosniff"
    response["Cross-Origin-Resource-Policy"] = "cross-origin"  # mail programs in a browser show it on their own pages
    response["Referrer-Policy"] = "no-referrer"
    return response


def _number(text: str | None) -> int:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 19 else 0
