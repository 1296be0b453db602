"""A campaign with a frozen audience, as the workers find it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db.models.functions import Now

from apps.accounts.models import Workspace
from apps.campaigns.models import Campaign, ContentVersion, Delivery
from apps.campaigns.rendering import Frozen
from apps.campaigns.services import audience
from apps.contacts.models import Contact, ContactList
from apps.smtp.models import Transport
from tests.campaigns.modes import carry, mode

__all__ = ["carry", "mode"]

MakeContact = Callable[..., Contact]
MakeCampaign = Callable[..., Campaign]

HTML = (
    "<html><body><p>Hello {{ first_name or 'friend' }}</p>"
    "<p><a href='{{ unsubscribe_url }}'>Leave</a></p></body></html>"
)


def frozen(**changes: Any) -> Frozen:
    values: dict[str, Any] = {
        "subject": "Hello {{ first_name }}",
        "preheader": "",
        "html": HTML,
        "text": "Hello {{ first_name }}\n\nLeave: {{ unsubscribe_url }}\n",
        "links": (),
        "content_hash": "0" * 64,
        "from_name": "Northlight",
        "from_email": "news@northlight.example",
        "reply_to": "",
    }
    return Frozen(**{**values, **changes})


@pytest.fixture
def make_campaign(workspace: Workspace, contact_list: ContactList, transport: Transport) -> MakeCampaign:
    def make(**fields: Any) -> Campaign:
        version = frozen()
        content = ContentVersion.objects.create(
            workspace=workspace, content_hash=version.content_hash, frozen=version.to_json(), links=[]
        )
        values: dict[str, Any] = {
            "workspace": workspace,
            "name": "November roast",
            "subject": version.subject,
            "html": HTML,
            "from_name": version.from_name,
            "from_email": version.from_email,
            "transport": transport,
            "content": content,
            "message_domain": "northlight.example",
            "audience_list_ids": [contact_list.pk],
            "state": "preparing",
        }
        campaign = Campaign.objects.create(**{**values, **fields})
        campaign.lists.add(contact_list)
        return campaign

    return make


@pytest.fixture
def sending(make_campaign: MakeCampaign, make_contact: MakeContact) -> Callable[..., Campaign]:
    """Return a maker of campaigns that are being sent to so many people, one batch each thousand."""

    def make(people: int = 3, **fields: Any) -> Campaign:
        for number in range(people):
            make_contact(f"reader{number}@example.com", first_name=f"Reader {number}")
        campaign = make_campaign()
        while (made := audience.make_slice(campaign.pk)) and not made.is_last:
            pass
        if fields.get("state") == "finished":  # the database closes nothing that is open
            Delivery.objects.filter(campaign=campaign).update(state="sent", sent_at=Now())
        Campaign.objects.filter(pk=campaign.pk).update(**{"state": "sending", **fields})
        campaign.refresh_from_db()
        return campaign

    return make


def letters(campaign: Campaign) -> list[Delivery]:
    return list(Delivery.objects.filter(campaign=campaign).order_by("pk"))
