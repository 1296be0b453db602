"""A campaign under way: its account as it moves, its pace, its lanes, what servers say, when it will be done."""

from __future__ import annotations

from dataclasses import dataclass

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from apps.accounts.access import WorkspaceRequest, may
from apps.campaigns import chronicle, forecast, pace_graph, selectors, situations, tally
from apps.campaigns.models import Campaign
from apps.campaigns.services import lifecycle, subtraction
from apps.campaigns.states import CampaignState
from apps.campaigns.views import entrance
from apps.smtp import bounces, mx_groups
from apps.smtp.models import Transport
from apps.smtp.outcome import FailureClass

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
    return render(request, "campaigns/fragments/live.html", context(request, campaign))


def context(request: WorkspaceRequest, campaign: Campaign) -> dict[str, object]:
    """Return what the live part shows; the letters are gone through once, those of a large campaign not every time."""
    counted = tally.recent(campaign)
    graph = pace_graph.of(campaign, counted.pace)
    entries = list(selectors.entries_of(campaign)[:ENTRIES])
    return {
        "campaign": campaign,
        "account": counted.account,
        "pace": counted.pace,
        "graph": graph,
        "chart": _chart(campaign, graph),
        "forecast": forecast.of(campaign, counted, graph),
        "lanes": lanes_of(campaign, counted),
        "retries": [(one, pace_graph.waiting_because(one.mx_group, one.failure)) for one in counted.retries],
        "situation": situations.of(campaign, counted.account, counted.pace),
        "is_counting": campaign.state in (CampaignState.SCHEDULED, CampaignState.PREPARING),
        "frozen": subtraction.frozen(campaign, audience_size=counted.account.total),
        "replies": replies_of(counted),
        "history": [chronicle.line(entry) for entry in entries],
        "started_by": next((entry.by for entry in entries if entry.kind == "scheduled" and entry.by), None),
        "may_send": request.may("campaigns.send"),
    }


@dataclass(frozen=True, slots=True)
class LaneRow:
    """A lane as it is shown: who receives, through which account, how it stands."""

    name: str
    transport: Transport | None
    lane: tally.Lane
    health: str
    note: str


def lanes_of(campaign: Campaign, counted: tally.Tally) -> list[LaneRow]:
    """Return the lanes with their names; those whose emails wait for another try say why."""
    transports = {campaign.transport_id: campaign.transport}
    if missing := {lane.transport_id for lane in counted.lanes} - set(transports):
        transports.update(Transport.objects.in_bulk(missing))
    return [
        LaneRow(
            mx_groups.NAMES.get(lane.mx_group, ""),
            transports.get(lane.transport_id),
            lane,
            "warn" if is_slowed(lane) else "",
            pace_graph.waiting_because(lane.mx_group, lane.failure) if is_slowed(lane) else "",
        )
        for lane in counted.lanes
    ]


def is_slowed(lane: tally.Lane) -> bool:
    """Return whether so much of a lane waits for another try that it matters."""
    return lane.account.waiting * 20 >= max(lane.account.pending, 1)


def replies_of(counted: tally.Tally) -> list[tuple[tally.Said, str]]:
    """Return what servers said, each with its meaning in plain words."""
    return [(said, _in_words(said)) for said in counted.replies]


def _in_words(said: tally.Said) -> str:
    try:
        return str(bounces.EXPLANATIONS[FailureClass(said.failure)])
    except ValueError:
        return ""


def _chart(campaign: Campaign, graph: pace_graph.Graph) -> dict[str, object]:
    words = pace_graph.limit_words(campaign.transport, graph.limit) if campaign.transport else ("", "")
    return {
        "points": [(point.at, point.per_minute) for point in graph.points],
        "marks": [(mark.at, mark.until, mark.words) for mark in graph.marks],
        "limit": graph.limit,
        "limit_words": words,
        "say": pace_graph.sentence(graph),
        "rows": pace_graph.table(graph),
    }
