"""A letter that may have arrived never ends as "not sent", and a certain answer is heard however late it comes."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from django.db import InternalError, connection

from apps.campaigns import fates
from apps.campaigns.models import Campaign, Delivery, DeliveryEntry
from apps.campaigns.services import claims, dispatch, lifecycle, outcomes, proofs, second_tries, spool, sweeps
from apps.campaigns.services.claims import Claimed
from apps.campaigns.states import POLICY_OF_KIND, DeliveryKind
from apps.contacts.models import Contact, Subscription, Suppression
from apps.smtp.outcome import Accepted, Deferred, FailureClass, Outcome, Rejected, Reply, Stage, Unknown, Withheld
from core import queues
from tests.campaigns.conftest import letters

Sending = Callable[..., Campaign]
OK = Reply(250, "2.0.0", "queued")
NO_REPLY = Unknown(Stage.DOT, "closed")
GONE = Rejected(Stage.RCPT, Reply(550, "5.1.1", "no such user"), FailureClass.PERM_RECIPIENT)
REFUSED = Rejected(Stage.DOT, Reply(554, "5.7.1", "no"), FailureClass.POLICY_REPUTATION)
LATER = Deferred(Stage.RCPT, Reply(451, "4.7.1", "later"), FailureClass.TRANSIENT_RECIPIENT, counted=True)


@pytest.fixture(autouse=True)
def _quiet_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.jobs.ring_now", lambda _task, calls: len(calls))
    monkeypatch.setattr(queues, "depth", lambda _queue: 1)


def sql(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)


def begin(letter: Delivery, *, owner: str = "w1") -> Claimed:
    sql("UPDATE campaigns_delivery SET due_at = now() WHERE state = 'queued'")
    claimed = claims.begin(letter.pk, owner=owner)
    assert claimed is not None
    return claimed


def marked(letter: Delivery, *, owner: str = "w1") -> Claimed:
    claimed = begin(letter, owner=owner)
    assert claims.mark(claimed)
    return claimed


def write(claimed: Claimed, outcome: Outcome, *, was_marked: bool = True) -> bool:
    return outcomes.write(outcomes.interpret(claimed, outcome, was_marked=was_marked))


def once_ambiguous(sending: Sending) -> Delivery:
    """Return a letter of the policy retry once whose first offer went unanswered; it waits for its one more try."""
    letter = letters(sending(1))[0]
    Delivery.objects.update(policy="retry_once")
    assert write(marked(letter), NO_REPLY)
    letter.refresh_from_db()
    assert (letter.state, letter.ambiguous_count) == ("queued", 1)
    return letter


def dead_at_the_dot(sending: Sending, *, policy: str) -> tuple[Delivery, Claimed]:
    """Return a letter whose process was given up on after the marker, and what that process holds."""
    letter = letters(sending(1))[0]
    Delivery.objects.update(policy=policy)
    claimed = marked(letter)
    sql("UPDATE campaigns_delivery SET attempt_deadline = now() - interval '1 second'")
    assert sweeps.sweep()
    return letter, claimed


# no end of it says "not sent"


@pytest.mark.parametrize(("outcome", "reason"), [(GONE, "perm_recipient"), (REFUSED, "policy_reputation")])
def test_a_refusal_of_the_second_copy_leaves_the_first_in_doubt(
    sending: Sending, outcome: Rejected, reason: str
) -> None:
    letter = once_ambiguous(sending)

    write(marked(letter), outcome)

    letter.refresh_from_db()
    assert (letter.state, letter.reason, letter.last_code) == ("unconfirmed", reason, outcome.reply.code)
    assert Suppression.objects.exists() == (outcome is GONE)
    assert "it did not go through again" in fates.of(letter).sentence


def test_when_its_time_runs_out_it_is_unconfirmed(sending: Sending) -> None:
    letter = once_ambiguous(sending)
    claimed = begin(letter)
    sql("UPDATE campaigns_delivery SET expires_at = now() + interval '1 second'")

    write(claimed, LATER, was_marked=False)

    letter.refresh_from_db()
    assert (letter.state, letter.reason) == ("unconfirmed", "expired")


@pytest.mark.parametrize("cause", ["expired", "suppressed", "unsubscribed", "erased"])
def test_when_it_may_not_go_again_it_is_unconfirmed(sending: Sending, cause: str) -> None:
    letter = once_ambiguous(sending)
    sql("UPDATE campaigns_delivery SET due_at = now()")
    match cause:
        case "expired":
            sql("UPDATE campaigns_delivery SET expires_at = now() - interval '1 second'")
        case "suppressed":
            Suppression.objects.create(
                workspace_id=letter.workspace_id, email_hash=letter.email_hash, reason="complaint"
            )
        case "unsubscribed":
            Subscription.objects.update(state="unsubscribed")
        case "erased":
            Contact.objects.all().delete()

    assert claims.settle_refused(letter.pk)

    letter.refresh_from_db()
    assert (letter.state, letter.reason) == ("unconfirmed", cause)


def test_cancelling_its_campaign_leaves_it_unconfirmed(sending: Sending) -> None:
    letter = once_ambiguous(sending)
    campaign = Campaign.objects.get()
    lifecycle.cancel(campaign, by=None)

    sweeps.sweep()

    letter.refresh_from_db()
    campaign.refresh_from_db()
    assert (letter.state, letter.reason) == ("unconfirmed", "campaign_cancelled")
    assert campaign.finished_at is not None


def test_crashing_on_it_leaves_it_unconfirmed(sending: Sending) -> None:
    letter = once_ambiguous(sending)
    sql("UPDATE campaigns_delivery SET crash_count = 2")
    begin(letter)
    sql("UPDATE campaigns_delivery SET lease_until = now() - interval '1 second'")

    assert sweeps.sweep().crashed == 1  # type: ignore[union-attr]  # nobody else sweeps

    letter.refresh_from_db()
    assert (letter.state, letter.reason) == ("unconfirmed", "crashed")


def test_what_a_person_sent_again_stays_in_doubt_when_it_is_refused(sending: Sending) -> None:
    letter, _ = dead_at_the_dot(sending, policy="hold")
    second_tries.resend_unconfirmed(Campaign.objects.get(), by=None)

    write(marked(letter), REFUSED)

    letter.refresh_from_db()
    assert (letter.state, letter.reason) == ("unconfirmed", "policy_reputation")


# a certain answer that comes late


@pytest.mark.parametrize("policy", ["hold", "retry_once"])
@pytest.mark.parametrize(
    ("outcome", "state"),
    [(Accepted(OK), "sent"), (REFUSED, "failed"), (LATER, "queued"), (Withheld("stalled", marked=True), "queued")],
    ids=["accepted", "refused", "deferred", "withheld"],
)
def test_a_late_answer_corrects_what_the_reaper_did(
    sending: Sending, policy: str, outcome: Outcome, state: str
) -> None:
    letter, claimed = dead_at_the_dot(sending, policy=policy)
    sql("UPDATE campaigns_campaign SET state = 'sending', finished_at = NULL")

    assert write(claimed, outcome) is True
    assert write(claimed, outcome) is False

    letter.refresh_from_db()
    assert (letter.state, letter.ambiguous_count) == (state, 0)
    assert letter.reason != "process_died"


def test_a_late_correction_is_kept_in_the_letters_history(sending: Sending) -> None:
    letter, claimed = dead_at_the_dot(sending, policy="hold")

    write(claimed, Accepted(OK))

    entry = DeliveryEntry.objects.get()
    assert (entry.delivery_id, entry.campaign_id, entry.kind) == (letter.pk, letter.campaign_id, "late_answer")
    assert entry.detail == {"was": "unconfirmed", "reason": "process_died", "now": "sent"}


@pytest.mark.parametrize("policy", ["hold", "retry_once"])
def test_a_late_silence_changes_nothing_but_the_words(sending: Sending, policy: str) -> None:
    letter, claimed = dead_at_the_dot(sending, policy=policy)

    write(claimed, NO_REPLY)

    letter.refresh_from_db()
    assert (letter.state, letter.ambiguous_count) == ("unconfirmed" if policy == "hold" else "queued", 1)


def test_a_yes_is_heard_after_a_fail_over_that_forgot_its_attempt(sending: Sending) -> None:
    """The commits of the claim and of the marker were lost: the row is as it was before, with a lower token."""
    letter = letters(sending(1))[0]
    claimed = marked(letter)
    sql("UPDATE campaigns_delivery SET state = 'queued', token = 0, attempts = 0, owner = ''")

    assert write(claimed, Accepted(OK))

    letter.refresh_from_db()
    assert (letter.state, letter.last_code) == ("sent", 250)
    assert letter.token > claimed.token
    assert claims.begin(letter.pk, owner="w2") is None


def test_a_yes_for_a_letter_that_the_fail_over_forgot_is_not_another_letters(sending: Sending) -> None:
    """Its number was given again: the Message-ID tells the two apart."""
    letter = letters(sending(1))[0]
    claimed = replace(marked(letter), message_id="<another@northlight.example>")
    sql("UPDATE campaigns_delivery SET state = 'queued', token = 5")

    assert not write(claimed, Accepted(OK))

    letter.refresh_from_db()
    assert letter.state == "queued"


def test_a_yes_that_an_older_version_kept_is_matched_by_its_token(sending: Sending) -> None:
    letter, claimed = dead_at_the_dot(sending, policy="hold")
    line = asdict(outcomes.interpret(claimed, Accepted(OK), was_marked=True))
    del line["message_id"]
    sql("UPDATE campaigns_delivery SET token = token + 1")

    assert outcomes.replay(line)

    letter.refresh_from_db()
    assert letter.state == "sent"


def test_a_kept_yes_wins_against_the_reaper_under_retry_once(sending: Sending, tmp_path: Path, settings: Any) -> None:
    """The yes waited on disk while the database was away; the sweep came first when it was back."""
    settings.SPOOL_DIR = tmp_path
    letter, claimed = dead_at_the_dot(sending, policy="retry_once")
    spool.append(asdict(outcomes.interpret(claimed, Accepted(OK), was_marked=True)))

    spool.replay(outcomes.replay)

    letter.refresh_from_db()
    assert (letter.state, letter.last_code) == ("sent", 250)
    sql("UPDATE campaigns_delivery SET due_at = now()")
    assert claims.begin(letter.pk, owner="w2") is None


def test_a_yes_takes_the_letter_out_of_the_hand_of_the_next_try(sending: Sending) -> None:
    letter, claimed = dead_at_the_dot(sending, policy="retry_once")
    again = begin(letter, owner="w2")

    assert write(claimed, Accepted(OK)) is True

    assert claims.mark(again) is False
    assert write(again, Withheld("refused", marked=False), was_marked=False) is False
    letter.refresh_from_db()
    assert (letter.state, letter.reason, letter.ambiguous_count) == ("sent", "late_answer", 0)
    assert DeliveryEntry.objects.get().detail["was"] == "sending"


def test_anything_but_a_yes_is_not_heard_once_the_next_try_has_begun(sending: Sending) -> None:
    letter, claimed = dead_at_the_dot(sending, policy="retry_once")
    begin(letter, owner="w2")

    assert write(claimed, REFUSED) is False

    letter.refresh_from_db()
    assert (letter.state, letter.owner) == ("sending", "w2")


# what comes back


@pytest.mark.parametrize("by", ["open", "click", "unsubscribe", "view", "delivered"])
def test_what_only_arrival_can_cause_closes_it_as_sent_and_is_kept(sending: Sending, by: str) -> None:
    letter, _ = dead_at_the_dot(sending, policy="hold")

    assert proofs.arrived(letter.pk, by=by) is True
    assert proofs.arrived(letter.pk, by=by) is False

    letter.refresh_from_db()
    assert (letter.state, letter.reason, letter.ambiguous_count) == ("sent", f"proven_by_{by}", 0)
    assert letter.sent_at is not None
    entry = DeliveryEntry.objects.get()
    assert (entry.kind, entry.campaign_id) == ("proven", letter.campaign_id)
    assert entry.detail == {"was": "unconfirmed", "reason": "process_died", "by": by, "now": "sent"}


def test_a_proof_stops_the_second_copy(sending: Sending) -> None:
    letter = once_ambiguous(sending)

    assert proofs.arrived(letter.pk, by="open") is True

    letter.refresh_from_db()
    assert letter.state == "sent"
    sql("UPDATE campaigns_delivery SET due_at = now()")
    assert claims.begin(letter.pk, owner="w1") is None


def test_a_proof_stops_a_second_copy_that_is_on_its_way_to_the_marker(sending: Sending) -> None:
    letter = once_ambiguous(sending)
    claimed = begin(letter)

    assert proofs.arrived(letter.pk, by="click") is True

    assert claims.mark(claimed) is False


@pytest.mark.parametrize("state", ["queued", "sending", "committing", "sent", "failed", "cancelled"])
def test_a_letter_that_is_in_no_doubt_is_left_alone(sending: Sending, state: str) -> None:
    letter = letters(sending(1))[0]
    Delivery.objects.update(state=state)

    assert proofs.arrived(letter.pk, by="open") is False
    assert proofs.bounced(letter.pk, failure=FailureClass.QUOTA, reply=Reply(552, "5.2.2", "full")) is False

    letter.refresh_from_db()
    assert letter.state == state
    assert not DeliveryEntry.objects.exists()


def test_a_bounce_closes_it_as_failed_with_its_reason(sending: Sending) -> None:
    letter, _ = dead_at_the_dot(sending, policy="hold")

    assert proofs.bounced(letter.pk, failure=FailureClass.QUOTA, reply=Reply(552, "5.2.2", "mailbox full")) is True

    letter.refresh_from_db()
    assert (letter.state, letter.reason, letter.failure, letter.last_stage) == ("failed", "quota", "quota", "later")
    assert (letter.last_code, letter.last_enhanced, letter.last_text) == (552, "5.2.2", "mailbox full")
    assert DeliveryEntry.objects.get().detail["now"] == "failed"


@pytest.mark.parametrize(("failure", "closes"), [(FailureClass.QUOTA, False), (FailureClass.PERM_RECIPIENT, True)])
def test_one_bounce_of_two_copies_settles_it_only_when_nobody_is_there(
    sending: Sending, failure: FailureClass, closes: bool
) -> None:
    letter = once_ambiguous(sending)
    write(marked(letter), NO_REPLY)

    assert proofs.bounced(letter.pk, failure=failure, reply=Reply(550, "", "no")) is closes


# a database that only reads


@pytest.mark.django_db(transaction=True)
def test_a_database_that_only_reads_is_away(sending: Sending) -> None:
    """After a failover the old primary answers, but takes no writes (25006); a new connection finds the new one."""
    letter = letters(sending(1))[0]
    claimed = marked(letter)
    sql("SET default_transaction_read_only = on")
    result = outcomes.interpret(claimed, Accepted(OK), was_marked=True)
    with pytest.raises(outcomes.DATABASE_AWAY) as refused:
        outcomes.write(result)
    assert isinstance(refused.value, InternalError)

    assert outcomes.record(result, until=time.monotonic() + 20) is True

    letter.refresh_from_db()
    assert letter.state == "sent"


@pytest.mark.django_db(transaction=True)
def test_no_dot_is_sent_while_the_database_only_reads(sending: Sending, monkeypatch: pytest.MonkeyPatch) -> None:
    letter = letters(sending(1))[0]
    claimed = begin(letter)
    sql("SET default_transaction_read_only = on")

    from core import worker

    assert dispatch.Marker(claimed, worker.SoftLimitHold()).__call__() is False
    worker.SoftLimitHold().release()
    import signal

    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGUSR1})
    letter.refresh_from_db()
    assert letter.state == "sending"


# tries that count


def test_uncounted_tries_do_not_use_up_the_three_for_nonsense(sending: Sending) -> None:
    letter = letters(sending(1))[0]
    away = Deferred(Stage.CONNECT, None, FailureClass.TRANSIENT_DEST, counted=False, reason="timeout")
    nonsense = Deferred(Stage.RCPT, Reply(503, "5.5.1", "what?"), FailureClass.PROTOCOL, counted=True)
    for outcome in [away, away, away, LATER, LATER, LATER, nonsense, nonsense]:
        assert write(begin(letter), outcome, was_marked=False)
        letter.refresh_from_db()
        assert letter.state == "queued"
    assert (letter.attempts, letter.counted_tries, letter.protocol_tries) == (8, 5, 2)

    write(begin(letter), nonsense, was_marked=False)

    letter.refresh_from_db()
    assert (letter.state, letter.reason) == ("failed", "protocol")


def test_the_schedule_grows_with_tries_that_count_only(sending: Sending) -> None:
    letter = letters(sending(1))[0]
    away = Deferred(Stage.CONNECT, None, FailureClass.TRANSIENT_DEST, counted=False, reason="timeout")
    for _ in range(4):
        write(begin(letter), away, was_marked=False)

    write(begin(letter), LATER, was_marked=False)

    letter.refresh_from_db()
    assert 4 <= (letter.due_at - letter.moved_at).total_seconds() / 60 <= 6


def test_bulk_is_held_and_what_somebody_waits_for_is_sent_once_more() -> None:
    assert {kind.value: policy.value for kind, policy in POLICY_OF_KIND.items()} == {
        "campaign": "hold",
        "test": "hold",
        "confirmation": "retry_once",
        "transactional": "retry_once",
        "system": "retry_once",
    }
    assert set(POLICY_OF_KIND) == set(DeliveryKind)
