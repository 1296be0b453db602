"""A campaign that waits for its time: what will leave and when; it asks where its time was missed."""

from __future__ import annotations

import datetime as dt

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from apps.accounts.access import WorkspaceRequest, may
from apps.campaigns.forms import SendForm
from apps.campaigns.models import Campaign
from apps.campaigns.services import lifecycle, subtraction
from apps.campaigns.views import entrance, reading
from core import clock
from core.errors import InvalidTransitionError

INVALID = 422


def page(request: WorkspaceRequest, campaign: Campaign, form: SendForm | None = None) -> HttpResponse:
    """Show what waits, to everybody who may look; drafts too, to those who may not write them."""
    reader, preview = reading.first_reader(campaign)
    is_asking = lifecycle.is_asking(campaign)
    context = {
        "campaign": campaign,
        "reader": reader,
        "preview": preview,
        "subtraction": subtraction.now(campaign),
        "is_asking": is_asking,
        "form": form or SendForm(initial={} if is_asking else {"at": campaign.scheduled_at}),
        "may_send": request.may("campaigns.send"),
    }
    return render(request, "campaigns/appointment.html", context, status=INVALID if form and form.errors else 200)


@may("campaigns.send")
@require_POST
def appoint(request: WorkspaceRequest, campaign_id: int) -> HttpResponse:
    """Give it another time, or let it go now."""
    campaign = entrance.campaign_of(request, campaign_id)
    form = SendForm(request.POST)
    if form.is_valid() and moment_of(form):
        try:
            lifecycle.appoint(campaign, by=request.user, at=form.cleaned_data["moment"])
        except InvalidTransitionError:
            return entrance.to(campaign, "detail")  # it has begun meanwhile, or is a draft again
        if form.cleaned_data["moment"]:
            messages.success(request, _("It has another time."))
        return entrance.to(campaign, "detail")
    return page(request, campaign, form)


def moment_of(form: SendForm) -> bool:
    """Put the chosen moment into the form, None for now; say on the form why there is none, and return False."""
    at: dt.datetime | None = form.cleaned_data["at"] if form.cleaned_data["when"] == "later" else None
    if form.cleaned_data["when"] == "later" and at is None:
        form.add_error("at", _("Choose the date and time."))
    elif at is not None and at <= clock.now():
        form.add_error("at", _("This moment has passed. Choose a later one, or send now."))
    elif at is not None and at > clock.now() + lifecycle.FARTHEST:
        form.add_error("at", _("This is more than a hundred years away. Choose an earlier moment."))
    form.cleaned_data["moment"] = at
    return not form.errors
