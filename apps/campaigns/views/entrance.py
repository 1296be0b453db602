"""How the campaign pages find their campaign and lead to one another."""

from __future__ import annotations

from urllib.parse import urlencode
from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponseRedirect
from django.urls import reverse

from apps.accounts.access import WorkspaceRequest, within
from apps.campaigns import selectors
from apps.campaigns.models import Campaign
from apps.campaigns.states import EDITABLE, CampaignState
from apps.contacts.models import Contact


def campaign_of(request: WorkspaceRequest, campaign_id: int) -> Campaign:
    """Return the campaign of this workspace, or answer 404."""
    return within(request.workspace, selectors.campaigns_of(request.workspace), pk=campaign_id)


def reader_of(request: WorkspaceRequest, text: str) -> Contact | None:
    """Return the person that a page is asked to look at a letter as; None when nobody was named.

    Raises:
        Http404: no such person in this workspace.
    """
    if not text:
        return None
    try:
        wanted = UUID(text)
    except ValueError:
        raise Http404 from None
    return within(request.workspace, Contact.objects.all(), uuid=wanted)


def is_editable(campaign: Campaign) -> bool:
    """Return whether a campaign may still be changed."""
    return CampaignState(campaign.state) in EDITABLE


def is_fragment(request: HttpRequest) -> bool:
    """Return whether htmx asks for a part of a page."""
    return request.headers.get("HX-Request") == "true"


def url(campaign: Campaign, route: str, **query: str) -> str:
    """Return the address of one of a campaign's pages."""
    slug = campaign.workspace.slug
    path = reverse(f"campaigns:{route}", kwargs={"workspace_slug": slug, "campaign_id": campaign.pk})
    return f"{path}?{urlencode(query)}" if query else path


def to(campaign: Campaign, route: str, **query: str) -> HttpResponseRedirect:
    """Lead to one of a campaign's pages."""
    return HttpResponseRedirect(url(campaign, route, **query))
