"""Slices in hand: begun, marked, given back and recorded together, by the rules of one letter."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from django.db import OperationalError, connection, transaction
from django.db.models.functions import Now

from apps.campaigns.models import Batch, Campaign, Delivery, DeliveryEntry
from apps.campaigns.services import claims, grouped_claims, grouped_results, outcomes, spool
from apps.campaigns.services.claims import Claimed
from apps.campaigns.services.grouped_results import Results
from apps.contacts.models import Contact, Subscription, Suppression
from apps.smtp.models import Throttle, Transport
from apps.smtp.outcome import Accepted, Deferred, FailureClass, Rejected, Reply, Stage, Withheld
from core.models import InstanceEpoch
from tests.campaigns.conftest import letters

Sending = Callable[..., Campaign]
OK = Accepted(Reply(250, "2.0.0", "queued as 1"))
NO = Rejected(Stage.RCPT, Reply(550, "5.1.1", "no such user"), FailureClass.PERM_RECIPIENT)
LATER = Deferred(Stage.RCPT, Reply(451, "4.7.1", "later"), FailureClass.TRANSIENT_RECIPIENT, counted=True)


def begin(campaign: Campaign, owner: str = "w1", count: int = 50) -> list[Claimed]:
    batch = Batch.objects.get(campaign=campaign)
    return grouped_claims.begin(batch.pk, letters(campaign)[0].transport_id, owner=owner, count=count)


def sql(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)


# beginning


def test_a_slice_begins_what_one_letter_would_begin(sending: Sending) -> None:
    campaign = sending(3)
    (first, *_), (single,) = begin(campaign, count=1), letters(campaign)[1:2]
    alone = claims.begin(single.pk, owner="w1")

    assert alone is not None
    assert (first.token, first.attempts, first.owner, first.first_name) == (1, 1, "w1", "Reader 0")
    ours, theirs = Delivery.objects.get(pk=first.delivery_id), Delivery.objects.get(pk=single.pk)
    for name in ("state", "token", "attempts", "owner", "rung_at"):
        assert getattr(ours, name) == getattr(theirs, name), name
    assert ours.lease_until is not None and ours.attempt_deadline is not None
    assert (ours.attempt_deadline - ours.moved_at).total_seconds() == 630
    assert (ours.lease_until - ours.moved_at).total_seconds() == 120


def test_slices_take_each_letter_once_and_no_more_than_asked_for(sending: Sending) -> None:
    campaign = sending(5)

    taken = [one.delivery_id for owner in ("w1", "w2", "w3", "w4") for one in begin(campaign, owner, count=2)]

    assert taken == [one.pk for one in letters(campaign)]


@pytest.mark.parametrize("state", ["paused", "stalled", "cancelled", "preparing"])
def test_a_slice_is_empty_while_the_campaign_is_not_sending(sending: Sending, state: str) -> None:
    assert begin(sending(2, state=state)) == []


@pytest.mark.parametrize(
    "change",
    ["suppressed", "unsubscribed", "erased", "expired", "not_due", "rung", "crashed", "held", "frozen"],
)
def test_a_slice_leaves_out_what_may_not_go_or_goes_alone(sending: Sending, change: str) -> None:
    campaign = sending(2)
    first, second = letters(campaign)
    one = Delivery.objects.filter(pk=first.pk)
    match change:
        case "suppressed":
            Suppression.objects.create(workspace_id=first.workspace_id, email_hash=first.email_hash, reason="manual")
        case "unsubscribed":
            Subscription.objects.filter(contact_id=first.contact_id).update(state="unsubscribed")
        case "erased":
            Contact.objects.filter(pk=first.contact_id).delete()
        case "expired":
            sql(f"UPDATE campaigns_delivery SET expires_at = now() WHERE id = {first.pk}")
        case "not_due":
            sql(f"UPDATE campaigns_delivery SET due_at = now() + interval '1 hour' WHERE id = {first.pk}")
        case "rung":
            sql(f"UPDATE campaigns_delivery SET rung_at = now() WHERE id = {first.pk}")
        case "crashed":
            one.update(crash_count=1)
        case "held":
            assert claims.begin(first.pk, owner="w2")
        case "frozen":
            InstanceEpoch.objects.update_or_create(id=1, defaults={"own_table": 1, "frozen_at": Now()})

    assert [one.delivery_id for one in begin(campaign)] == ([] if change == "frozen" else [second.pk])


@pytest.mark.parametrize("change", ["limited", "provider", "shut", "off"])
def test_only_a_plain_account_in_no_trouble_is_carried_inline(sending: Sending, change: str) -> None:
    campaign = sending(2)
    batch = Batch.objects.get(campaign=campaign)
    account = Transport.objects.get(pk=letters(campaign)[0].transport_id)
    assert grouped_claims.accounts(batch.pk) == [account.pk]
    match change:
        case "limited":
            Transport.objects.update(per_hour=100)
        case "provider":
            Transport.objects.update(kind="provider", provider="postmark")
        case "shut":
            Throttle.objects.update_or_create(transport=account, defaults={"failures": 3})
            sql("UPDATE smtp_throttle SET closed_until = now() + interval '1 minute'")
        case "off":
            Transport.objects.update(is_active=False)

    assert begin(campaign) == []
    assert grouped_claims.accounts(batch.pk) == ([account.pk] if change == "off" else [])


def test_an_account_that_failed_a_little_is_carried_and_the_letter_knows(sending: Sending) -> None:
    campaign = sending(1)
    Throttle.objects.update_or_create(transport_id=letters(campaign)[0].transport_id, defaults={"failures": 1})

    assert [one.account_has_failed for one in begin(campaign)] == [True]


@pytest.mark.django_db(transaction=True)
def test_rivals_share_a_batch_without_a_letter_in_two_hands(sending: Sending) -> None:
    campaign = sending(60)
    taken: list[list[int]] = []
    start = threading.Barrier(6)

    def rival(name: str) -> None:
        start.wait(10)
        while slice_ := begin(campaign, name, count=7):
            taken.append([one.delivery_id for one in slice_])
        connection.close()

    threads = [threading.Thread(target=rival, args=(f"w{n}",)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    everything = sorted(one for slice_ in taken for one in slice_)
    assert everything == [letter.pk for letter in letters(campaign)]
    assert set(Delivery.objects.values_list("attempts", "token")) == {(1, 1)}


# marking


def test_marks_are_the_fence_row_by_row(sending: Sending) -> None:
    campaign = sending(4)
    held = begin(campaign)
    Delivery.objects.filter(pk=held[0].delivery_id).update(token=9)  # the reaper took it back
    Delivery.objects.filter(pk=held[1].delivery_id).update(owner="w2")
    sql(f"UPDATE campaigns_delivery SET attempt_deadline = now() WHERE id = {held[2].delivery_id}")

    assert grouped_claims.mark(held) == {held[3].delivery_id}
    assert grouped_claims.mark(held) == set()
    assert [one.state for one in letters(campaign)] == ["sending", "sending", "sending", "committing"]


@pytest.mark.parametrize("change", ["paused", "suppressed", "unsubscribed", "erased", "switched_off"])
def test_marks_ask_the_gate_again(sending: Sending, change: str) -> None:
    campaign = sending(2)
    first, second = letters(campaign)
    held = begin(campaign)
    match change:
        case "paused":
            Campaign.objects.update(state="paused")
        case "suppressed":
            Suppression.objects.create(workspace_id=first.workspace_id, email_hash=first.email_hash, reason="complaint")
        case "unsubscribed":
            Subscription.objects.filter(contact_id=first.contact_id).update(state="unsubscribed")
        case "erased":
            Contact.objects.filter(pk=first.contact_id).delete()
        case "switched_off":
            Transport.objects.update(is_active=False)

    everybody = change in ("paused", "switched_off")
    assert grouped_claims.mark(held) == (set() if everybody else {second.pk})


def _waits_for_the_disk() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SHOW synchronous_commit")
        return bool(cursor.fetchone()[0] == "on")


@pytest.mark.django_db(transaction=True)
def test_only_beginning_a_slice_does_not_wait_for_the_disk(sending: Sending) -> None:
    campaign = sending(3)
    sql("SET synchronous_commit = 'on'")
    with transaction.atomic():
        held = begin(campaign)
        during = _waits_for_the_disk()
    with transaction.atomic():
        assert len(grouped_claims.mark(held)) == 3
        at_mark = _waits_for_the_disk()

    assert (during, at_mark) == (False, True)
    connection.close()


# giving back, leases, what may not go


def test_a_process_gives_back_everything_that_it_did_not_mark(sending: Sending) -> None:
    campaign = sending(4)
    mine = begin(campaign, "w1", count=3)
    begin(campaign, "w2")
    grouped_claims.mark(mine[:1])

    assert grouped_claims.give_back("w1", [mine[1].delivery_id]) == [mine[1].delivery_id]
    assert grouped_claims.give_back("w1") == [mine[2].delivery_id]
    assert [one.state for one in letters(campaign)] == ["committing", "queued", "queued", "sending"]
    back = letters(campaign)[1]
    assert (back.attempts, back.token, back.owner, back.rung_at) == (0, 2, "", None)


def test_one_heartbeat_renews_all_letters_of_a_process(sending: Sending) -> None:
    campaign = sending(5)
    begin(campaign, "w1", count=4)
    begin(campaign, "w2")
    sql("UPDATE campaigns_delivery SET lease_until = now() + interval '1 second'")

    assert claims.renew_leases("w1") == 4


@pytest.mark.django_db(transaction=True)
def test_a_heartbeat_waits_for_no_letter_that_is_being_moved(sending: Sending) -> None:
    """It holds the others meanwhile, and what moves them takes them in another order."""
    campaign = sending(3)
    first, *_ = begin(campaign)
    other = connection.copy()
    try:
        other.set_autocommit(False)
        with other.cursor() as cursor:
            cursor.execute("SELECT 1 FROM campaigns_delivery WHERE id = %s FOR UPDATE", [first.delivery_id])
        with transaction.atomic():
            sql("SET LOCAL lock_timeout = '10s'")
            assert claims.renew_leases("w1") == 2
    finally:
        other.rollback()
        other.close()
    assert claims.renew_leases("w1") == 3


def test_a_batchs_letters_that_may_not_go_are_closed_with_their_reasons(sending: Sending) -> None:
    campaign = sending(4)
    one, two, three, _ = letters(campaign)
    Suppression.objects.create(workspace_id=one.workspace_id, email_hash=one.email_hash, reason="manual")
    Subscription.objects.filter(contact_id=two.contact_id).update(state="unsubscribed")
    sql(f"UPDATE campaigns_delivery SET expires_at = now() WHERE id = {three.pk}")

    assert grouped_claims.settle_refused(Batch.objects.get(campaign=campaign).pk) == 3
    assert [(one.state, one.reason) for one in letters(campaign)] == [
        ("skipped", "suppressed"),
        ("skipped", "unsubscribed"),
        ("expired", "expired"),
        ("queued", ""),
    ]


# results


def results_of(held: list[Claimed], outcome: Any = OK) -> list[outcomes.Result]:
    return [outcomes.interpret(one, outcome, was_marked=True) for one in held]


def test_a_grouped_yes_does_to_a_row_exactly_what_a_single_one_does(sending: Sending) -> None:
    campaign = sending(2)
    held = begin(campaign)
    grouped_claims.mark(held)
    one, two = results_of(held)

    assert grouped_results.write_sent([one]) == []
    assert outcomes.write(two) is True

    ours, theirs = (Delivery.objects.filter(pk=claimed.delivery_id).values().get() for claimed in held)
    own = {"id", "uuid", "message_id", "contact_id", "email", "email_hash", "sent_at", "moved_at"}
    assert {k: v for k, v in ours.items() if k not in own} == {k: v for k, v in theirs.items() if k not in own}
    assert ours["state"] == "sent" and ours["sent_at"] is not None


def test_what_a_server_said_is_left_out_for_a_person_deleted_meanwhile(sending: Sending) -> None:
    campaign = sending(2)
    held = begin(campaign)
    grouped_claims.mark(held)
    Contact.objects.filter(pk=letters(campaign)[0].contact_id).delete()

    assert grouped_results.write_sent(results_of(held)) == []
    assert [one.last_text for one in letters(campaign)] == ["", "queued as 1"]


def test_a_late_yes_among_many_is_heard_by_the_rules_of_late_answers(sending: Sending) -> None:
    campaign = sending(3)
    held = begin(campaign)
    grouped_claims.mark(held)
    late, again, _ = held
    sql(f"UPDATE campaigns_delivery SET attempt_deadline = now() WHERE id = {late.delivery_id}")
    sql("UPDATE campaigns_delivery SET state = 'unconfirmed', ambiguous_count = 1 WHERE attempt_deadline <= now()")
    results = Results()
    for result in results_of(held):
        results.add(result)
    outcomes.write(results_of([again])[0])

    assert results.flush() is True

    assert [one.state for one in letters(campaign)] == ["sent"] * 3
    assert [entry.delivery_id for entry in DeliveryEntry.objects.filter(kind="late_answer")] == [late.delivery_id]
    assert set(Delivery.objects.values_list("token", "ambiguous_count")) == {(2, 0)}


def test_results_and_marks_together_do_what_each_does_alone(sending: Sending) -> None:
    """Also for a late yes among the results, and for a letter that may no longer be marked."""
    campaign = sending(6)
    held = begin(campaign)
    told, asked = held[:3], held[3:]
    grouped_claims.mark(told)
    late, held_back = told[0].delivery_id, asked[0]
    Delivery.objects.filter(pk=late).update(state="unconfirmed", ambiguous_count=1)
    Suppression.objects.create(
        workspace_id=held_back.workspace_id,
        email_hash=Delivery.objects.values_list("email_hash", flat=True).get(pk=held_back.delivery_id),
        reason="complaint",
    )
    results = Results()
    for result in results_of(told):
        results.add(result)

    assert results.flush_and_mark(asked) == {one.delivery_id for one in asked[1:]}
    assert len(results) == 0
    assert [one.state for one in letters(campaign)] == ["sent"] * 3 + ["sending"] + ["committing"] * 2
    assert [entry.delivery_id for entry in DeliveryEntry.objects.filter(kind="late_answer")] == [late]


def test_one_result_that_cannot_be_written_keeps_no_other_from_being_marked(
    sending: Sending, tmp_path: Path, settings: Any
) -> None:
    settings.SPOOL_DIR = tmp_path
    campaign = sending(3)
    held = begin(campaign)
    grouped_claims.mark(held[:2])
    results = Results()
    for result, text in zip(results_of(held[:2]), ("a NUL: \0", "fine"), strict=True):
        results.add(replace(result, text=text))

    assert results.flush_and_mark(held[2:]) == {held[2].delivery_id}
    assert [one.state for one in letters(campaign)] == ["committing", "sent", "committing"]
    assert len(list(tmp_path.iterdir())) == 1


def test_nothing_is_marked_while_a_result_waits(sending: Sending, monkeypatch: pytest.MonkeyPatch) -> None:
    campaign = sending(2)
    held = begin(campaign)
    grouped_claims.mark(held[:1])
    results = Results()
    results.add(results_of(held)[0])

    def away(*_: Any) -> Any:
        raise OperationalError("away")

    monkeypatch.setattr(grouped_results, "write_sent_and_mark", away)
    monkeypatch.setattr(outcomes, "drop_connection", lambda: None)
    with pytest.raises(OperationalError):
        results.flush_and_mark(held[1:])
    assert results.flush_and_mark(held[1:]) == set()
    assert len(results) == 1
    assert [one.state for one in letters(campaign)] == ["committing", "sending"]


def test_a_yes_is_not_written_to_a_row_that_is_another_letters_after_a_fail_over(sending: Sending) -> None:
    campaign = sending(2)
    held = begin(campaign)
    grouped_claims.mark(held)
    many, single = results_of(held)
    sql("UPDATE campaigns_delivery SET message_id = '<other' || id || '@example.com>', owner = 'w2'")

    assert grouped_results.write_sent([many]) == [many]
    assert [outcomes.write(many), outcomes.write(single)] == [False, False]
    assert [one.state for one in letters(campaign)] == ["committing"] * 2


@pytest.mark.parametrize("outcome", [LATER, NO, Withheld("refused", marked=False)])
def test_an_objection_before_the_dot_counts_though_the_marker_was_committed_unheard(
    sending: Sending, outcome: Any
) -> None:
    """The database went away while the marker was set, and the server objected meanwhile: nothing was sent."""
    campaign = sending(1)
    held = begin(campaign)
    grouped_claims.mark(held)

    assert outcomes.write(outcomes.interpret(held[0], outcome, was_marked=False)) is True

    (letter,) = letters(campaign)
    assert letter.state == ("failed" if outcome is NO else "queued")
    assert letter.ambiguous_count == 0


def test_other_outcomes_among_them_are_recorded_each_by_itself(sending: Sending) -> None:
    campaign = sending(2)
    held = begin(campaign)
    grouped_claims.mark(held[:1])
    results = Results()
    results.add(outcomes.interpret(held[0], OK, was_marked=True))
    results.add(outcomes.interpret(held[1], LATER, was_marked=False))

    assert results.flush() is True
    assert [(one.state, one.counted_tries) for one in letters(campaign)] == [("sent", 0), ("queued", 1)]


def test_results_wait_in_memory_while_the_database_is_away(sending: Sending, monkeypatch: pytest.MonkeyPatch) -> None:
    campaign = sending(3)
    held = begin(campaign)
    grouped_claims.mark(held)
    results = Results()
    for result in results_of(held):
        results.add(result)
    write = grouped_results.write_sent
    failures = iter([OperationalError("away")])

    def away_once(some: Any) -> Any:
        for failure in failures:
            raise failure
        return write(some)

    monkeypatch.setattr(grouped_results, "write_sent", away_once)
    monkeypatch.setattr(outcomes, "drop_connection", lambda: None)

    assert (results.flush(), len(results)) == (False, 3)
    results.close(until=time.monotonic() + 60)

    assert [one.state for one in letters(campaign)] == ["sent"] * 3
    assert len(results) == 0


def test_what_cannot_wait_any_longer_goes_to_the_spool_and_is_replayed(
    sending: Sending, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, settings: Any
) -> None:
    settings.SPOOL_DIR = tmp_path
    campaign = sending(3)
    held = begin(campaign)
    grouped_claims.mark(held)
    results = Results()
    for result in results_of(held):
        results.add(result)

    def away(_: Any) -> Any:
        raise OperationalError("away")

    with monkeypatch.context() as patch:
        patch.setattr(grouped_results, "write_sent", away)
        patch.setattr(outcomes, "write", away)
        patch.setattr(outcomes, "drop_connection", lambda: None)
        results.close(until=0.0)
    assert len(results) == 0
    assert {one.state for one in letters(campaign)} == {"committing"}

    assert spool.replay(outcomes.replay) == 3

    assert {one.state for one in letters(campaign)} == {"sent"}
