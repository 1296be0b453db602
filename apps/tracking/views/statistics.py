"""What a campaign's page shows of what came back, as a fragment it fetches by route name."""

from __future__ import annotations

from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from apps.accounts.access import WorkspaceRequest, may, within
from apps.campaigns.models import Campaign
from apps.tracking import selectors


@may("campaigns.view")
@require_safe
def campaign_statistics(request: WorkspaceRequest, campaign_uuid: UUID) -> HttpResponse:
    """Show opens, clicks and unsubscribes of one campaign."""
    campaign = within(request.workspace, Campaign.objects.all(), uuid=campaign_uuid)
    statistics = selectors.campaign_statistics(campaign.pk)
    return render(request, "tracking/campaign_statistics.html", {"campaign": campaign, "statistics": statistics})
