"""The deeds of a campaign that was sent off: pause, go on, cancel, take back; each one POST."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from apps.accounts.access import WorkspaceRequest, may
from apps.campaigns import selectors
from apps.campaigns.services import lifecycle
from apps.campaigns.views import entrance, live


@may("campaigns.send")
@require_POST
def pause(request: WorkspaceRequest, campaign_id: int) -> HttpResponse:
    """Close the gate at once."""
    campaign = entrance.campaign_of(request, campaign_id)
    lifecycle.pause(campaign, by=request.user)
    return _answer(request, campaign_id)


@may("campaigns.send")
@require_POST
def resume(request: WorkspaceRequest, campaign_id: int) -> HttpResponse:
    """Open the gate again."""
    campaign = entrance.campaign_of(request, campaign_id)
    lifecycle.resume(campaign, by=request.user)
    return _answer(request, campaign_id)


@may("campaigns.send")
@require_http_methods(["GET", "HEAD", "POST"])
def cancel(request: WorkspaceRequest, campaign_id: int) -> HttpResponse:
    """Ask, then close the gate for good."""
    campaign = entrance.campaign_of(request, campaign_id)
    if request.method != "POST":
        if not live.is_live(campaign):
            return entrance.to(campaign, "detail")
        context = {"campaign": campaign, "account": selectors.account(campaign)}
        return render(request, "campaigns/confirm_cancel.html", context)
    lifecycle.cancel(campaign, by=request.user)
    return entrance.to(campaign, "detail")


@may("campaigns.send")
@require_POST
def unschedule(request: WorkspaceRequest, campaign_id: int) -> HttpResponse:
    """Take a campaign that has not begun back to a draft."""
    campaign = entrance.campaign_of(request, campaign_id)
    lifecycle.unschedule(campaign, by=request.user)
    messages.success(request, _("“%(name)s” is a draft again.") % {"name": campaign.name})
    return entrance.to(campaign, "review")


def _answer(request: WorkspaceRequest, campaign_id: int) -> HttpResponse:
    if entrance.is_fragment(request):
        return render(
            request,
            "campaigns/fragments/live.html",
            live.context(request, entrance.campaign_of(request, campaign_id)),
        )
    return entrance.to(entrance.campaign_of(request, campaign_id), "detail")
