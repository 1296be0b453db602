"""A person who is deleted while a worker holds their letter: nothing that is written later names them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.db import connection

from apps.campaigns.models import Campaign, Delivery
from apps.campaigns.services import claims, outcomes, sweeps
from apps.contacts.models import Suppression
from apps.contacts.services import contacts
from apps.smtp.outcome import Accepted, FailureClass, Outcome, Rejected, Reply, Stage
from core import addresses
from tests.campaigns.conftest import letters

Sending = Callable[..., Campaign]
EMAIL = "reader0@example.com"
BOUNCED = Rejected(Stage.RCPT, Reply(550, "5.1.1", f"<{EMAIL}> is unknown"), FailureClass.PERM_RECIPIENT)
TAKEN = Accepted(Reply(250, "2.0.0", f"queued for {EMAIL}"))


@pytest.fixture
def held(sending: Sending) -> claims.Claimed:
    """Return a letter in hand whose person has just been deleted."""
    letter = letters(sending(1))[0]
    claimed = claims.begin(letter.pk, owner="w1")
    assert claimed is not None
    assert letter.contact is not None
    contacts.delete(letter.contact)
    return claimed


def stored() -> str:
    """Return all that the letter's rows say."""
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT d::text FROM campaigns_delivery d UNION ALL SELECT a::text FROM campaigns_attempt a
               UNION ALL SELECT e::text FROM campaigns_deliveryentry e
               UNION ALL SELECT s::text FROM contacts_suppression s"""
        )
        return "\n".join(row[0] for row in cursor.fetchall())


def test_a_bounce_leaves_only_the_fingerprint(held: claims.Claimed) -> None:
    assert outcomes.write(outcomes.interpret(held, BOUNCED, was_marked=False))

    assert Delivery.objects.get().state == "failed"
    kept = Suppression.objects.get()
    assert (kept.email, bytes(kept.email_hash), kept.reason) == ("", addresses.fingerprint(EMAIL), "hard_bounce")
    assert EMAIL not in stored()


@pytest.mark.parametrize("outcome", [TAKEN, BOUNCED])
def test_an_answer_after_the_marker_is_written_without_its_words(sending: Sending, outcome: Outcome) -> None:
    letter = letters(sending(1))[0]
    claimed = claims.begin(letter.pk, owner="w1")
    assert claimed is not None
    assert claims.mark(claimed)
    assert letter.contact is not None
    contacts.delete(letter.contact)

    assert outcomes.write(outcomes.interpret(claimed, outcome, was_marked=True))

    assert Delivery.objects.get().state == ("sent" if outcome is TAKEN else "failed")
    assert EMAIL not in stored()


def test_a_yes_that_comes_after_the_row_was_closed(sending: Sending) -> None:
    letter = letters(sending(1))[0]
    claimed = claims.begin(letter.pk, owner="w1")
    assert claimed is not None
    assert claims.mark(claimed)
    assert letter.contact is not None
    contacts.delete(letter.contact)
    Delivery.objects.update(state="failed", token=claimed.token + 1)

    assert outcomes.write(outcomes.interpret(claimed, TAKEN, was_marked=True))

    assert Delivery.objects.get().reason == "late_answer"
    assert EMAIL not in stored()


def test_what_a_dead_worker_leaves_behind_names_nobody(held: claims.Claimed) -> None:
    Delivery.objects.update(lease_until="2020-01-01T00:00:00Z")

    sweeps.reap(sweeps.Swept())
    claims.settle_refused(held.delivery_id)

    letter = Delivery.objects.get()
    assert (letter.state, letter.reason) == ("skipped", "erased")
    assert EMAIL not in stored()
