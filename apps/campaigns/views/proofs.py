"""What a campaign can prove: why (not) this person, and the certificate of its closed account."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpResponse, JsonResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from apps.accounts.access import WorkspaceRequest, may, within
from apps.campaigns import certificate_words, fates, selectors, trail
from apps.campaigns.models import Campaign, Certificate
from apps.campaigns.services import certificates, previews
from apps.campaigns.trail import Asked
from apps.campaigns.views import entrance
from apps.contacts.models import Contact
from core import tokens
from core.addresses import InvalidAddressError

NAMED = 50  # so many amendments are shown one by one


@may("campaigns.view")
@require_safe
def person(request: WorkspaceRequest, campaign_id: int, delivery_uuid: UUID) -> HttpResponse:
    """Answer whether one person got it, and why or why not."""
    campaign = entrance.campaign_of(request, campaign_id)
    letters = selectors.deliveries_of(campaign).select_related("contact", "transport", "content")
    delivery = letters.filter(uuid=delivery_uuid).first()
    if delivery is None:
        raise Http404
    asked = Asked(campaign, delivery.email, bytes(delivery.email_hash), delivery.contact, delivery)
    return _answer(request, asked)


@may("campaigns.view")
@require_safe
def why(request: WorkspaceRequest, campaign_id: int) -> HttpResponse:
    """Find the person with an address and answer; without an address, ask for one."""
    campaign = entrance.campaign_of(request, campaign_id)
    address = request.GET.get("address", "").strip()
    if not address:
        return render(request, "campaigns/why.html", {"campaign": campaign, "address": ""})
    try:
        asked = trail.ask_address(campaign, address)
    except InvalidAddressError as error:
        context = {"campaign": campaign, "address": address, "error": error.message}
        return render(request, "campaigns/why.html", context)
    return _answer(request, asked)


@may("campaigns.view")
@require_safe
def why_contact(request: WorkspaceRequest, campaign_id: int, contact_uuid: UUID) -> HttpResponse:
    """Answer for one of the workspace's contacts."""
    campaign = entrance.campaign_of(request, campaign_id)
    contact = within(request.workspace, Contact.objects.all(), uuid=contact_uuid)
    return _answer(request, trail.ask(campaign, contact))


def _answer(request: WorkspaceRequest, asked: Asked) -> HttpResponse:
    context: dict[str, Any] = {"campaign": asked.campaign, "asked": asked, "trail": trail.tell(asked)}
    if asked.delivery is not None:
        account, part = selectors.account(asked.campaign), selectors.part_of(asked.delivery)
        domain = settings.BOUNCE_DOMAIN or asked.campaign.message_domain
        context |= {
            "delivery": asked.delivery,
            "fate": fates.of(asked.delivery),
            "account": account,
            "part": part,
            "in_part": getattr(account, part),
            "preview": previews.of(asked.campaign, asked.contact),
            "return_path": tokens.return_path(asked.delivery.pk, domain),
        }
    return render(request, "campaigns/person.html", context)


@may("campaigns.view")
@require_safe
def certificate(request: WorkspaceRequest, campaign_id: int) -> HttpResponse:
    """Show the closed account, or that it is still open."""
    campaign = entrance.campaign_of(request, campaign_id)
    kept = _kept(request, campaign)
    if kept is None:
        context = {"campaign": campaign, "account": selectors.account(campaign)}
        return render(request, "campaigns/no_certificate.html", context)
    numbers = Certificate.objects.filter(campaign=campaign).order_by("-number").values_list("number", flat=True)
    amendments = certificates.amendments(kept)
    context = {
        "campaign": campaign,
        "certificate": kept,
        "words": certificate_words.of(kept),
        "recount": kept.recounts.select_related("by").order_by("-pk").first(),
        "amendments": [(one, *certificate_words.ends(one)) for one in amendments[:NAMED]],
        "amended": amendments.count(),
        "numbers": list(numbers),
        "is_once": certificates.nobody_twice(campaign),
    }
    return render(request, "campaigns/certificate.html", context)


def _kept(request: WorkspaceRequest, campaign: Campaign) -> Certificate | None:
    """Return the certificate asked for, the newest when none was named; None while there is none."""
    kept = Certificate.objects.filter(campaign=campaign).defer("ends").order_by("-number")
    wanted = request.GET.get("number", "")
    return kept.filter(number=int(wanted)).first() if wanted.isascii() and wanted.isdigit() else kept.first()


@may("campaigns.view")
@require_safe
def certificate_json(request: WorkspaceRequest, campaign_id: int) -> HttpResponseBase:
    """Hand the certificate out for programs, with what was amended since."""
    campaign = entrance.campaign_of(request, campaign_id)
    kept = _kept(request, campaign)
    if kept is None:
        return entrance.to(campaign, "certificate")
    found = {
        **kept.document,
        "amendments": [
            {
                "delivery": one.delivery_id,
                "at": one.at.isoformat(),
                "from": {"state": one.from_state, "reason": one.from_reason},
                "to": {"state": one.to_state, "reason": one.to_reason},
            }
            for one in certificates.amendments(kept)
        ],
    }
    reply = JsonResponse(found, json_dumps_params={"indent": 2, "ensure_ascii": False})
    reply["Content-Disposition"] = f'attachment; filename="certificate-{campaign.pk}-{kept.number}.json"'
    return reply


@may("campaigns.view")
@require_safe
def certificate_list(request: WorkspaceRequest, campaign_id: int) -> HttpResponseBase:
    """Hand out the list that was digested: its SHA-256 is the account's."""
    campaign = entrance.campaign_of(request, campaign_id)
    kept = _kept(request, campaign)
    if kept is None:
        return entrance.to(campaign, "certificate")
    texts = (f"\n{line}" if index else line for index, line in enumerate(certificates.lines(kept)))
    reply = StreamingHttpResponse(texts, content_type="text/plain; charset=utf-8")
    reply["Content-Disposition"] = f'attachment; filename="certificate-{campaign.pk}-{kept.number}.txt"'
    return reply


@may("campaigns.view")
@require_POST
def recount(request: WorkspaceRequest, campaign_id: int) -> HttpResponseBase:
    """Compare the certificate with the deliveries, row by row, and keep what came of it."""
    campaign = entrance.campaign_of(request, campaign_id)
    kept = Certificate.objects.filter(campaign=campaign).order_by("-number").first()
    if kept is not None:
        found = certificates.recount(kept, by=request.user)
        if found.is_same:
            messages.success(request, _("Recomputed from the emails: the same result."))
    return entrance.to(campaign, "certificate")
