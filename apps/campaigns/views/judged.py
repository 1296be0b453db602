"""Who of the chosen lists would get a draft, who would not, and why: one by one, behind every count."""

from __future__ import annotations

from urllib.parse import urlencode

from django.http import HttpResponse
from django.shortcuts import render
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_safe

from apps.accounts.access import WorkspaceRequest, may
from apps.campaigns.models import Campaign
from apps.campaigns.services import audience, subtraction
from apps.campaigns.states import CampaignState
from apps.campaigns.views import entrance
from apps.contacts.models import Contact, Suppression

PAGE = 50
GETS_IT = "gets"
# By the word in the address: what it is called, and what the audience calls it.
REASONS: dict[str, tuple[str | Promise, str]] = {
    "all": (_("On these lists"), "all"),
    GETS_IT: (_("Will get it"), ""),
    "suppressed": (_("Suppressed"), "suppressed"),
    "unsubscribed": (_("Unsubscribed"), "unsubscribed"),
    "unconfirmed": (_("Not confirmed"), "unconfirmed"),
    "excluded": (_("Excluded"), "excluded"),
}


@may("campaigns.view")
@require_safe
def show(request: WorkspaceRequest, campaign_id: int) -> HttpResponse:
    """List people of a draft's lists, by reason and by what is in their name or address."""
    campaign = entrance.campaign_of(request, campaign_id)
    if campaign.state not in (CampaignState.DRAFT, CampaignState.SCHEDULED):
        return entrance.to(campaign, "people")
    reason = request.GET.get("reason", "all")
    reason = reason if reason in REASONS else "all"
    query, after = request.GET.get("q", "").strip()[:200].replace("\0", ""), _number(request.GET.get("after"))
    found = audience.judged(campaign, reason=REASONS[reason][1], query=query, after=after, shown=PAGE + 1)
    page, counts = found[:PAGE], _counts(campaign)
    shown = _number(request.GET.get("shown")) + len(page)
    kept = {"reason": reason, "q": query} if query else {"reason": reason}
    context = {
        "campaign": campaign,
        "people": _people(campaign, page),
        "tabs": [(key, word, counts[key], key == reason) for key, (word, _name) in REASONS.items()],
        "reason": reason,
        "query": query,
        "shown": shown,
        "total": None if query else counts[reason],
        "next_url": "?" + urlencode({**kept, "after": page[-1][0], "shown": shown}) if len(found) > PAGE else "",
        "back": "audience" if entrance.is_editable(campaign) and request.may("campaigns.edit") else "detail",
    }
    return render(request, "campaigns/judged.html", context)


def _counts(campaign: Campaign) -> dict[str, int]:
    forecast = subtraction.now(campaign).forecast
    return {
        "all": forecast.on_lists,
        GETS_IT: forecast.audience,
        **{name: getattr(forecast, name) for name in REASONS if name not in ("all", GETS_IT)},
    }


def _people(campaign: Campaign, page: list[tuple[int, str]]) -> list[tuple[Contact, str | Promise, str | Promise]]:
    """Return each person with the reason in words, and for an address that is suppressed, why that is."""
    words = {name: word for word, name in REASONS.values()}
    contacts = Contact.objects.in_bulk([number for number, _reason in page])
    hashes = [bytes(contacts[number].email_hash) for number, reason in page if reason == "suppressed"]
    kept = Suppression.objects.filter(workspace_id=campaign.workspace_id, email_hash__in=hashes)
    why = {bytes(one.email_hash): Suppression.Reason(one.reason).label for one in kept}
    return [
        (contacts[number], words[reason], why.get(bytes(contacts[number].email_hash), ""))
        for number, reason in page
        if number in contacts
    ]


def _number(text: str | None) -> int:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 19 else 0
