"""All campaigns of a workspace; copying one, throwing a draft away."""

from __future__ import annotations

from urllib.parse import urlencode

from django.contrib import messages
from django.db.models import Q, QuerySet
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.functional import Promise
from django.utils.translation import gettext as _t
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from apps.accounts.access import WorkspaceRequest, may
from apps.campaigns import selectors
from apps.campaigns.models import Campaign
from apps.campaigns.services import drafts
from apps.campaigns.views import entrance

PAGE = 25
TABS: tuple[tuple[str, str | Promise, tuple[str, ...]], ...] = (
    ("", _("All"), ()),
    ("drafts", _("Drafts"), ("draft",)),
    ("scheduled", _("Scheduled"), ("scheduled",)),
    ("sending", _("Sending"), ("preparing", "sending", "paused", "stalled")),
    ("finished", _("Finished"), ("finished",)),
    ("cancelled", _("Cancelled"), ("cancelled", "failed")),
)


@may("campaigns.view")
@require_safe
def show(request: WorkspaceRequest) -> HttpResponse:
    """List the campaigns, newest first, by state and by what is in their name or subject."""
    query, tab = request.GET.get("q", "").strip(), request.GET.get("state", "")
    found = selectors.campaigns_of(request.workspace).select_related("transport", "created_by", "workspace")
    counts = selectors.counts_by_state(found)
    if query:
        found = found.filter(Q(name__icontains=query) | Q(subject__icontains=query))
    states = next((states for key, _word, states in TABS if key == tab), ())
    if states:
        found = found.filter(state__in=states)
    total = found.count() if query else sum(counts.get(state, 0) for state in states or counts)
    page, shown, next_url = _page(request, list(_after(request, found)[: PAGE + 1]))
    accounts = selectors.accounts([campaign for campaign in page if campaign.started_at])
    context = {
        "rows": [(campaign, accounts.get(campaign.pk)) for campaign in page],
        "tabs": [
            (key, word, sum(counts.get(state, 0) for state in states or counts), key == tab)
            for key, word, states in TABS
        ],
        "query": query,
        "state": tab,
        "shown": shown,
        "total": total,
        "next_url": next_url,
        "has_any": bool(counts),
        "may_edit": request.may("campaigns.edit"),
    }
    return render(request, "campaigns/list.html", context)


def _number(text: str | None) -> int:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 19 else 0


def _after(request: WorkspaceRequest, found: QuerySet[Campaign]) -> QuerySet[Campaign]:
    before = _number(request.GET.get("before"))
    return found.filter(pk__lt=before) if before else found


def _page(request: WorkspaceRequest, found: list[Campaign]) -> tuple[list[Campaign], int, str]:
    page = found[:PAGE]
    shown = _number(request.GET.get("shown")) + len(page)
    if len(found) <= PAGE:
        return page, shown, ""
    kept = {key: value for key in ("q", "state") if (value := request.GET.get(key))}
    return page, shown, "?" + urlencode({**kept, "before": page[-1].pk, "shown": shown})


@may("campaigns.edit")
@require_POST
def duplicate(request: WorkspaceRequest, campaign_id: int) -> HttpResponse:
    """Make a draft with the same content, sender and lists."""
    copy = drafts.duplicate(entrance.campaign_of(request, campaign_id), by=request.user)
    return entrance.to(copy, "settings")


@may("campaigns.edit")
@require_http_methods(["GET", "HEAD", "POST"])
def delete(request: WorkspaceRequest, campaign_id: int) -> HttpResponse:
    """Ask, then throw a draft away."""
    campaign = entrance.campaign_of(request, campaign_id)
    if request.method != "POST":
        if not entrance.is_editable(campaign):
            return entrance.to(campaign, "detail")
        return render(request, "campaigns/confirm_delete.html", {"campaign": campaign})
    drafts.delete(campaign)
    messages.success(request, _t("Deleted the draft “%(name)s”.") % {"name": campaign.name})
    return redirect("campaigns:list", workspace_slug=request.workspace.slug)
