"""Suppressions: the strongest reason stays, and what a person asked for is never forgotten."""

from __future__ import annotations

import itertools

import pytest

from apps.accounts.models import User, Workspace
from apps.contacts.models import Suppression
from apps.contacts.services import contacts, suppression
from core import addresses
from core.errors import NotFoundError
from tests.contacts.rivals import race

REASONS = [str(reason) for reason in suppression.STRENGTH]


@pytest.mark.django_db
@pytest.mark.parametrize("order", list(itertools.permutations(REASONS, 2)))
def test_keeps_the_stronger_of_two_reasons(workspace: Workspace, order: tuple[str, str]) -> None:
    for reason in order:
        suppression.add(workspace.pk, email="a@x.example", reason=reason, source=reason)

    kept = Suppression.objects.get()
    assert kept.reason == kept.source == max(order, key=REASONS.index)


@pytest.mark.django_db
def test_knows_an_address_by_its_hash_and_learns_it_later(workspace: Workspace) -> None:
    suppression.add(workspace.pk, email_hash=addresses.fingerprint("a@x.example"), reason="hard_bounce")

    assert suppression.is_suppressed(workspace.pk, email="A@X.example")
    suppression.add(workspace.pk, email="A@x.example", reason="manual", source="by hand")
    kept = Suppression.objects.get()
    assert (kept.email, kept.reason, kept.source) == ("A@x.example", "hard_bounce", "")


@pytest.mark.django_db
def test_holds_for_one_workspace_only(workspace: Workspace, stranger: User) -> None:
    elsewhere = Workspace.objects.get(slug="elsewhere")
    suppression.add(elsewhere.pk, email="a@x.example", reason="manual")

    assert not suppression.is_suppressed(workspace.pk, email="a@x.example")


@pytest.mark.django_db
@pytest.mark.parametrize("reason", ["manual", "hard_bounce"])
def test_lifts_what_nobody_asked_for(workspace: Workspace, reason: str) -> None:
    made = suppression.add(workspace.pk, email="a@x.example", reason=reason)

    suppression.remove(workspace.pk, suppression_id=made.pk)

    assert not suppression.is_suppressed(workspace.pk, email="a@x.example")


@pytest.mark.django_db
@pytest.mark.parametrize("reasons", [["complaint"], ["unsubscribed"], ["unsubscribed", "hard_bounce"]])
def test_lifts_nothing_that_the_person_asked_for(workspace: Workspace, reasons: list[str]) -> None:
    for reason in reasons:
        made = suppression.add(workspace.pk, email="a@x.example", reason=reason)
    before = Suppression.objects.values().get()

    with pytest.raises(suppression.SuppressionStaysError):
        suppression.remove(workspace.pk, suppression_id=made.pk)

    assert Suppression.objects.values().get() == before


@pytest.mark.django_db
def test_a_bounce_can_be_lifted_once_the_person_took_the_stop_back(workspace: Workspace) -> None:
    suppression.add(workspace.pk, email="a@x.example", reason="unsubscribed")
    made = suppression.add(workspace.pk, email="a@x.example", reason="hard_bounce")

    assert not suppression.lift_by_the_person(workspace.pk, email="a@x.example")
    suppression.remove(workspace.pk, suppression_id=made.pk)

    assert not Suppression.objects.exists()


@pytest.mark.django_db
def test_a_stranger_lifts_nothing(workspace: Workspace, stranger: User) -> None:
    made = suppression.add(workspace.pk, email="a@x.example", reason="manual")

    with pytest.raises(NotFoundError):
        suppression.remove(Workspace.objects.get(slug="elsewhere").pk, suppression_id=made.pk)
    assert suppression.is_suppressed(workspace.pk, email="a@x.example")


@pytest.mark.django_db(transaction=True)
def test_rivals_with_different_reasons_leave_the_strongest(workspace: Workspace) -> None:
    for number in range(10):
        email = f"p{number}@x.example"

        race(*[lambda r=r, e=email: suppression.add(workspace.pk, email=e, reason=r, source=r) for r in REASONS])

        kept = Suppression.objects.get(email_hash=addresses.fingerprint(email))
        assert (kept.reason, kept.source, kept.asked_to_stop) == ("complaint", "complaint", True)


@pytest.mark.django_db(transaction=True)
def test_lifting_never_wins_over_a_complaint(workspace: Workspace) -> None:
    for number in range(10):
        email = f"p{number}@x.example"
        made = suppression.add(workspace.pk, email=email, reason="manual")

        def lift(row: int = made.pk) -> None:
            try:
                suppression.remove(workspace.pk, suppression_id=row)
            except (suppression.SuppressionStaysError, NotFoundError):
                return

        race(lift, lambda e=email: suppression.add(workspace.pk, email=e, reason="complaint"))

        kept = Suppression.objects.get(email_hash=addresses.fingerprint(email))
        assert kept.reason == "complaint"


@pytest.mark.django_db
@pytest.mark.parametrize("order", [("manual", "unsubscribed"), ("unsubscribed", "manual")])
def test_the_persons_undo_leaves_what_a_member_did_by_hand(workspace: Workspace, order: tuple[str, str]) -> None:
    for reason in order:
        suppression.add(workspace.pk, email="a@x.example", reason=reason, source=f"source of {reason}")
    assert Suppression.objects.get().reason == "unsubscribed"

    assert suppression.lift_by_the_person(workspace.pk, email="a@x.example")

    kept = Suppression.objects.get()
    assert (kept.reason, kept.source, kept.asked_to_stop) == ("manual", "source of manual", False)
    assert suppression.is_liftable(kept)
    assert not suppression.lift_by_the_person(workspace.pk, email="a@x.example")
    assert Suppression.objects.exists()


@pytest.mark.django_db
def test_what_was_done_by_hand_goes_along_to_a_new_address(workspace: Workspace) -> None:
    contact = contacts.add(workspace, email="a@x.example")
    for reason in ("manual", "unsubscribed"):
        suppression.add(workspace.pk, email="a@x.example", reason=reason)

    contacts.change_address(contact, email="b@x.example")
    assert Suppression.objects.get(email="b@x.example").reason == "unsubscribed"
    suppression.lift_by_the_person(workspace.pk, email="b@x.example")

    assert Suppression.objects.get(email="b@x.example").reason == "manual"
