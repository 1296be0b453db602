"""Every letter to one person, with what came back by people and by machines."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from apps.campaigns.models import Campaign, Delivery, DeliveryEntry
from apps.contacts.models import ConsentEvent, Contact, ContactList
from apps.tracking import people
from apps.tracking.models import Event
from core import clock, tokens

pytestmark = pytest.mark.django_db
MakeDelivery = Callable[..., Delivery]


def came(delivery: Delivery, kind: str, *, seconds: float = 0, **fields: Any) -> None:
    Event.objects.create(
        workspace=delivery.workspace, delivery=delivery, campaign=delivery.campaign, kind=kind,
        at=clock.now() + timedelta(seconds=seconds), **fields,
    )  # fmt: skip


@pytest.fixture
def letters(make_delivery: MakeDelivery, campaign: Campaign) -> list[Delivery]:
    """Return two letters to Mara, the later one of another campaign."""
    first = make_delivery(state="sent")
    other = Campaign.objects.create(workspace=campaign.workspace, name="Winter", content=campaign.content)
    return [first, make_delivery(state="failed", failure="perm_recipient", campaign=other)]


def test_newest_first_with_fate_and_what_came_back(letters: list[Delivery]) -> None:
    for is_machine in (True, False, False):
        came(letters[0], "open", is_machine=is_machine)
    came(letters[0], "click", link=0)

    found, more = people.letters(Contact.objects.get())

    assert [(one.delivery.campaign.name, one.fate.chip) for one in found if one.delivery.campaign] == [
        ("Winter", "failed"),
        ("Autumn", "sent"),
    ]
    assert more is None
    mine = found[1]
    assert (mine.opens.people, mine.opens.machines) == (2, 1)
    assert (mine.clicks.people, mine.clicks.machines) == (1, 0)
    assert mine.opens.last_at is not None


def test_the_first_clicks_of_a_burst_are_a_machines_too(letters: list[Delivery]) -> None:
    for link in range(3):
        came(letters[0], "click", link=link, seconds=link * 0.5, is_machine=link == 2)
    came(letters[0], "click", link=1, seconds=60)

    clicks = people.letters(Contact.objects.get())[0][1].clicks

    assert (clicks.people, clicks.machines) == (1, 3)


def test_the_fragment_links_to_each_campaigns_answer(letters: list[Delivery], owner_client: Client) -> None:
    came(letters[0], "open", is_machine=True)
    mara = Contact.objects.get()

    page = owner_client.get(reverse("tracking:contact_letters", args=["northlight", mara.uuid])).content.decode()

    for letter in letters:
        assert f"/campaigns/{letter.campaign_id}/people/{letter.uuid}/" in page
    assert "and 1 by machines" in page
    assert "The address does not exist or takes no mail." in page


def test_pages_by_key_and_asks_as_often_for_many_as_for_few(
    make_delivery: MakeDelivery, campaign: Campaign, owner_client: Client
) -> None:
    for _ in range(25):
        made = Campaign.objects.create(workspace=campaign.workspace, name="C", content=campaign.content)
        make_delivery(campaign=made)
    mara = Contact.objects.get()

    with CaptureQueriesContext(connection) as few:
        first, before = people.letters(mara, shown=2)
    with CaptureQueriesContext(connection) as many:
        people.letters(mara, shown=20)

    assert len(few) == len(many) == 2
    assert before == first[-1].delivery.pk
    seen, address = 0, reverse("tracking:contact_letters", args=["northlight", mara.uuid])
    while address:
        context = owner_client.get(address).context
        seen, address = seen + len(context["letters"]), context["next_url"]
    assert seen == 25


def test_a_deleted_person_leaves_the_account_whole_and_no_address(
    letters: list[Delivery], owner_client: Client, contact_list: ContactList
) -> None:
    Delivery.objects.filter(pk=letters[1].pk).update(last_text="550 <Mara@orchard.example> unknown")
    mara = Contact.objects.get()

    text = "550 <mara@orchard.example> unknown"
    DeliveryEntry.objects.create(delivery=letters[1], kind="failed", detail={"text": text})

    owner_client.post(reverse("contacts:delete", args=["northlight", mara.uuid]), {"typed": "mara@orchard.example"})

    left = list(Delivery.objects.order_by("pk").values_list("state", "email", "contact", "last_text"))
    assert left == [("sent", "", None, ""), ("failed", "", None, "")]
    assert "mara" not in str(DeliveryEntry.objects.get().detail).lower()
    for letter in letters:
        page = owner_client.get(f"/w/northlight/campaigns/{letter.campaign_id}/people/{letter.uuid}/")
        assert "a deleted person" in page.content.decode()


def test_a_recipients_own_choice_is_kept_with_the_address_it_came_from(
    letters: list[Delivery], recipient: Client, contact_list: ContactList
) -> None:
    token = tokens.seal("unsubscribe", letters[0].pk)

    recipient.post(f"/u/{token}", {"List-Unsubscribe": "One-Click"}, REMOTE_ADDR="198.51.100.7")

    event = ConsentEvent.objects.get(kind="left")
    assert (event.ip, event.actor_id, event.contact_list_id) == ("198.51.100.7", None, contact_list.pk)


def test_the_list_of_people_says_when_they_were_last_written_to_and_opened(
    letters: list[Delivery], owner_client: Client, make_contact: Callable[..., Contact]
) -> None:
    nobody = make_contact("zed@x.example")
    Delivery.objects.update(sent_at="2026-10-02T10:00:00Z")
    came(letters[0], "open", is_machine=True)
    came(letters[1], "open", seconds=-3600)
    mara = letters[0].contact
    assert mara is not None

    rows = owner_client.get(reverse("contacts:list", args=["northlight"])).context["rows"]

    seen = {person.contact.pk: trace for person, trace in rows}
    assert (seen[nobody.pk].last_email, seen[nobody.pk].last_open) == (None, None)
    assert seen[mara.pk].last_email.isoformat() == "2026-10-02T10:00:00+00:00"
    assert seen[mara.pk].last_open == Event.objects.get(is_machine=False).at
