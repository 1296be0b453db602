"""One campaign after it was sent off: waiting for its time, live, or closed; and everyone's fate."""

from __future__ import annotations

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from apps.accounts.access import WorkspaceRequest, may
from apps.campaigns import causes, chronicle, selectors, situations, tally
from apps.campaigns.models import Campaign
from apps.campaigns.services import subtraction
from apps.campaigns.states import CampaignState
from apps.campaigns.views import appointment, entrance, live, people


@may("campaigns.view")
@require_safe
def show(request: WorkspaceRequest, campaign_id: int) -> HttpResponse:
    """Show the campaign as it stands: its composer, its appointment, its live account, or its report."""
    campaign = entrance.campaign_of(request, campaign_id)
    if entrance.is_editable(campaign) and request.may("campaigns.edit"):
        return entrance.to(campaign, "settings")
    if live.is_live(campaign):
        return render(request, "campaigns/live.html", live.context(request, campaign))
    if campaign.state in (CampaignState.DRAFT, CampaignState.SCHEDULED):
        return appointment.page(request, campaign)
    return render(request, "campaigns/report.html", _report(request, campaign))


def _report(request: WorkspaceRequest, campaign: Campaign) -> dict[str, object]:
    counted = tally.of(campaign)
    account = counted.account
    return {
        "campaign": campaign,
        "account": account,
        "situation": situations.of(campaign, account, counted.pace),
        "frozen": subtraction.frozen(campaign, audience_size=account.total),
        "replies": live.replies_of(counted),
        "reasons": [(one.part, one.cause, causes.words(one.cause), one.letters) for one in counted.causes],
        "not_sent": account.total - account.sent,
        "history": [chronicle.line(entry) for entry in selectors.entries_of(campaign)[: live.ENTRIES]],
        "may_edit": request.may("campaigns.edit"),
        "may_send": request.may("campaigns.send"),
        "may_export": request.may("contacts.export"),
        **people.context(request, campaign, counted),
    }
