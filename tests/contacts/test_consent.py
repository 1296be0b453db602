"""Consent: every change leaves one row that nobody can change, whoever made it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import DatabaseError, transaction
from django.test import Client
from django.urls import reverse

from apps.accounts.models import User, Workspace
from apps.contacts.models import ConsentEvent, Contact, ContactList, Suppression
from apps.contacts.services import contacts, subscriptions, suppression
from tests.contacts.conftest import Upload

pytestmark = pytest.mark.django_db
MakeContact = Callable[..., Contact]


@pytest.fixture
def ann(make_contact: MakeContact) -> Contact:
    return make_contact("ann@x.example", subscribed=False)


def events() -> list[tuple[str, str]]:
    return list(ConsentEvent.objects.order_by("pk").values_list("kind", "before"))


def test_each_change_of_a_subscription_leaves_one_row(ann: Contact, contact_list: ContactList) -> None:
    subscriptions.subscribe(ann, contact_list, source="a form")
    subscriptions.subscribe(ann, contact_list, source="a form")
    subscriptions.unsubscribe(ann.pk, [contact_list.pk], source="link")
    subscriptions.subscribe(ann, contact_list, source="a colleague")
    subscriptions.subscribe(ann, contact_list, source="preferences", by_the_person=True)

    assert events() == [("joined", ""), ("left", "confirmed"), ("came_back", "unsubscribed")]
    first = ConsentEvent.objects.order_by("pk")[0]
    assert (first.contact_id, first.contact_list_id, first.list_name) == (ann.pk, contact_list.pk, "Newsletter")
    assert (first.source, first.actor_id, first.ip) == ("a form", None, None)


def test_the_wish_to_stop_and_taking_it_back(ann: Contact, workspace: Workspace) -> None:
    for _ in range(2):
        subscriptions.unsubscribe_everything(workspace.pk, contact_id=ann.pk, source="link")
    subscriptions.undo_unsubscribe_everything(workspace.pk, contact_id=ann.pk, source="link")

    assert [kind for kind, _before in events()] == ["stopped", "resumed"]


def test_a_member_is_named_with_their_address(ann: Contact, contact_list: ContactList, owner: User) -> None:
    client = Client(REMOTE_ADDR="203.0.113.9")
    client.force_login(owner)

    client.post(reverse("contacts:subscribe", args=["northlight", ann.uuid]), {"contact_list": str(contact_list.uuid)})

    event = ConsentEvent.objects.get()
    assert (event.actor_id, event.actor_name, event.ip) == (owner.pk, owner.email, "203.0.113.9")


def test_an_import_keeps_the_file_the_note_and_who_declared_it(bring: Upload, owner: User) -> None:
    job = bring("email\nann@x.example\nbob@x.example\n")
    again = bring("email\nann@x.example\n")

    found = list(ConsentEvent.objects.order_by("pk"))
    assert [(one.kind, one.before, one.import_job_id, one.file_sha256) for one in found] == [
        ("joined", "", job.pk, job.file_sha256),
        ("joined", "", job.pk, job.file_sha256),
        ("joined", "confirmed", again.pk, again.file_sha256),
    ]
    assert {one.source for one in found} == {"people.csv: Signed at our stand"}
    assert {one.actor_name for one in found} == {owner.email}
    assert (job.started_by, len(job.file_sha256)) == (owner, 64)


@pytest.mark.parametrize("deed", ["update", "delete"])
def test_the_database_refuses_to_change_what_happened(ann: Contact, contact_list: ContactList, deed: str) -> None:
    subscriptions.subscribe(ann, contact_list, source="a form")
    found = ConsentEvent.objects.all()

    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        found.update(source="another") if deed == "update" else found.delete()

    assert ConsentEvent.objects.get().source == "a form"


def test_erasing_a_person_takes_the_history_and_nobody_elses(
    ann: Contact, contact_list: ContactList, make_contact: MakeContact, workspace: Workspace
) -> None:
    bob = make_contact("bob@x.example", subscribed=False)
    for person in (ann, bob):
        subscriptions.subscribe(person, contact_list, source="a form")
    suppression.add(workspace.pk, email="ann@x.example", reason="complaint")

    contacts.delete(ann)

    assert list(ConsentEvent.objects.values_list("contact_id", flat=True)) == [bob.pk]
    kept = Suppression.objects.get()
    assert (kept.email, suppression.is_suppressed(workspace.pk, email="ann@x.example")) == ("", True)
    with pytest.raises(DatabaseError), transaction.atomic():
        ConsentEvent.objects.all().delete()


def test_erasing_leaves_no_trace_of_the_address_in_any_table(bring: Upload, owner_client: Client) -> None:
    from django.apps import apps
    from django.db import connection

    bring("email,name\nclaire@orchard.example,Claire\nClaire@Orchard.example,Again\n")
    claire = Contact.objects.get()
    owner_client.post(
        reverse("contacts:note", args=["northlight", claire.uuid]), {"text": "write to claire@orchard.example"}
    )

    contacts.delete(claire)

    with connection.cursor() as cursor:
        for model in apps.get_models():
            cursor.execute(
                f'SELECT count(*) FROM "{model._meta.db_table}" t WHERE t::text ILIKE %s', ["%claire@orchard%"]
            )
            assert cursor.fetchone() == (0,), model


def test_a_new_address_takes_the_suppression_along(ann: Contact, workspace: Workspace) -> None:
    subscriptions.unsubscribe_everything(workspace.pk, contact_id=ann.pk, source="link")

    assert contacts.change_address(ann, email="Anna@X.example")

    assert (ann.email, ann.email_normalised) == ("Anna@x.example", "anna@x.example")
    assert suppression.is_suppressed(workspace.pk, email="anna@x.example")
    assert suppression.has_asked_to_stop(workspace.pk, email="anna@x.example")


def test_a_bounce_stays_with_the_old_mailbox(ann: Contact, workspace: Workspace) -> None:
    suppression.add(workspace.pk, email="ann@x.example", reason="hard_bounce")

    contacts.change_address(ann, email="anna@x.example")

    assert not suppression.is_suppressed(workspace.pk, email="anna@x.example")


def test_an_address_of_somebody_else_is_refused_and_nothing_changes(ann: Contact, make_contact: MakeContact) -> None:
    bob = make_contact("bob@x.example")

    with pytest.raises(contacts.ContactExistsError) as refused:
        contacts.change_address(ann, email="BOB@x.example")

    assert refused.value.contact == bob
    ann.refresh_from_db()
    assert (ann.email, ann.email_normalised) == ("ann@x.example", "ann@x.example")


class TestPersonPage:
    def page(self, client: Client, contact: Contact) -> str:
        answer = client.get(reverse("contacts:detail", args=["northlight", contact.uuid]))
        assert answer.status_code == 200
        return answer.content.decode()

    def post(self, client: Client, name: str, contact: Contact, **values: Any) -> Any:
        return client.post(reverse(f"contacts:{name}", args=["northlight", contact.uuid]), values)

    def test_shows_consent_with_its_source_and_file(self, bring: Upload, owner_client: Client) -> None:
        job = bring("email\nann@x.example\n")

        page = self.page(owner_client, Contact.objects.get())

        assert "people.csv: Signed at our stand" in page
        assert job.file_sha256 in page

    def test_notes_are_added_with_who_and_when(self, ann: Contact, owner_client: Client) -> None:
        self.post(owner_client, "note", ann, text="Prefers\nRussian")
        assert self.post(owner_client, "note", ann, text="  ").status_code == 422

        page = self.page(owner_client, ann)
        assert "Prefers\nRussian" in page
        assert "Ines Marlow" in page
        assert ann.notes.count() == 1

    def test_edits_address_names_and_fields(self, ann: Contact, owner_client: Client) -> None:
        Contact.objects.filter(pk=ann.pk).update(attributes={"city": "Porto", "visits": 3, "old": "x"})
        values = {"email": "anna@x.example", "first_name": "Anna", "last_name": "", "field-city": "Lisbon"}

        self.post(
            owner_client, "edit", ann, **values,
            **{"field-visits": "3", "field-old": "", "new_field": "Plan", "new_value": "gold"},
        )  # fmt: skip

        ann.refresh_from_db()
        assert (ann.email, ann.first_name) == ("anna@x.example", "Anna")
        assert ann.attributes == {"city": "Lisbon", "visits": 3, "plan": "gold"}

    def test_keeps_the_lines_of_a_field(self, ann: Contact, owner_client: Client) -> None:
        kept = {"address": "1 Quay Street\nPorto", "older": "a\r\nb", "plan": "gold"}
        Contact.objects.filter(pk=ann.pk).update(attributes=kept)
        page = owner_client.get(reverse("contacts:edit", args=["northlight", ann.uuid])).content.decode()
        assert page.count("<textarea") == 2
        typed = {"field-address": "1 Quay Street\r\nPorto", "field-older": "a\r\nb", "field-plan": "gold"}

        self.post(owner_client, "edit", ann, email=ann.email, **typed)
        ann.refresh_from_db()
        assert ann.attributes == kept

        self.post(owner_client, "edit", ann, email=ann.email, **{**typed, "field-address": "2 Quay Street\r\nPorto"})
        ann.refresh_from_db()
        assert ann.attributes == {**kept, "address": "2 Quay Street\nPorto"}

    @pytest.mark.parametrize(
        ("typed", "words"),
        [
            ({"new_field": "plan"}, "Give the new field a value"),
            ({"new_value": "gold"}, "Give the new field a name"),
        ],
    )
    def test_half_a_new_field_is_not_dropped_in_silence(
        self, ann: Contact, owner_client: Client, typed: dict[str, str], words: str
    ) -> None:
        answer = self.post(owner_client, "edit", ann, email=ann.email, first_name="Changed", **typed)

        assert answer.status_code == 422
        assert words in answer.content.decode()
        ann.refresh_from_db()
        assert (ann.first_name, ann.attributes) == ("", {})

    def test_says_who_has_an_address_already(
        self, ann: Contact, owner_client: Client, make_contact: MakeContact
    ) -> None:
        make_contact("bob@x.example")

        answer = self.post(owner_client, "edit", ann, email="bob@x.example", first_name="Changed")

        assert answer.status_code == 422
        assert "Another contact has this address already." in answer.content.decode()
        ann.refresh_from_db()
        assert ann.first_name == ""

    def test_suppresses_with_a_reason_and_lifts_with_one(self, ann: Contact, owner_client: Client) -> None:
        self.post(owner_client, "suppress", ann, why="asked by phone")
        made = Suppression.objects.get()
        assert made.source.endswith("asked by phone")
        assert "Lift the suppression…" in self.page(owner_client, ann)

        back = owner_client.post(
            reverse("contacts:suppression_remove", args=["northlight", made.pk]),
            {"why": "asked again", "back": "person"},
        )

        assert back.headers["Location"].endswith(f"/contacts/{ann.uuid}/")
        assert [kind for kind, _before in events()] == ["suppressed", "lifted"]
        assert ConsentEvent.objects.get(kind="lifted").source == "asked again"

    def test_a_complaint_offers_no_way_out(self, ann: Contact, owner_client: Client, workspace: Workspace) -> None:
        suppression.add(workspace.pk, email="ann@x.example", reason="complaint")

        page = self.page(owner_client, ann)

        assert "A complaint cannot be lifted." in page
        assert "Lift the suppression…" not in page
