"""The person chooses what they get."""

from __future__ import annotations

import pytest

from apps.accounts.models import Workspace
from apps.campaigns.models import Delivery
from apps.contacts.models import Contact, ContactList, Subscription, Suppression
from apps.tracking.models import Event
from core import tokens


def url(delivery: Delivery) -> str:
    return f"/p/{tokens.seal('unsubscribe', delivery.pk)}"


def state(contact: Contact, contact_list: ContactList) -> str | None:
    return (
        Subscription.objects.values_list("state", flat=True).filter(contact=contact, contact_list=contact_list).first()
    )


@pytest.fixture
def events_list(workspace: Workspace) -> ContactList:
    return ContactList.objects.create(workspace=workspace, name="Events in Porto", is_public=True)


def test_a_get_changes_nothing_and_hides_private_lists(recipient, delivery, workspace, events_list):
    ContactList.objects.create(workspace=workspace, name="Whales", is_public=False)

    page = recipient.get(url(delivery)).content.decode()

    assert "Events in Porto" in page
    assert "Whales" not in page
    assert page.count(" checked") == 1
    assert not Event.objects.exists()


def test_joins_and_leaves_lists_in_one_post(recipient, delivery, contact_list, events_list):
    response = recipient.post(url(delivery), {"action": "choose", "lists": [str(events_list.uuid)]})

    assert response.status_code == 200
    assert "Saved." in response.content.decode()
    assert state(delivery.contact, events_list) == "confirmed"
    assert state(delivery.contact, contact_list) == "unsubscribed"
    assert not response.cookies


def test_cannot_join_what_is_not_offered(recipient, delivery, workspace, contact_list):
    elsewhere = Workspace.objects.create(name="Elsewhere", slug="elsewhere")
    foreign = ContactList.objects.create(workspace=elsewhere, name="Theirs", is_public=True)
    private = ContactList.objects.create(workspace=workspace, name="Whales")
    wanted = [str(foreign.uuid), str(private.uuid), str(contact_list.uuid), "nonsense"]

    recipient.post(url(delivery), {"action": "choose", "lists": wanted})

    assert state(delivery.contact, foreign) is None
    assert state(delivery.contact, private) is None
    assert state(delivery.contact, contact_list) == "confirmed"


def test_stops_everything_and_takes_it_back(recipient, delivery):
    recipient.post(url(delivery), {"action": "everything"})
    stopped = Suppression.objects.count()
    recipient.post(url(delivery), {"action": "undo"})

    assert (stopped, Suppression.objects.count()) == (1, 0)


def test_a_test_letter_changes_nothing(recipient, make_delivery, contact_list):
    letter = make_delivery(kind="test")

    recipient.post(url(letter), {"action": "choose"})

    assert state(letter.contact, contact_list) == "confirmed"


def test_an_unknown_token_gets_the_same_calm_page(db, recipient):
    assert recipient.get("/p/nobody").content == recipient.get("/u/nobody").content
