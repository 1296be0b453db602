"""Claiming, marking and giving back: one holder, and the gate asked each time."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from django.db import connection, transaction

from apps.campaigns.models import Campaign, Delivery
from apps.campaigns.services import claims
from apps.contacts.models import Contact, Subscription, Suppression
from tests.campaigns.conftest import letters

Sending = Callable[..., Campaign]


def test_begin_takes_a_queued_letter_once(sending: Sending) -> None:
    letter = letters(sending(1))[0]

    first = claims.begin(letter.pk, owner="w1")
    second = claims.begin(letter.pk, owner="w2")

    assert first is not None
    assert (first.token, first.attempts, first.owner, first.first_name) == (1, 1, "w1", "Reader 0")
    assert second is None
    letter.refresh_from_db()
    assert letter.state == "sending"
    assert letter.lease_until is not None and letter.attempt_deadline is not None
    assert letter.lease_until < letter.attempt_deadline


@pytest.mark.parametrize("state", ["paused", "stalled", "cancelled", "finished", "preparing"])
def test_begin_refuses_when_the_campaign_is_not_sending(sending: Sending, state: str) -> None:
    letter = letters(sending(1, state=state))[0]
    Delivery.objects.filter(pk=letter.pk).update(state="queued")  # as a late result leaves it in a closed campaign

    assert claims.begin(letter.pk, owner="w1") is None
    letter.refresh_from_db()
    assert (letter.state, letter.attempts) == ("queued", 0)


def test_a_letter_that_is_not_due_stays(sending: Sending) -> None:
    letter = letters(sending(1))[0]
    with connection.cursor() as cursor:
        cursor.execute("UPDATE campaigns_delivery SET due_at = now() + interval '1 hour'")

    assert claims.begin(letter.pk, owner="w1") is None
    assert claims.settle_refused(letter.pk) is False


def test_suppressed_address_is_skipped_with_its_reason(sending: Sending) -> None:
    campaign = sending(1)
    letter = letters(campaign)[0]
    Suppression.objects.create(workspace_id=campaign.workspace_id, email_hash=letter.email_hash, reason="manual")

    assert claims.begin(letter.pk, owner="w1") is None
    assert claims.settle_refused(letter.pk) is True
    letter.refresh_from_db()
    assert (letter.state, letter.reason) == ("skipped", "suppressed")


def test_a_suppression_of_another_workspace_does_not_count(sending: Sending, stranger: object) -> None:
    from apps.accounts.models import Workspace

    letter = letters(sending(1))[0]
    elsewhere = Workspace.objects.get(slug="elsewhere")
    Suppression.objects.create(workspace=elsewhere, email_hash=letter.email_hash, reason="manual")

    assert claims.begin(letter.pk, owner="w1") is not None


def test_unsubscribed_since_the_audience_was_frozen_is_skipped(sending: Sending) -> None:
    letter = letters(sending(1))[0]
    Subscription.objects.filter(contact_id=letter.contact_id).update(state="unsubscribed")

    assert claims.begin(letter.pk, owner="w1") is None
    assert claims.settle_refused(letter.pk) is True
    letter.refresh_from_db()
    assert (letter.state, letter.reason) == ("skipped", "unsubscribed")


def test_deleted_contact_is_skipped(sending: Sending) -> None:
    letter = letters(sending(1))[0]
    Contact.objects.filter(pk=letter.contact_id).delete()

    assert claims.begin(letter.pk, owner="w1") is None
    assert claims.settle_refused(letter.pk) is True
    letter.refresh_from_db()
    assert (letter.state, letter.reason) == ("skipped", "erased")


def test_a_letter_past_its_expiry_expires(sending: Sending) -> None:
    letter = letters(sending(1))[0]
    with connection.cursor() as cursor:
        cursor.execute("UPDATE campaigns_delivery SET expires_at = now() - interval '1 second'")

    assert claims.begin(letter.pk, owner="w1") is None
    claims.settle_refused(letter.pk)
    letter.refresh_from_db()
    assert letter.state == "expired"


def test_mark_is_the_fence(sending: Sending) -> None:
    letter = letters(sending(1))[0]
    claimed = claims.begin(letter.pk, owner="w1")
    assert claimed is not None
    Delivery.objects.filter(pk=letter.pk).update(token=claimed.token + 1)  # the reaper took it back

    assert claims.mark(claimed) is False


def test_mark_sets_committing_once(sending: Sending) -> None:
    letter = letters(sending(1))[0]
    claimed = claims.begin(letter.pk, owner="w1")
    assert claimed is not None

    assert claims.mark(claimed) is True
    assert claims.mark(claimed) is False
    letter.refresh_from_db()
    assert letter.state == "committing"


@pytest.mark.parametrize("change", ["paused", "suppressed", "unsubscribed", "past_deadline"])
def test_mark_asks_the_gate_again(sending: Sending, change: str) -> None:
    campaign = sending(1)
    letter = letters(campaign)[0]
    claimed = claims.begin(letter.pk, owner="w1")
    assert claimed is not None
    match change:
        case "paused":
            Campaign.objects.update(state="paused")
        case "suppressed":
            Suppression.objects.create(
                workspace_id=campaign.workspace_id, email_hash=letter.email_hash, reason="complaint"
            )
        case "unsubscribed":
            Subscription.objects.update(state="unsubscribed")
        case "past_deadline":
            with connection.cursor() as cursor:
                cursor.execute("UPDATE campaigns_delivery SET attempt_deadline = now() - interval '1 second'")

    assert claims.mark(claimed) is False
    letter.refresh_from_db()
    assert letter.state == "sending"


def test_give_back_returns_only_what_is_certainly_unsent(sending: Sending) -> None:
    one, two, three = letters(sending(3))
    claims.begin(one.pk, owner="w1")
    marked = claims.begin(two.pk, owner="w1")
    assert marked is not None
    claims.mark(marked)
    claims.begin(three.pk, owner="w2")

    assert claims.give_back(one.pk, owner="w1") is True
    assert claims.give_back(two.pk, owner="w1") is False
    assert claims.give_back(three.pk, owner="w1") is False
    one.refresh_from_db()
    assert (one.state, one.attempts, one.owner, one.token) == ("queued", 0, "", 2)


def test_heartbeat_extends_own_leases_never_beyond_the_deadline(sending: Sending) -> None:
    one, two = letters(sending(2))
    claims.begin(one.pk, owner="w1")
    claims.begin(two.pk, owner="w2")
    with connection.cursor() as cursor:
        cursor.execute(
            """UPDATE campaigns_delivery SET lease_until = now() + interval '1 second',
                   attempt_deadline = now() + interval '20 seconds'"""
        )

    assert claims.renew_leases("w1") == 1
    one.refresh_from_db()
    two.refresh_from_db()
    assert one.lease_until == one.attempt_deadline
    assert two.lease_until is not None and one.lease_until is not None and two.lease_until < one.lease_until


@pytest.mark.django_db(transaction=True)
def test_of_many_rivals_exactly_one_wins(sending: Sending) -> None:
    letter = letters(sending(1))[0]
    won: list[str] = []
    start = threading.Barrier(8)

    def rival(name: str) -> None:
        start.wait(10)
        if claims.begin(letter.pk, owner=name):
            won.append(name)
        connection.close()

    threads = [threading.Thread(target=rival, args=(f"w{n}",)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    letter.refresh_from_db()
    assert won == [letter.owner]
    assert (letter.token, letter.attempts) == (1, 1)


def _waits_for_the_disk() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SHOW synchronous_commit")
        return bool(cursor.fetchone()[0] == "on")


@pytest.mark.django_db(transaction=True)
def test_only_the_begin_of_an_attempt_does_not_wait_for_the_disk(sending: Sending) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET synchronous_commit = 'on'")  # the test server's own default is off
    letter = letters(sending(1))[0]

    with transaction.atomic():
        claimed = claims.begin(letter.pk, owner="w1")
        during = _waits_for_the_disk()
    after = _waits_for_the_disk()
    with transaction.atomic():
        assert claimed is not None and claims.mark(claimed)
        at_mark = _waits_for_the_disk()

    assert (during, after, at_mark) == (False, True, True)
    connection.close()
