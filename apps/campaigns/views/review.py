"""The composer's last step: what was found, tests, and the button that sends."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from apps.accounts.access import WorkspaceRequest, may
from apps.campaigns import fates, selectors
from apps.campaigns.forms import AddressForm, SendForm, TestForm
from apps.campaigns.models import Campaign
from apps.campaigns.services import drafts, lifecycle, preflight, previews, subtraction, test_letters
from apps.campaigns.states import PENDING
from apps.campaigns.views import appointment, composer, entrance
from core.errors import EspError, InvalidTransitionError, NotFoundError


@may("campaigns.edit")
@require_safe
def show(request: WorkspaceRequest, campaign_id: int) -> HttpResponse:
    """Show what was found and what will be sent to whom."""
    campaign = entrance.campaign_of(request, campaign_id)
    if not entrance.is_editable(campaign):
        return entrance.to(campaign, "detail")
    return _page(request, campaign)


def _page(
    request: WorkspaceRequest,
    campaign: Campaign,
    *,
    test_form: TestForm | None = None,
    send_form: SendForm | None = None,
) -> HttpResponse:
    readers = previews.readers(campaign)
    reader = next(iter(readers), None)
    is_later = (request.POST if send_form else request.GET).get("when") == "later"
    is_refused = bool((test_form and test_form.errors) or (send_form and send_form.errors))
    context = {
        **composer.frame(campaign, "review"),
        "report": preflight.inspect(campaign),
        "subtraction": subtraction.now(campaign),
        "reader": reader,
        "readers": readers,
        "preview": previews.of(campaign, reader),
        "test_form": test_form
        or TestForm(initial={"to": request.user.email, "reader": reader.email if reader else ""}),
        "send_form": send_form or SendForm(),
        "address_form": AddressForm(),
        "is_later": is_later,
        "may_send": request.may("campaigns.send"),
        "may_set_address": request.may("workspace.edit"),
        **_tests(campaign),
    }
    return render(request, "campaigns/review.html", context, status=composer.INVALID if is_refused else 200)


def _tests(campaign: Campaign) -> dict[str, object]:
    letters = selectors.tests_of(campaign)
    return {
        "tests": [(letter, fates.of(letter)) for letter in letters],
        "last_test": letters[0] if letters else None,
        "are_tests_under_way": any(letter.state in PENDING for letter in letters),
    }


@may("campaigns.send")
@require_POST
def send_test(request: WorkspaceRequest, campaign_id: int) -> HttpResponse:
    """Send the content as it is now to a few addresses."""
    campaign = entrance.campaign_of(request, campaign_id)
    form = TestForm(request.POST)
    if form.is_valid():
        reader = None
        try:
            reader = previews.reader_named(request.workspace, form.cleaned_data["reader"])
            test_letters.send(campaign, to=form.addresses(), as_contact=reader)
        except NotFoundError as error:
            form.add_error("reader", error.message)
        except EspError as error:
            form.add_error("to", error.message)
        else:
            response = entrance.to(campaign, "review")
            response["Location"] += "#tests"
            return response
    return _page(request, campaign, test_form=form)


@may("campaigns.view")
@require_safe
def tests(request: WorkspaceRequest, campaign_id: int) -> HttpResponse:
    """Answer with the fates of the test letters; asked again while one is under way."""
    campaign = entrance.campaign_of(request, campaign_id)
    if not entrance.is_fragment(request):
        return entrance.to(campaign, "review")
    return render(request, "campaigns/fragments/tests.html", {"campaign": campaign, **_tests(campaign)})


@may("campaigns.edit")
@require_POST
def footer(request: WorkspaceRequest, campaign_id: int) -> HttpResponse:
    """Put the unsubscribe link and the postal address in."""
    campaign = entrance.campaign_of(request, campaign_id)
    drafts.add_footer(campaign)
    messages.success(request, _("Put in at the end of the email."))
    return entrance.to(campaign, "review")


@may("workspace.edit")
@require_POST
def postal_address(request: WorkspaceRequest, campaign_id: int) -> HttpResponse:
    """Keep the workspace's postal address, and put it into this draft."""
    campaign = entrance.campaign_of(request, campaign_id)
    try:
        drafts.set_postal_address(campaign.workspace, request.POST.get("postal_address", ""))
    except EspError as error:
        messages.error(request, error.message)
    else:
        if campaign.html.strip():
            drafts.add_footer(campaign)
        messages.success(request, _("Kept the postal address."))
    return entrance.to(campaign, "review")


@may("campaigns.send")
@require_POST
def send(request: WorkspaceRequest, campaign_id: int) -> HttpResponse:
    """Hand the campaign to the workers, now or at a moment."""
    campaign = entrance.campaign_of(request, campaign_id)
    if not entrance.is_editable(campaign):
        return entrance.to(campaign, "detail")  # the button was pressed twice: the first time counts
    form = SendForm(request.POST)
    if form.is_valid():
        if not appointment.moment_of(form):
            pass
        elif report_blocks := preflight.inspect(campaign).to_fix:
            messages.error(request, _("Not sent: %(what)s.") % {"what": report_blocks[0].title.rstrip(".")})
            return entrance.to(campaign, "review")
        else:
            try:
                lifecycle.schedule(campaign, by=request.user, at=form.cleaned_data["moment"])
            except InvalidTransitionError:
                return entrance.to(campaign, "detail")
            return entrance.to(campaign, "detail")
    return _page(request, campaign, send_form=form)
