"""Looking at a letter as one reader sees it: the panel around the preview, and the preview at its own address."""

from __future__ import annotations

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from apps.accounts.access import WorkspaceRequest, may
from apps.campaigns.models import Campaign
from apps.campaigns.services import drafts, previews
from apps.campaigns.views import entrance
from apps.contacts.models import Contact

# A stranger's HTML on our own address: the sandbox takes its origin, the policy everything else (design: S04).
PREVIEW_POLICY = "sandbox; default-src 'none'; img-src https: data:; style-src 'unsafe-inline'"
PARTS = ("html", "text")


def first_reader(campaign: Campaign) -> tuple[Contact | None, previews.Preview]:
    """Return an ordinary reader of a campaign, and what this person would see."""
    reader = next(iter(previews.readers(campaign)), None)
    return reader, previews.of(campaign, reader)


def panel(request: WorkspaceRequest, campaign: Campaign) -> dict[str, object]:
    """Return what the panel shows: as whom, which part, how wide, and whom else one could look as."""
    asked = request.POST if request.method == "POST" else request.GET
    readers = previews.readers(campaign)
    reader = entrance.reader_of(request, asked.get("as", "")) or next(iter(readers), None)
    place = next((index for index, each in enumerate(readers) if reader and each.pk == reader.pk), -1)
    query = asked.get("find", "").strip()
    part = asked.get("part", "html")
    return {
        "reader": reader,
        "readers": previews.find_readers(campaign, query) if query else readers,
        "find": query,
        "part": part if part in PARTS else "html",
        "is_phone": asked.get("width") == "phone",
        "previous": readers[place - 1] if len(readers) > 1 else None,
        "next": readers[(place + 1) % len(readers)] if len(readers) > 1 else None,
        "preview": previews.of(campaign, reader),
        "version": drafts.version(campaign),
    }


@may("campaigns.view")
@require_safe
def reader(request: WorkspaceRequest, campaign_id: int) -> HttpResponse:
    """Answer with the panel as another reader, part or width; without htmx, with the page it stands on."""
    campaign = entrance.campaign_of(request, campaign_id)
    if not entrance.is_fragment(request):
        kept = {name: value for name in ("as", "part", "width", "find") if (value := request.GET.get(name))}
        return entrance.to(campaign, "content", **kept)
    context = {"campaign": campaign, **panel(request, campaign)}
    return render(request, "campaigns/fragments/reader.html", context)


@may("campaigns.view")
@require_safe
def preview(request: WorkspaceRequest, campaign_id: int) -> HttpResponse:
    """Answer with the letter itself, able to do nothing, wherever it is opened."""
    campaign = entrance.campaign_of(request, campaign_id)
    asked = request.GET.get("contact") or request.GET.get("as", "")
    seen = previews.of(campaign, entrance.reader_of(request, asked))
    if request.GET.get("part") == "text" and not seen.error:
        response = HttpResponse(seen.text, content_type="text/plain; charset=utf-8")
    elif seen.error or seen.is_empty:
        response = render(request, "campaigns/preview_error.html", {"preview": seen})
    else:
        response = HttpResponse(seen.html, content_type="text/html; charset=utf-8")
    response["Content-Security-Policy"] = PREVIEW_POLICY
    response["X-Content-Type-Options"] = "nosniff"
    response["X-Frame-Options"] = "SAMEORIGIN"
    response["Referrer-Policy"] = "no-referrer"
    response["Cache-Control"] = "private, no-store"
    return response
