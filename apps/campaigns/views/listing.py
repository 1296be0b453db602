"""All campaigns of a workspace; copying one, keeping it as a template, putting it away, throwing a draft away."""

from __future__ import annotations

from urllib.parse import urlencode

from django.contrib import messages
from django.db.models import Q, QuerySet
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext as _t
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from apps.accounts.access import WorkspaceRequest, may
from apps.campaigns import came_back, selectors
from apps.campaigns.models import Campaign
from apps.campaigns.services import drafts, lifecycle, templates
from apps.campaigns.views import entrance
from core import toasts

PAGE = 25
TABS: tuple[tuple[str, str | Promise, tuple[str, ...]], ...] = (
    ("", _("All"), ()),
    ("drafts", _("Drafts"), ("draft",)),
    ("scheduled", _("Scheduled"), ("scheduled",)),
    ("sending", _("Sending"), ("preparing", "sending", "paused", "stalled")),
    ("finished", _("Finished"), ("finished",)),
    ("cancelled", _("Cancelled"), ("cancelled", "failed")),
)
ARCHIVED = "archived"
# Where a draft goes on: the first step that lacks something.
STEPS = ("settings", "audience", "content", "review")
_WORDS = (_("settings"), _("audience"), _("content"), _("review"))


@may("campaigns.view")
@require_safe
def show(request: WorkspaceRequest) -> HttpResponse:
    """List the campaigns, newest first, by state and by what is in their name or subject."""
    query, tab = request.GET.get("q", "").strip()[:200], request.GET.get("state", "")
    everything = selectors.campaigns_of(request.workspace).select_related("transport", "workspace")
    matching = everything.filter(Q(name__icontains=query) | Q(subject__icontains=query)) if query else everything
    listed, archived = matching.filter(archived_at=None), matching.filter(archived_at__isnull=False)
    counts, in_archive = selectors.counts_by_state(listed), archived.count()
    states = next((states for key, _word, states in TABS if key == tab), ())
    found = archived if tab == ARCHIVED else listed.filter(state__in=states) if states else listed
    page, shown, next_url = _page(request, list(_after(request, found)[: PAGE + 1]))
    accounts = selectors.accounts([campaign for campaign in page if campaign.started_at])
    replies = came_back.of([campaign.pk for campaign in page if campaign.started_at])
    addressed = selectors.with_lists([campaign for campaign in page if campaign.state == "draft"])
    context = {
        "rows": [(one, accounts.get(one.pk), _step(one, one.pk in addressed), replies.get(one.pk)) for one in page],
        "tabs": _tabs(counts, in_archive, tab),
        "says_shares": bool(replies),
        "says_machines": any(_shows_machines(accounts.get(pk), back) for pk, back in replies.items()),
        "asking": {campaign.pk for campaign in page if lifecycle.is_asking(campaign)},
        "query": query,
        "state": tab,
        "shown": shown,
        "total": in_archive if tab == ARCHIVED else sum(counts.get(state, 0) for state in states or counts),
        "next_url": next_url,
        "has_any": bool(counts or in_archive) or everything.exists(),
        "may_edit": request.may("campaigns.edit"),
    }
    return render(request, "campaigns/list.html", context)


def _shows_machines(account: selectors.Account | None, back: came_back.CameBack) -> bool:
    return bool(account and account.sent and back.has_machines)


def _tabs(counts: dict[str, int], in_archive: int, current: str) -> list[tuple[str, str | Promise, int, bool]]:
    tabs = [(key, word, sum(counts.get(state, 0) for state in states or counts)) for key, word, states in TABS]
    if in_archive or current == ARCHIVED:
        tabs.append((ARCHIVED, _("Archived"), in_archive))
    known = current in {key for key, _word, _count in tabs}
    return [(key, word, count, key == (current if known else "")) for key, word, count in tabs]


def _step(campaign: Campaign, has_lists: bool) -> tuple[str, int, str | Promise]:
    """Return the route, number and word of the step where a draft goes on."""
    if not (campaign.subject and campaign.from_email and campaign.transport_id):
        at = 0
    elif not has_lists:
        at = 1
    else:
        at = 2 if not campaign.html.strip() else 3
    return f"campaigns:{STEPS[at]}", at + 1, _WORDS[at]


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
@require_POST
def keep(request: WorkspaceRequest, campaign_id: int) -> HttpResponse:
    """Save a campaign's content as a template."""
    template = templates.from_campaign(entrance.campaign_of(request, campaign_id), by=request.user)
    messages.success(request, _t("Kept “%(name)s” among the templates.") % {"name": template.name})
    return redirect("campaigns:template", workspace_slug=request.workspace.slug, template_uuid=template.uuid)


@may("campaigns.edit")
@require_POST
def archive(request: WorkspaceRequest, campaign_id: int) -> HttpResponse:
    """Put a campaign away, and say how it comes back."""
    campaign = entrance.campaign_of(request, campaign_id)
    drafts.archive(campaign, by=request.user)
    _done(request, campaign, _t("Archived “%(name)s”. It stands under Archived."), "unarchive")
    return _to_list(request)


@may("campaigns.edit")
@require_POST
def unarchive(request: WorkspaceRequest, campaign_id: int) -> HttpResponse:
    """Take a campaign out of the archive."""
    campaign = entrance.campaign_of(request, campaign_id)
    drafts.unarchive(campaign, by=request.user)
    _done(request, campaign, _t("“%(name)s” is among the campaigns again."), "archive")
    return _to_list(request)


def _done(request: WorkspaceRequest, campaign: Campaign, words: str, undo: str) -> None:
    way_back = {"undo": entrance.url(campaign, undo), **_kept(request)}
    toasts.done(request, words % {"name": campaign.name}, **way_back)


def _kept(request: WorkspaceRequest) -> dict[str, str]:
    return {key: value for key in ("q", "state") if (value := request.POST.get(key))}


def _to_list(request: WorkspaceRequest) -> HttpResponse:
    """Lead back to the list as it was: only what it knows is taken over."""
    kept = _kept(request)
    url = reverse("campaigns:list", kwargs={"workspace_slug": request.workspace.slug})
    return redirect(f"{url}?{urlencode(kept)}" if kept else url)


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
