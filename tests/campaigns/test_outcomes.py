"""Every outcome ends in the right state, once, and only for the holder of the token."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.db import OperationalError, connection

from apps.campaigns import retries
from apps.campaigns.models import Campaign, Delivery
from apps.campaigns.services import claims, dispatch, outcomes, proofs, spool
from apps.campaigns.services.claims import Claimed
from apps.contacts.models import Suppression
from apps.smtp.config import TransportConfig
from apps.smtp.outcome import Accepted, Deferred, FailureClass, Outcome, Rejected, Reply, Stage, Unknown, Withheld
from tests.campaigns.conftest import letters

Sending = Callable[..., Campaign]
OK = Reply(250, "2.0.0", "queued")


def carried(sending: Sending, outcome: Outcome, *, marked: bool, **fields: Any) -> Delivery:
    letter = letters(sending(1))[0]
    Delivery.objects.filter(pk=letter.pk).update(**fields)
    claimed = begin(letter)
    if marked:
        assert claims.mark(claimed)
    assert outcomes.write(outcomes.interpret(claimed, outcome, was_marked=marked))
    letter.refresh_from_db()
    return letter


def begin(letter: Delivery) -> Claimed:
    claimed = claims.begin(letter.pk, owner="w1")
    assert claimed is not None
    return claimed


def test_accepted_is_sent_with_its_reply(sending: Sending) -> None:
    letter = carried(sending, Accepted(OK), marked=True)

    assert (letter.state, letter.last_code, letter.last_enhanced, letter.last_text) == ("sent", 250, "2.0.0", "queued")
    assert letter.sent_at is not None
    assert letter.token == 2


def test_no_reply_after_the_dot_is_held(sending: Sending) -> None:
    letter = carried(sending, Unknown(Stage.DOT, "closed"), marked=True)

    assert (letter.state, letter.failure, letter.ambiguous_count) == ("unconfirmed", "ambiguous", 1)


def test_retry_policy_tries_exactly_once_more(sending: Sending) -> None:
    letter = carried(sending, Unknown(Stage.DOT, "closed"), marked=True, policy="retry_once")
    assert (letter.state, letter.ambiguous_count) == ("queued", 1)
    assert letter.due_at - letter.moved_at == retries.AMBIGUOUS_PAUSE

    with connection.cursor() as cursor:
        cursor.execute("UPDATE campaigns_delivery SET due_at = now()")
    claimed = begin(letter)
    claims.mark(claimed)
    outcomes.write(outcomes.interpret(claimed, Unknown(Stage.DOT, "closed"), was_marked=True))

    letter.refresh_from_db()
    assert (letter.state, letter.ambiguous_count) == ("unconfirmed", 2)


def test_passing_failure_waits_in_the_database(sending: Sending) -> None:
    refused = Deferred(Stage.RCPT, Reply(451, "4.7.1", "greylisted"), FailureClass.TRANSIENT_RECIPIENT, counted=True)

    letter = carried(sending, refused, marked=False)

    assert (letter.state, letter.attempts, letter.last_stage, letter.last_code) == ("queued", 1, "rcpt", 451)
    wait = (letter.due_at - letter.moved_at) / retries.MINUTE
    assert 4 <= wait <= 6
    assert letter.rung_at is None


def test_a_letter_that_would_wait_beyond_its_expiry_has_expired(sending: Sending) -> None:
    letter = letters(sending(1))[0]
    with connection.cursor() as cursor:
        cursor.execute("UPDATE campaigns_delivery SET expires_at = now() + interval '1 minute'")
    refused = Deferred(Stage.CONNECT, None, FailureClass.TRANSIENT_DEST, counted=False, reason="timeout")

    outcomes.write(outcomes.interpret(begin(letter), refused, was_marked=False))

    letter.refresh_from_db()
    assert (letter.state, letter.reason) == ("expired", "expired")


def test_no_such_mailbox_fails_and_suppresses(sending: Sending) -> None:
    reply = Reply(550, "5.1.1", "no such user")

    letter = carried(sending, Rejected(Stage.RCPT, reply, FailureClass.PERM_RECIPIENT), marked=False)

    assert (letter.state, letter.reason, letter.last_code) == ("failed", "perm_recipient", 550)
    suppression = Suppression.objects.get()
    assert (bytes(suppression.email_hash), suppression.reason) == (bytes(letter.email_hash), "hard_bounce")


@pytest.mark.parametrize(
    ("stage", "failure"),
    [
        (Stage.AUTH, FailureClass.ACCOUNT),
        (Stage.DOT, FailureClass.POLICY_REPUTATION),
        (Stage.DOT, FailureClass.PERM_RECIPIENT),
        (Stage.RCPT, FailureClass.POLICY_AUTH),
    ],
)
def test_our_own_trouble_never_costs_a_contact(sending: Sending, stage: Stage, failure: FailureClass) -> None:
    marked = stage is Stage.DOT

    letter = carried(sending, Rejected(stage, Reply(550, "5.7.1", "no"), failure), marked=marked)

    assert letter.state == "failed"
    assert not Suppression.objects.exists()


@pytest.mark.parametrize("marked", [True, False])
def test_withheld_goes_back_uncounted(sending: Sending, marked: bool) -> None:
    letter = carried(sending, Withheld("stalled" if marked else "refused", marked=marked), marked=marked)

    assert (letter.state, letter.attempts, letter.owner) == ("queued", 0, "")


def test_a_result_without_the_token_changes_nothing(sending: Sending) -> None:
    letter = letters(sending(1))[0]
    claimed = begin(letter)
    claims.mark(claimed)
    Delivery.objects.update(token=9)

    refused = Rejected(Stage.DOT, Reply(554, "5.7.1", "no"), FailureClass.POLICY_REPUTATION)
    assert outcomes.write(outcomes.interpret(claimed, refused, was_marked=True)) is False
    letter.refresh_from_db()
    assert letter.state == "committing"


def test_writing_twice_is_harmless(sending: Sending) -> None:
    letter = letters(sending(1))[0]
    claimed = begin(letter)
    claims.mark(claimed)
    result = outcomes.interpret(claimed, Accepted(OK), was_marked=True)

    assert [outcomes.write(result), outcomes.write(result)] == [True, False]


def test_a_late_result_still_corrects_what_the_reaper_called_unconfirmed(sending: Sending) -> None:
    letter = letters(sending(1))[0]
    claimed = begin(letter)
    claims.mark(claimed)
    Delivery.objects.update(state="unconfirmed")

    assert outcomes.write(outcomes.interpret(claimed, Accepted(OK), was_marked=True)) is True
    letter.refresh_from_db()
    assert letter.state == "sent"


def test_result_waits_in_the_spool_while_the_database_is_away(
    sending: Sending, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, settings: Any
) -> None:
    settings.SPOOL_DIR = tmp_path
    letter = letters(sending(1))[0]
    claimed = begin(letter)
    claims.mark(claimed)
    result = outcomes.interpret(claimed, Accepted(OK), was_marked=True)
    write = outcomes.write
    monkeypatch.setattr(outcomes, "drop_connection", lambda: None)

    def away(_result: outcomes.Result) -> bool:
        raise OperationalError("server closed the connection")

    monkeypatch.setattr(outcomes, "write", away)
    assert outcomes.record(result, until=time.monotonic()) is True
    assert len((tmp_path / "results.jsonl").read_text().split()) >= 1
    assert spool.has_lines()
    monkeypatch.setattr(outcomes, "write", write)

    assert spool.replay(outcomes.replay) == 1
    letter.refresh_from_db()
    assert letter.state == "sent"
    assert not spool.has_lines()


def test_a_replay_that_fails_keeps_every_line(tmp_path: Path, settings: Any) -> None:
    settings.SPOOL_DIR = tmp_path
    spool.append({"delivery_id": 1})
    spool.append({"delivery_id": 2})

    def fail(line: dict[str, Any]) -> None:
        if line["delivery_id"] == 2:
            raise OperationalError("away")

    with pytest.raises(OperationalError):
        spool.replay(fail)

    lines = [json.loads(line)["delivery_id"] for line in (tmp_path / "results.jsonl").read_text().splitlines() if line]
    assert lines == [1, 2]


def test_something_that_came_back_closes_an_unconfirmed_letter(sending: Sending) -> None:
    letter = carried(sending, Unknown(Stage.DOT, "closed"), marked=True)

    assert proofs.arrived(letter.pk, by="open") is True
    assert proofs.arrived(letter.pk, by="open") is False
    letter.refresh_from_db()
    assert (letter.state, letter.reason) == ("sent", "proven_by_open")


@pytest.mark.parametrize(
    ("attempts", "minutes"), [(1, 5), (2, 15), (3, 30), (4, 60), (5, 120), (6, 240), (7, 240), (23, 240)]
)
def test_retry_schedule(attempts: int, minutes: int) -> None:
    assert retries.wait_after(attempts, chance=0.5) == minutes * retries.MINUTE
    assert retries.wait_after(attempts, chance=0.0) == minutes * retries.MINUTE * 0.8
    assert retries.wait_after(attempts, chance=1.0) == minutes * retries.MINUTE * 1.2


def test_trouble_of_the_line_does_not_grow_a_letters_schedule(sending: Sending) -> None:
    away = Deferred(Stage.CONNECT, None, FailureClass.TRANSIENT_DEST, counted=False, reason="timeout")

    letter = carried(sending, away, marked=False, attempts=5)

    assert letter.attempts == 6
    assert 4 <= (letter.due_at - letter.moved_at) / retries.MINUTE <= 6


def test_unauthenticated_mail_pauses_the_campaign_and_costs_no_contact(
    sending: Sending, monkeypatch: pytest.MonkeyPatch
) -> None:
    campaign = sending(2)
    letter = letters(campaign)[0]
    refused = Deferred(Stage.DOT, Reply(550, "5.7.515", "denied"), FailureClass.POLICY_AUTH, counted=False)
    monkeypatch.setattr(dispatch.post_office, "carry", lambda *_args, **_named: refused)
    monkeypatch.setattr(dispatch.configs, "config_of", lambda _id: TransportConfig(id=1, workspace_id=1, kind="smtp"))

    dispatch.send_single(letter.pk, started=time.monotonic())

    campaign.refresh_from_db()
    letter.refresh_from_db()
    assert (campaign.state, campaign.state_reason, letter.state) == ("paused", "policy_auth", "queued")
    assert not Suppression.objects.exists()
