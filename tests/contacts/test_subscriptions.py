"""Who is on which list: nobody comes back unless they do it themselves."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from apps.accounts.models import User, Workspace
from apps.contacts.models import Contact, ContactList, Subscription, Suppression
from apps.contacts.services import subscriptions, suppression
from core.errors import NotFoundError
from tests.contacts.rivals import race

MakeContact = Callable[..., Contact]


def state(contact: Contact, contact_list: ContactList) -> str:
    return Subscription.objects.get(contact=contact, contact_list=contact_list).state


@pytest.mark.django_db
class TestSubscribe:
    def test_puts_a_person_on_a_list(self, make_contact: MakeContact, contact_list: ContactList) -> None:
        contact = make_contact("a@x.example", subscribed=False)

        assert subscriptions.subscribe(contact, contact_list, source="by hand") == "confirmed"
        assert state(contact, contact_list) == "confirmed"

    def test_leaves_off_whoever_left(self, make_contact: MakeContact, contact_list: ContactList) -> None:
        contact = make_contact("a@x.example")
        subscriptions.unsubscribe(contact.pk, [contact_list.pk], source="link")

        assert subscriptions.subscribe(contact, contact_list, source="by hand") == "unsubscribed"
        assert Subscription.objects.get().source == "link"

    def test_brings_back_whoever_comes_back(self, make_contact: MakeContact, contact_list: ContactList) -> None:
        contact = make_contact("a@x.example")
        subscriptions.unsubscribe(contact.pk, [contact_list.pk], source="link")

        assert subscriptions.subscribe(contact, contact_list, source="form", by_the_person=True) == "confirmed"

    def test_refuses_a_list_of_another_workspace(self, make_contact: MakeContact, stranger: User) -> None:
        contact = make_contact("a@x.example", subscribed=False)
        foreign = ContactList.objects.create(workspace=Workspace.objects.get(slug="elsewhere"), name="Theirs")

        with pytest.raises(NotFoundError):
            subscriptions.subscribe(contact, foreign, source="by hand")
        assert not Subscription.objects.exists()


@pytest.mark.django_db
class TestUnsubscribe:
    def test_says_what_changed_so_that_it_can_be_undone(
        self, make_contact: MakeContact, contact_list: ContactList, workspace: Workspace
    ) -> None:
        contact = make_contact("a@x.example")
        other = ContactList.objects.create(workspace=workspace, name="Events")
        subscriptions.unsubscribe(contact.pk, [other.pk], source="link")

        changed = subscriptions.unsubscribe(contact.pk, [contact_list.pk, other.pk], source="one click")

        assert changed == [contact_list.pk]
        assert subscriptions.resubscribe(contact.pk, changed, source="undo") == [contact_list.pk]
        assert (state(contact, contact_list), state(contact, other)) == ("confirmed", "unsubscribed")

    def test_twice_is_as_good_as_once(self, make_contact: MakeContact, contact_list: ContactList) -> None:
        contact = make_contact("a@x.example")
        subscriptions.unsubscribe(contact.pk, [contact_list.pk], source="first")

        assert subscriptions.unsubscribe(contact.pk, [contact_list.pk], source="second") == []
        assert Subscription.objects.get().source == "first"

    def test_is_remembered_for_a_list_the_person_was_not_on(
        self, make_contact: MakeContact, contact_list: ContactList
    ) -> None:
        contact = make_contact("a@x.example", subscribed=False)

        subscriptions.unsubscribe(contact.pk, [contact_list.pk], source="link")

        assert subscriptions.subscribe(contact, contact_list, source="by hand") == "unsubscribed"

    def test_touches_no_list_of_another_workspace(self, make_contact: MakeContact, stranger: User) -> None:
        contact = make_contact("a@x.example", subscribed=False)
        foreign = ContactList.objects.create(workspace=Workspace.objects.get(slug="elsewhere"), name="Theirs")

        assert subscriptions.unsubscribe(contact.pk, [foreign.pk], source="link") == []
        assert not Subscription.objects.exists()


@pytest.mark.django_db
class TestEverything:
    def test_stops_all_letters_and_can_be_undone(
        self, make_contact: MakeContact, contact_list: ContactList, workspace: Workspace
    ) -> None:
        contact = make_contact("Ann@x.example")

        made = subscriptions.unsubscribe_everything(workspace.pk, contact_id=contact.pk, source="link")

        assert made.reason == "unsubscribed"
        assert suppression.is_suppressed(workspace.pk, email="ann@X.example")
        assert subscriptions.undo_unsubscribe_everything(workspace.pk, contact_id=contact.pk)
        assert not suppression.is_suppressed(workspace.pk, email="ann@x.example")
        assert state(contact, contact_list) == "confirmed"

    def test_works_by_address_and_by_hash(self, workspace: Workspace, make_contact: MakeContact) -> None:
        gone = make_contact("gone@x.example")

        subscriptions.unsubscribe_everything(workspace.pk, email_hash=bytes(gone.email_hash), source="link")

        assert suppression.is_suppressed(workspace.pk, email="gone@x.example")
        assert subscriptions.undo_unsubscribe_everything(workspace.pk, email="gone@x.example")

    def test_does_not_undo_a_complaint_or_a_bounce(self, workspace: Workspace) -> None:
        for reason in ("complaint", "hard_bounce"):
            suppression.add(workspace.pk, email=f"{reason}@x.example", reason=reason)

            assert not subscriptions.undo_unsubscribe_everything(workspace.pk, email=f"{reason}@x.example")
            assert suppression.is_suppressed(workspace.pk, email=f"{reason}@x.example")

    def test_knows_nobody_of_another_workspace(self, make_contact: MakeContact, stranger: User) -> None:
        contact = make_contact("a@x.example")
        elsewhere = Workspace.objects.get(slug="elsewhere")

        with pytest.raises(NotFoundError):
            subscriptions.unsubscribe_everything(elsewhere.pk, contact_id=contact.pk, source="link")
        assert not Suppression.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_rivals_never_bring_back_whoever_left(make_contact: MakeContact, contact_list: ContactList) -> None:
    for number in range(15):
        contact = make_contact(f"p{number}@x.example", subscribed=number % 2 == 0)

        race(
            lambda c=contact: subscriptions.subscribe(c, contact_list, source="by hand"),
            lambda c=contact: subscriptions.unsubscribe(c.pk, [contact_list.pk], source="link"),
            lambda c=contact: subscriptions.subscribe(c, contact_list, source="import"),
        )

        assert state(contact, contact_list) == "unsubscribed"


@pytest.mark.django_db(transaction=True)
def test_of_two_who_take_a_person_off_one_list_one_changed_it(
    make_contact: MakeContact, contact_list: ContactList
) -> None:
    contact = make_contact("a@x.example")

    changed = race(
        *[lambda n=n: subscriptions.unsubscribe(contact.pk, [contact_list.pk], source=f"link {n}") for n in range(4)]
    )

    assert sorted(changed) == [[], [], [], [contact_list.pk]]
