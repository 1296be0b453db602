"""A letter that went out: campaign, content with two links, and its delivery."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.core.cache import cache
from django.db import connection, connections
from django.test import Client

from apps.accounts.models import Workspace
from apps.campaigns import rendering
from apps.campaigns.models import Campaign, ContentVersion, Delivery
from apps.contacts.models import Contact, ContactList
from apps.smtp.models import Transport
from core import addresses, clock

PERSON = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
LINKS = ["https://northlight.example/guide", "https://northlight.example/shop?a=1&b=2", "https://northlight.example/x"]
HTML = (
    "<html><body><p>Hello {{ first_name }}</p><script>alert(1)</script>"
    + "".join(f'<a href="{link}">go</a>' for link in LINKS)
    + '<a href="{{ unsubscribe_url }}">Unsubscribe</a></body></html>'
)


@pytest.fixture(autouse=True)
def _nobody_knocked_before() -> Iterator[None]:
    cache.clear()
    yield


@pytest.fixture
def away() -> Iterator[Callable[[bool], None]]:
    """Send the database away, and call it back: new connections find nobody there."""
    known = connections.settings["default"]
    before = known["HOST"]

    def send(is_away: bool) -> None:
        known["HOST"] = "/nowhere" if is_away else before
        connection.close()

    yield send
    send(False)


@pytest.fixture
def recipient() -> Client:
    """A browser of a person who never signed in, and which must never be given a cookie."""
    return Client(enforce_csrf_checks=True, headers={"User-Agent": PERSON})


@pytest.fixture
def content(workspace: Workspace) -> ContentVersion:
    source = rendering.Source(
        subject="Autumn",
        preheader="",
        html=HTML.replace("<script>alert(1)</script>", ""),
        text="",
        from_name="Ines",
        from_email="ines@northlight.example",
        reply_to="",
        postal_address=workspace.postal_address,
    )
    frozen = rendering.freeze(source)
    return ContentVersion.objects.create(
        workspace=workspace, content_hash=frozen.content_hash, frozen=frozen.to_json(), links=list(frozen.links)
    )


@pytest.fixture
def campaign(
    workspace: Workspace, content: ContentVersion, contact_list: ContactList, transport: Transport
) -> Campaign:
    return Campaign.objects.create(
        workspace=workspace,
        name="Autumn",
        subject="Autumn",
        content=content,
        transport=transport,
        state="sending",
        audience_list_ids=[contact_list.pk],
    )


@pytest.fixture
def make_delivery(campaign: Campaign, make_contact: Callable[..., Contact]) -> Callable[..., Delivery]:
    def make(email: str = "mara@orchard.example", *, ago: float = 3600, **fields: Any) -> Delivery:
        contact = Contact.objects.filter(email=email).first() or make_contact(email, first_name="Mara")
        address = addresses.parse(email)
        values: dict[str, Any] = {
            "workspace": campaign.workspace,
            "campaign": campaign,
            "contact": contact,
            "content": campaign.content,
            "transport": campaign.transport,
            "message_id": f"<{uuid.uuid4()}@northlight.example>",
            "email": address.email,
            "email_hash": addresses.fingerprint(address.normalised),
            "state": "sent",
            "expires_at": clock.now() + dt.timedelta(hours=1),
            "sent_at": clock.now() - dt.timedelta(seconds=ago),
        }
        return Delivery.objects.create(**{**values, **fields})

    return make


@pytest.fixture
def delivery(make_delivery: Callable[..., Delivery]) -> Delivery:
    return make_delivery()
