"""One deed for many people: only those it concerns change, and it can be taken back exactly."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from apps.accounts import roles
from apps.accounts.models import Membership, User, Workspace
from apps.contacts.models import BulkDeed, ConsentEvent, Contact, ContactList, Subscription, Suppression
from apps.contacts.services import bulk, lists, subscriptions, suppression
from core.errors import InvalidTransitionError
from tests.conftest import make_user

pytestmark = pytest.mark.django_db
MakeContact = Callable[..., Contact]
Snapshot = tuple[list[Any], list[Any]]


def url(name: str, *args: Any) -> str:
    return reverse(f"contacts:{name}", args=["northlight", *args])


def standing() -> Snapshot:
    return (
        list(Subscription.objects.order_by("contact", "contact_list").values_list("contact", "contact_list", "state")),
        list(Suppression.objects.order_by("email").values_list("email", "reason")),
    )


@pytest.fixture
def other(workspace: Workspace) -> ContactList:
    return lists.create(workspace, name="Events")


@pytest.fixture
def people(make_contact: MakeContact, other: ContactList, workspace: Workspace) -> list[Contact]:
    """Return four people: on Events, left it, on neither and suppressed as a complaint, and nothing special."""
    made = [make_contact(f"{name}@x.example") for name in ("on", "left", "spam", "fine")]
    subscriptions.subscribe(made[0], other, source="form")
    subscriptions.subscribe(made[1], other, source="form")
    subscriptions.unsubscribe(made[1].pk, [other.pk], source="link")
    suppression.add(workspace.pk, email="spam@x.example", reason="complaint")
    return made


@pytest.mark.parametrize(("kind", "changed"), [("add", 2), ("remove", 1), ("suppress", 3)])
def test_changes_whom_it_concerns_and_undoes_that_exactly(
    workspace: Workspace, owner: User, other: ContactList, people: list[Contact], kind: str, changed: int
) -> None:
    before = standing()

    deed = bulk.do(
        workspace, BulkDeed.Kind(kind), [one.pk for one in people],
        contact_list=None if kind == "suppress" else other, by=owner,
    )  # fmt: skip

    assert deed.people == changed
    assert ConsentEvent.objects.filter(deed=deed).count() == changed
    assert standing() != before
    assert bulk.undo(deed) == changed
    assert standing() == before
    assert ConsentEvent.objects.filter(kind="undone").count() == changed


def test_never_revives_who_left_nor_forgets_the_wish(
    workspace: Workspace, owner: User, other: ContactList, people: list[Contact]
) -> None:
    for kind in (BulkDeed.Kind.ADD, BulkDeed.Kind.REMOVE):
        bulk.do(workspace, kind, [people[1].pk], contact_list=other, by=owner)

    assert Subscription.objects.get(contact=people[1], contact_list=other).state == "unsubscribed"


def test_an_undo_leaves_alone_what_happened_since(
    workspace: Workspace, owner: User, other: ContactList, people: list[Contact]
) -> None:
    fine = people[3]
    added = bulk.do(workspace, BulkDeed.Kind.ADD, [fine.pk], contact_list=other, by=owner)
    suppressed = bulk.do(workspace, BulkDeed.Kind.SUPPRESS, [fine.pk], by=owner)
    subscriptions.unsubscribe(fine.pk, [other.pk], source="link")
    suppression.add(workspace.pk, email="fine@x.example", reason="complaint")

    assert (bulk.undo(added), bulk.undo(suppressed)) == (0, 0)

    assert Subscription.objects.get(contact=fine, contact_list=other).state == "unsubscribed"
    assert Suppression.objects.get(email="fine@x.example").reason == "complaint"
    with pytest.raises(InvalidTransitionError):
        bulk.undo(added)


def test_chosen_rows_get_the_deed_and_a_toast_with_undo(
    owner_client: Client, other: ContactList, people: list[Contact]
) -> None:
    chosen = [str(people[2].uuid), str(people[3].uuid)]

    answer = owner_client.post(
        url("change"), {"deed": "add", "chosen": [*chosen, "no-uuid"], "to": str(other.uuid), "q": "x.example"},
        follow=True,
    )  # fmt: skip

    deed = BulkDeed.objects.get()
    page = answer.content.decode()
    assert "Added 2 people to Events." in page
    assert f'action="{url("undo", deed.uuid)}"' in page
    assert answer.redirect_chain[0][0] == url("list") + "?q=x.example"
    owner_client.post(url("undo", deed.uuid))
    assert not Subscription.objects.filter(contact=people[3], contact_list=other).exists()


def test_everybody_found_means_the_filter_and_not_the_page(
    owner_client: Client, contact_list: ContactList, make_contact: MakeContact
) -> None:
    for n in range(60):
        make_contact(f"p{n}@x.example")
    make_contact("else@y.example")

    owner_client.post(
        url("change"), {"deed": "suppress", "everybody": "1", "q": "x.example", "list": str(contact_list.uuid)}
    )

    assert Suppression.objects.count() == 60


@pytest.mark.parametrize("values", [{}, {"deed": "add"}, {"deed": "evil", "everybody": "1"}])
def test_a_deed_without_people_or_name_changes_nothing(
    owner_client: Client, people: list[Contact], values: dict[str, str]
) -> None:
    before = standing()

    assert "Nobody was chosen." in owner_client.post(url("change"), values, follow=True).content.decode()

    assert standing() == before


def test_people_and_lists_of_another_workspace_are_out_of_reach(
    owner_client: Client, stranger: User, people: list[Contact]
) -> None:
    elsewhere = Workspace.objects.get(slug="elsewhere")
    foreign = Contact.objects.create(
        workspace=elsewhere, email="f@x.example", email_normalised="f@x.example", email_hash=b"f" * 32
    )
    theirs = lists.create(elsewhere, name="Theirs")

    owner_client.post(url("change"), {"deed": "suppress", "chosen": str(foreign.uuid)})
    owner_client.post(url("change"), {"deed": "add", "chosen": str(people[0].uuid), "to": str(theirs.uuid)})

    assert not Suppression.objects.filter(email="f@x.example").exists()
    assert not Subscription.objects.filter(contact_list=theirs).exists()


def test_refuses_more_people_than_one_deed_may_change(
    owner_client: Client, people: list[Contact], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "MAX_PEOPLE", 3)
    before = standing()

    answer = owner_client.post(url("change"), {"deed": "suppress", "everybody": "1"})

    assert answer.status_code == 400
    assert standing() == before


@pytest.mark.parametrize("is_undone", [False, True])
def test_suppressing_by_hand_stands_beside_the_wish_to_stop(
    workspace: Workspace, owner: User, people: list[Contact], is_undone: bool
) -> None:
    suppression.add(workspace.pk, email="fine@x.example", reason="unsubscribed", source="link")

    deed = bulk.do(workspace, BulkDeed.Kind.SUPPRESS, [people[3].pk], by=owner)
    assert Suppression.objects.get(email="fine@x.example").reason == "unsubscribed"
    if is_undone:
        assert bulk.undo(deed) == 1
    suppression.lift_by_the_person(workspace.pk, email="fine@x.example")

    left = list(Suppression.objects.filter(email="fine@x.example").values_list("reason", flat=True))
    assert left == ([] if is_undone else ["manual"])


@pytest.fixture
def editor_client(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> Client:
    """Somebody who may change people, but not whom the workspace never writes to."""
    monkeypatch.setitem(roles.MATRIX, "marketer", roles.MATRIX["marketer"] - {"suppressions.edit"})
    user = make_user("eddy@northlight.example")
    Membership.objects.create(user=user, workspace=workspace, role="marketer")
    client = Client()
    client.force_login(user)
    return client


def test_suppressing_many_needs_its_own_permission(
    editor_client: Client, workspace: Workspace, owner: User, other: ContactList, people: list[Contact]
) -> None:
    chosen = {"chosen": [people[3].uuid], "to": other.uuid}
    kept = bulk.do(workspace, BulkDeed.Kind.SUPPRESS, [people[0].pk], contact_list=None, by=owner)
    before = standing()

    assert editor_client.post(url("change"), {**chosen, "deed": "suppress"}).status_code == 403
    assert editor_client.post(url("undo", kept.uuid)).status_code == 403
    assert standing() == before
    assert 'value="suppress"' not in editor_client.get(url("list")).content.decode()
    assert editor_client.post(url("change"), {**chosen, "deed": "add"}).status_code == 302
    assert Subscription.objects.filter(contact=people[3], contact_list=other, state="confirmed").exists()


def test_suppressing_one_person_is_undone_from_the_toast(owner_client: Client, make_contact: MakeContact) -> None:
    person = make_contact("mara@orchard.example")
    page = owner_client.post(url("suppress", person.uuid), {"why": ""}, follow=True).content.decode()
    found = Suppression.objects.get()
    undo = url("suppression_remove", found.pk)
    assert f'action="{undo}"' in page.split('class="toasts"')[1]

    back = owner_client.post(undo, {"back": "person", "why": "Taken back at once"})

    assert not Suppression.objects.exists()
    assert back.headers["Location"] == url("detail", person.uuid)


def test_an_older_reason_is_not_undone_with_a_suppression_by_hand(
    owner_client: Client, make_contact: MakeContact, workspace: Workspace
) -> None:
    person = make_contact("mara@orchard.example")
    suppression.add(workspace.pk, email=person.email, reason="hard_bounce")

    page = owner_client.post(url("suppress", person.uuid), {"why": ""}, follow=True).content.decode()

    assert "remove/" not in page.split('class="toasts"')[1]
