"""What the database keeps of every letter: each try that was not accepted at once, and each end that was revised."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.db import connection

from apps.campaigns.models import Attempt, Campaign, Delivery, Revision
from apps.campaigns.services import claims, outcomes, proofs, stuck, sweeps
from apps.campaigns.services.claims import Claimed
from apps.contacts.services import erasure
from apps.smtp.outcome import Accepted, Deferred, FailureClass, Outcome, Rejected, Reply, Stage, Unknown, Withheld
from core import queues
from tests.campaigns.conftest import letters

Sending = Callable[..., Campaign]
BUSY = Deferred(Stage.RCPT, Reply(451, "4.7.1", "Come back later"), FailureClass.TRANSIENT_RECIPIENT, counted=True)
GONE = Rejected(Stage.RCPT, Reply(550, "5.1.1", "No such user"), FailureClass.PERM_RECIPIENT)
TAKEN = Accepted(Reply(250, "2.0.0", "OK"))


def sql(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)


def begin(letter: Delivery) -> Claimed:
    sql(f"UPDATE campaigns_delivery SET due_at = now() WHERE id = {letter.pk}")
    claimed = claims.begin(letter.pk, owner="w1")
    assert claimed is not None
    return claimed


def attempt(letter: Delivery, outcome: Outcome, *, was_marked: bool = False) -> None:
    claimed = begin(letter)
    if was_marked:
        assert claims.mark(claimed)
    assert outcomes.write(outcomes.interpret(claimed, outcome, was_marked=was_marked))


def tries(letter: Delivery) -> list[tuple[object, ...]]:
    kept = Attempt.objects.filter(delivery=letter).order_by("number")
    return [(one.number, one.state, one.reason, one.stage, one.code, one.text) for one in kept]


@pytest.fixture
def letter(sending: Sending) -> Delivery:
    return letters(sending(1))[0]


def test_a_letter_accepted_at_once_costs_no_line(letter: Delivery) -> None:
    attempt(letter, TAKEN, was_marked=True)

    assert tries(letter) == []


def test_every_other_try_is_kept_with_the_reply(letter: Delivery) -> None:
    attempt(letter, BUSY)
    attempt(letter, Deferred(Stage.CONNECT, None, FailureClass.TRANSIENT_DEST, counted=False, reason="timeout"))
    attempt(letter, GONE)

    assert tries(letter) == [
        (1, "queued", "transient_recipient", "rcpt", 451, "Come back later"),
        (2, "queued", "transient_dest", "connect", None, "timeout"),
        (3, "failed", "perm_recipient", "rcpt", 550, "No such user"),
    ]
    first = Attempt.objects.get(delivery=letter, number=1)
    assert (first.transport_id, first.enhanced) == (letter.transport_id, "4.7.1")
    assert first.due_at is not None


def test_an_unknown_fate_is_kept(letter: Delivery) -> None:
    attempt(letter, Unknown(Stage.DOT, "closed"), was_marked=True)

    assert tries(letter) == [(1, "unconfirmed", "no_reply", "dot", None, "closed")]


def test_what_the_marker_held_back_is_kept(letter: Delivery) -> None:
    claimed = begin(letter)
    sql("UPDATE campaigns_delivery SET moved_at = now() - interval '1 s', due_at = now() - interval '1 s'")

    assert outcomes.write(outcomes.interpret(claimed, Withheld("refused", False), was_marked=False))

    assert tries(letter) == [(1, "queued", "refused", "", None, "")]


def test_a_dead_worker_leaves_a_line_without_an_older_reply(letter: Delivery, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queues, "depth", lambda _queue: 1)
    attempt(letter, BUSY)
    begin(letter)
    sql("UPDATE campaigns_delivery SET lease_until = now() - interval '1 second'")
    sweeps.reap(sweeps.Swept())
    claims.mark(begin(letter))
    sql("UPDATE campaigns_delivery SET attempt_deadline = now() - interval '1 second'")

    sweeps.reap(sweeps.Swept())

    assert tries(letter)[1:] == [
        (2, "queued", "lease_ended", "", None, ""),
        (3, "unconfirmed", "process_died", "", None, ""),
    ]


def test_a_letter_given_back_leaves_a_line(letter: Delivery) -> None:
    begin(letter)
    sql("UPDATE campaigns_delivery SET moved_at = moved_at - interval '1 second'")

    assert claims.give_back(letter.pk, owner="w1")

    assert tries(letter) == [(1, "queued", "given_back", "", None, "")]


def test_a_reset_leaves_a_line(letter: Delivery) -> None:
    begin(letter)
    sql("UPDATE campaigns_delivery SET lease_until = now() - interval '1 hour', moved_at = now() - interval '1 hour'")
    sql("UPDATE campaigns_campaign SET moved_at = now() - interval '1 hour'")

    assert stuck.check(stuck.timedelta(minutes=30))

    assert tries(letter) == [(1, "queued", "lease_ended", "", None, "")]


def test_waiting_for_the_account_is_no_try(letter: Delivery) -> None:
    assert claims.put_off(begin(letter), wait=60)

    assert tries(letter) == []


def test_days_of_the_same_trouble_stay_small(letter: Delivery) -> None:
    for _ in range(30):
        attempt(letter, Deferred(Stage.CONNECT, None, FailureClass.TRANSIENT_DEST, counted=False, reason="timeout"))

    kept = list(Attempt.objects.filter(delivery=letter).order_by("number"))
    assert (len(kept), kept[-1].times, sum(one.times for one in kept)) == (24, 7, 30)
    assert kept[-1].until is not None

    attempt(letter, BUSY)
    assert tries(letter)[-1] == (25, "queued", "transient_recipient", "rcpt", 451, "Come back later")


def test_a_revised_end_is_kept_with_what_it_was(letter: Delivery) -> None:
    attempt(letter, Unknown(Stage.DOT, "closed"), was_marked=True)

    assert proofs.arrived(letter.pk, by="open")

    kept = Revision.objects.get(delivery=letter)
    assert (kept.from_state, kept.from_reason, kept.to_state, kept.to_reason, kept.campaign_id) == (
        "unconfirmed", "no_reply", "sent", "proven_by_open", letter.campaign_id,
    )  # fmt: skip


def test_a_late_result_is_a_revision(letter: Delivery) -> None:
    claimed = begin(letter)
    assert claims.mark(claimed)
    sql("UPDATE campaigns_delivery SET attempt_deadline = now() - interval '1 second'")
    sweeps.reap(sweeps.Swept())

    assert outcomes.write(outcomes.interpret(claimed, TAKEN, was_marked=True))

    assert list(Revision.objects.values_list("from_state", "to_state")) == [("unconfirmed", "sent")]
    assert [row[1:3] for row in tries(letter)] == [("unconfirmed", "process_died")]


def test_an_erased_person_is_forgotten_in_what_servers_said(letter: Delivery) -> None:
    said = Reply(450, "4.2.0", "<READER0@example.com> is asleep")
    attempt(letter, Deferred(Stage.RCPT, said, FailureClass.TRANSIENT_RECIPIENT, counted=True))
    attempt(letter, BUSY)

    erasure.erase(letter.workspace_id, [letter.contact_id or 0])

    assert [row[5] for row in tries(letter)] == ["", "Come back later"]
