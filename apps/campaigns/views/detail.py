"""One campaign after it was sent off: waiting for its time, live, or closed; and everyone's fate."""

from __future__ import annotations

from urllib.parse import urlencode

from django.db.models import Q
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from apps.accounts.access import WorkspaceRequest, may
from apps.campaigns import chronicle, fates, selectors, situations
from apps.campaigns.models import Campaign
from apps.campaigns.selectors import Account
from apps.campaigns.services import lifecycle, subtraction
from apps.campaigns.states import CampaignState
from apps.campaigns.views import appointment, entrance
from apps.smtp import bounces
from apps.smtp.outcome import FailureClass

PEOPLE = 50
ENTRIES = 30
_UNDER_WAY = {CampaignState.PREPARING, CampaignState.SENDING, CampaignState.PAUSED, CampaignState.STALLED}


def is_live(campaign: Campaign) -> bool:
    """Return whether a campaign's numbers can still change by themselves."""
    state = CampaignState(campaign.state)
    is_starting = state is CampaignState.SCHEDULED and lifecycle.is_late(campaign) and not lifecycle.is_asking(campaign)
    is_ending = state is CampaignState.CANCELLED and campaign.finished_at is None
    return state in _UNDER_WAY or is_starting or is_ending


@may("campaigns.view")
@require_safe
def show(request: WorkspaceRequest, campaign_id: int) -> HttpResponse:
    """Show the campaign as it stands: its composer, its appointment, its live account, or its report."""
    campaign = entrance.campaign_of(request, campaign_id)
    if entrance.is_editable(campaign) and request.may("campaigns.edit"):
        return entrance.to(campaign, "settings")
    if is_live(campaign):
        return render(request, "campaigns/live.html", live_context(request, campaign))
    if campaign.state in (CampaignState.DRAFT, CampaignState.SCHEDULED):
        return appointment.page(request, campaign)
    return render(request, "campaigns/report.html", _report(request, campaign))


@may("campaigns.view")
@require_safe
def live(request: WorkspaceRequest, campaign_id: int) -> HttpResponse:
    """Answer a poll with the live part, or one sentence of it for those who listen; a closed campaign is read again."""
    campaign = entrance.campaign_of(request, campaign_id)
    if not entrance.is_fragment(request):
        return entrance.to(campaign, "detail")
    if not is_live(campaign):
        return HttpResponse(headers={"HX-Refresh": "true"})
    if "say" in request.GET:
        account = selectors.account(campaign)
        return render(request, "campaigns/fragments/say.html", {"account": account})
    return render(request, "campaigns/fragments/live.html", live_context(request, campaign))


@may("campaigns.view")
@require_safe
def people(request: WorkspaceRequest, campaign_id: int) -> HttpResponse:
    """Show everyone, one by one, while the campaign is under way too."""
    campaign = entrance.campaign_of(request, campaign_id)
    account = selectors.account(campaign)
    context = {"campaign": campaign, "account": account, **_people(request, campaign, account)}
    return render(request, "campaigns/people.html", context)


def live_context(request: WorkspaceRequest, campaign: Campaign) -> dict[str, object]:
    """Return what the live part shows."""
    account, pace = selectors.account(campaign), selectors.pace(campaign)
    return {
        "campaign": campaign,
        "account": account,
        "pace": pace,
        "situation": situations.of(campaign, account, pace),
        "is_counting": campaign.state in (CampaignState.SCHEDULED, CampaignState.PREPARING),
        "frozen": subtraction.frozen(campaign, audience_size=account.total),
        "replies": _replies(campaign),
        "history": _history(campaign),
        "may_send": request.may("campaigns.send"),
    }


def _report(request: WorkspaceRequest, campaign: Campaign) -> dict[str, object]:
    account = selectors.account(campaign)
    return {
        "campaign": campaign,
        "account": account,
        "situation": situations.of(campaign, account, selectors.pace(campaign)),
        "frozen": subtraction.frozen(campaign, audience_size=account.total),
        "replies": _replies(campaign),
        "history": _history(campaign),
        "may_edit": request.may("campaigns.edit"),
        **_people(request, campaign, account),
    }


def _history(campaign: Campaign) -> list[chronicle.Line]:
    return [chronicle.line(entry) for entry in selectors.entries_of(campaign)[:ENTRIES]]


def _replies(campaign: Campaign) -> list[tuple[selectors.Said, str]]:
    return [(said, _in_words(said)) for said in selectors.replies_of(campaign)]


def _in_words(said: selectors.Said) -> str:
    try:
        return str(bounces.EXPLANATIONS[FailureClass(said.failure)])
    except ValueError:
        return ""


def _people(request: WorkspaceRequest, campaign: Campaign, account: Account) -> dict[str, object]:
    """Return one page of everyone, by part and by what is in their name, address or reply."""
    part, query = request.GET.get("part", ""), request.GET.get("q", "").strip()
    deliveries = selectors.deliveries_of(campaign)
    total = account.total
    if part:
        deliveries = selectors.in_part(deliveries, part)
        total = getattr(account, part) if part in selectors.PARTS else 0
    if query:
        deliveries = deliveries.filter(
            Q(email__icontains=query)
            | Q(contact__first_name__icontains=query)
            | Q(contact__last_name__icontains=query)
            | Q(last_text__icontains=query)
        )
        total = deliveries.count()
    after, before = _number(request.GET.get("after")), _number(request.GET.get("shown"))
    found = list(deliveries.filter(pk__gt=after)[: PEOPLE + 1])
    page, shown = found[:PEOPLE], before + len(found[:PEOPLE])
    kept = {key: value for key, value in (("part", part), ("q", query)) if value}
    return {
        "people": [(delivery, fates.of(delivery)) for delivery in page],
        "part": part,
        "query": query,
        "pills": [(name, getattr(account, name)) for name in selectors.PARTS if getattr(account, name) or name == part],
        "shown": shown,
        "found": total,
        "next_url": "?" + urlencode({**kept, "after": page[-1].pk, "shown": shown}) if len(found) > PEOPLE else "",
    }


def _number(text: str | None) -> int:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 19 else 0
