"""What the pages of lower floors show of what came back, as fragments they fetch by route name."""

from __future__ import annotations

from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from apps.accounts.access import WorkspaceRequest, may, within
from apps.campaigns.models import Campaign
from apps.contacts.models import Contact
from apps.tracking import people, readers, selectors, timeline


@may("campaigns.view")
@require_safe
def campaign_statistics(request: WorkspaceRequest, campaign_uuid: UUID) -> HttpResponse:
    """Show opens, clicks and unsubscribes of one campaign."""
    campaign = within(request.workspace, Campaign.objects.all(), uuid=campaign_uuid)
    context = {
        "campaign": campaign,
        "statistics": selectors.campaign_statistics(campaign.pk),
        "readers": readers.of(campaign.pk),
        **_drawn(timeline.of(campaign)),
    }
    return render(request, "tracking/campaign_statistics.html", context)


def _drawn(found: timeline.Timeline) -> dict[str, object]:
    """Return the timeline as three drawings over the same stretches, and as one table."""
    stretches = found.stretches
    return {
        "timeline": found,
        "labels": [(number, timeline.label(found, number)) for number in timeline.labelled(found)],
        "sent": [(one.sent,) for one in stretches],
        "opens": [(one.opened, one.opened_by_machines) for one in stretches],
        "clicks": [(one.clicked, one.clicked_by_machines) for one in stretches],
        "said": timeline.sentences(found),
        "rows": [*stretches, *([found.later] if found.later else [])],
    }


@may("contacts.view")
@require_safe
def contact_letters(request: WorkspaceRequest, contact_uuid: UUID) -> HttpResponse:
    """Show every letter to one person with its fate, opens and clicks."""
    contact = within(request.workspace, Contact.objects.all(), uuid=contact_uuid)
    before, shown = (_number(request.GET.get(name, "")) for name in ("before", "shown"))
    page, next_before = people.letters(contact, before=before)
    shown += len(page)
    url = reverse("tracking:contact_letters", args=[request.workspace.slug, contact.uuid])
    context = {
        "contact": contact,
        "letters": page,
        "shown": shown,
        "next_url": f"{url}?before={next_before}&shown={shown}" if next_before else "",
    }
    return render(request, "tracking/contact_letters.html", context)


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else 0
