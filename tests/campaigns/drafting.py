"""A draft on its way through the steps of the composer, and who may look at it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client

from apps.accounts.models import User, Workspace
from apps.campaigns.models import Campaign
from apps.campaigns.services import drafts
from apps.contacts.models import Contact, ContactList
from apps.smtp.models import Transport

MakeContact = Callable[..., Contact]
HTMX = {"HX-Request": "true"}
GOOD = '<p>Hello {{ first_name or "there" }}</p><p>1 Harbour Road, Leith. <a href="{{ unsubscribe_url }}">Leave</a></p>'


@pytest.fixture
def draft(workspace: Workspace, owner: User, transport: Transport, contact_list: ContactList) -> Campaign:
    changes = {
        "name": "November roast",
        "subject": "The Kenyan is in",
        "from_name": "Northlight",
        "from_email": "hello@northlight.example",
        "transport": transport,
        "html": GOOD,
    }
    campaign = drafts.create(workspace, by=owner, changes=changes)
    drafts.save_audience(campaign, lists=[contact_list], excluded=[])
    return campaign


@pytest.fixture
def colleague_client(colleague: User) -> Client:
    client = Client()
    client.force_login(colleague)
    return client


@pytest.fixture
def theirs(stranger: User) -> Workspace:
    return stranger.workspaces.get()


def at(campaign: Campaign, page: str = "") -> str:
    return f"/w/northlight/campaigns/{campaign.pk}/{page}"


def settings_form(transport: Transport, /, **changes: str) -> dict[str, str]:
    values = {"name": "Winter", "subject": "Snow", "from_name": "N", "from_email": "hello@northlight.example"}
    return {**values, "preheader": "", "reply_to": "", "transport": str(transport.pk), **changes}
