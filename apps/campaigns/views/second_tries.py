"""A second try: ask, saying who it concerns and who is left out, then put letters back into the queue."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods

from apps.accounts.access import WorkspaceRequest, may
from apps.campaigns import causes, situations
from apps.campaigns.models import Campaign
from apps.campaigns.services import second_tries
from apps.campaigns.states import RETRIABLE
from apps.campaigns.views import entrance


@dataclass(frozen=True, slots=True)
class Offer:
    """What a page may offer to try again, and what it says about those it leaves out."""

    classes: tuple[tuple[str, str, int], ...]
    failed: int
    failed_left_out: str
    unconfirmed: int
    unconfirmed_left_out: str


def offer(request: WorkspaceRequest, campaign: Campaign) -> Offer | None:
    """Return what may be tried again; None where nothing may be, or not by this person."""
    if campaign.state not in RETRIABLE or not request.may("campaigns.send"):
        return None
    found = second_tries.countable(campaign)
    if not found.retriable and not found.unconfirmed:
        return None
    by_number = sorted(found.failed.items(), key=lambda one: -one[1])
    return Offer(
        classes=tuple((name, causes.words(name), letters) for name, letters in by_number),
        failed=found.retriable,
        failed_left_out=_left_out(found.failed_left_out),
        unconfirmed=found.unconfirmed,
        unconfirmed_left_out=_left_out(found.unconfirmed_left_out),
    )


@may("campaigns.send")
@require_http_methods(["GET", "HEAD", "POST"])
def retry(request: WorkspaceRequest, campaign_id: int) -> HttpResponse:
    """Ask which of the failed to try again, then do."""
    campaign = entrance.campaign_of(request, campaign_id)
    if request.method != "POST":
        return _ask(request, campaign, "campaigns/confirm_retry.html")
    classes = request.POST.getlist("class")
    if not classes:
        messages.warning(request, _("Choose at least one reason. Nothing was tried again."))
        return entrance.to(campaign, "detail")
    return _done(request, campaign, second_tries.retry_failed(campaign, by=request.user, classes=classes))


@may("campaigns.send")
@require_http_methods(["GET", "HEAD", "POST"])
def resend(request: WorkspaceRequest, campaign_id: int) -> HttpResponse:
    """Ask, with the warning that it may be a second copy, then send the unconfirmed again."""
    campaign = entrance.campaign_of(request, campaign_id)
    if request.method != "POST":
        return _ask(request, campaign, "campaigns/confirm_resend.html")
    return _done(request, campaign, second_tries.resend_unconfirmed(campaign, by=request.user))


def _ask(request: WorkspaceRequest, campaign: Campaign, template: str) -> HttpResponse:
    offered = offer(request, campaign)
    if offered is None:
        return entrance.to(campaign, "detail")
    return render(request, template, {"campaign": campaign, "offer": offered})


def _done(request: WorkspaceRequest, campaign: Campaign, letters: int) -> HttpResponse:
    if letters:
        said = ngettext("%(n)s email goes out again.", "%(n)s emails go out again.", letters)
        messages.success(request, said % {"n": situations.grouped(letters)})
    else:
        messages.info(request, _("There was nothing left to try again."))
    return entrance.to(campaign, "detail")


def _left_out(reasons: Mapping[str, int]) -> str:
    return ", ".join(f"{situations.grouped(letters)} {causes.words(name)}" for name, letters in reasons.items())
