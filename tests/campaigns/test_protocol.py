"""The life of a delivery, rule by rule: what a drain, a limit, a pause and an absent database do to one letter."""

from __future__ import annotations

import datetime as dt
import json
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.test.utils import CaptureQueriesContext

from apps.campaigns.housekeeper import Housekeeper
from apps.campaigns.models import Batch, Campaign, Delivery
from apps.campaigns.services import claims, dispatch, lifecycle, outcomes, spool
from apps.contacts.models import Suppression
from apps.smtp.models import Transport
from apps.smtp.outcome import Accepted, Reply
from core import clock, database, worker
from tests.campaigns.conftest import MakeCampaign, MakeContact, letters
from tests.campaigns.modes import Carry
from tests.fault_server import Fault, FaultServer

Sending = Callable[..., Campaign]
Rings = list[tuple[str, tuple[int, ...]]]
OK = Accepted(Reply(250, "2.0.0", "queued"))


@pytest.fixture(autouse=True)
def rings(monkeypatch: pytest.MonkeyPatch) -> Rings:
    heard: Rings = []

    def ring_now(task: str, calls: list[tuple[int, ...]]) -> int:
        heard.extend((task, tuple(call)) for call in calls)
        return len(calls)

    monkeypatch.setattr("core.jobs.ring_now", ring_now)
    return heard


@pytest.fixture
def draining() -> Iterator[None]:
    worker.start_draining()
    yield
    worker.reset_draining()


def through(campaign: Campaign, server: FaultServer) -> None:
    transport = Transport.objects.create(
        workspace=campaign.workspace, name="Relay", kind="smtp", host="127.0.0.1", port=server.port, tls="none"
    )
    Delivery.objects.update(transport=transport)


def sql(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)


# a worker that was asked to stop


@pytest.mark.usefixtures("draining")
def test_a_worker_that_stops_begins_no_letter_and_lets_the_sweep_ring_again(
    sending: Sending, carry: Carry, mode: str
) -> None:
    (letter,) = letters(sending(1))
    sql("UPDATE campaigns_batch SET rung_at = now()")
    sql(f"UPDATE campaigns_delivery SET rung_at = {'NULL' if mode == 'inline' else 'now()'}")

    carry(letter)

    letter.refresh_from_db()
    assert (letter.state, letter.attempts, letter.rung_at) == ("queued", 0, None)
    if mode == "inline":
        assert Batch.objects.get().rung_at is None


@pytest.mark.usefixtures("draining")
def test_a_worker_that_stops_rings_no_batch(sending: Sending, rings: Rings) -> None:
    campaign = sending(2)

    assert dispatch.send_batch(Batch.objects.get(campaign=campaign).pk) == 0
    assert rings == []


@pytest.mark.usefixtures("draining")
def test_a_worker_that_stops_leaves_the_audience_at_a_slices_end(
    make_campaign: MakeCampaign, make_contact: MakeContact
) -> None:
    make_contact("one@example.com")
    campaign = make_campaign(state="preparing")

    dispatch.prepare(campaign.pk)

    campaign.refresh_from_db()
    assert (campaign.state, campaign.audience_size) == ("preparing", None)


def test_the_letter_in_hand_is_finished_when_the_stop_comes(sending: Sending) -> None:
    campaign = sending(1)
    with FaultServer() as server:
        through(campaign, server)
        compose = dispatch.composing.compose

        def stop_now(claimed: claims.Claimed) -> Any:
            worker.start_draining()
            return compose(claimed)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(dispatch.composing, "compose", stop_now)
            dispatch.send_single(letters(campaign)[0].pk, started=time.monotonic())
        worker.reset_draining()

        assert len(server.letters) == 1
    assert letters(campaign)[0].state == "sent"


# the soft limit


@pytest.mark.django_db(transaction=True)
def test_at_the_soft_limit_a_letter_before_its_marker_goes_back_and_is_rung(sending: Sending, rings: Rings) -> None:
    (letter,) = letters(sending(1))
    assert claims.begin(letter.pk, owner=worker.owner())

    dispatch.give_back(letter.pk)

    letter.refresh_from_db()
    assert (letter.state, letter.attempts, letter.token, letter.owner) == ("queued", 0, 2, "")
    assert rings == [("apps.campaigns.tasks.send_single_email", (letter.pk,))]


@pytest.mark.django_db(transaction=True)
def test_at_the_soft_limit_a_letter_behind_its_marker_stays(sending: Sending) -> None:
    (letter,) = letters(sending(1))
    claimed = claims.begin(letter.pk, owner=worker.owner())
    assert claimed is not None and claims.mark(claimed)

    dispatch.give_back(letter.pk)

    letter.refresh_from_db()
    assert (letter.state, letter.token) == ("committing", claimed.token)


# the gate at the marker, on a real line


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("change", ["pause", "cancel", "suppress", "switch_off", "reaped"])
def test_what_changes_while_the_letter_travels_stops_the_dot(sending: Sending, carry: Carry, change: str) -> None:
    campaign = sending(1)
    (letter,) = letters(campaign)
    compose = dispatch.composing.compose

    def meanwhile(claimed: claims.Claimed) -> Any:
        match change:
            case "pause":
                lifecycle.pause(campaign, by=None)
            case "cancel":
                lifecycle.cancel(campaign, by=None)
            case "suppress":
                Suppression.objects.create(
                    workspace_id=campaign.workspace_id, email_hash=letter.email_hash, reason="complaint"
                )
            case "switch_off":
                Transport.objects.update(is_active=False)
            case "reaped":
                later = clock.now() + dt.timedelta(hours=1)
                Delivery.objects.update(state="queued", token=claimed.token + 1, due_at=later)
        return compose(claimed)

    with FaultServer() as server, pytest.MonkeyPatch.context() as patch:
        through(campaign, server)
        patch.setattr(dispatch.composing, "compose", meanwhile)
        carry(letter)

        assert server.letters == []
    letter.refresh_from_db()
    assert letter.state == ("skipped" if change == "suppress" else "queued")
    assert letter.attempts == (1 if change == "reaped" else 0)


# every attempt is the same letter


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("stage", ["dot", "rcpt"])
def test_every_attempt_carries_the_same_message_id_and_return_path(sending: Sending, carry: Carry, stage: str) -> None:
    campaign = sending(1)
    (letter,) = letters(campaign)
    seen: list[tuple[str, str]] = []
    compose = dispatch.composing.compose

    def watched(claimed: claims.Claimed) -> Any:
        envelope = compose(claimed)
        seen.append((envelope.mail_from, envelope.message_id))
        return envelope

    with FaultServer([Fault(stage, "451 4.7.1 Greylisted", times=2)]) as server, pytest.MonkeyPatch.context() as patch:
        through(campaign, server)
        patch.setattr(dispatch.composing, "compose", watched)
        for _ in range(3):
            sql("UPDATE campaigns_delivery SET due_at = now() - interval '1 second' WHERE state = 'queued'")
            carry(letter)

        assert [accepted.message_id for accepted in server.letters] == [letter.message_id]
    letter.refresh_from_db()
    assert (letter.state, letter.attempts, letter.counted_tries) == ("sent", 3, 2)
    assert len(seen) == 3 and len(set(seen)) == 1
    assert seen[0][1] == letter.message_id


# results while the database is away


def marked(letter: Delivery) -> claims.Claimed:
    claimed = claims.begin(letter.pk, owner="w1")
    assert claimed is not None and claims.mark(claimed)
    return claimed


def test_a_result_waits_in_memory_first(
    sending: Sending, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, settings: Any
) -> None:
    settings.SPOOL_DIR = tmp_path
    (letter,) = letters(sending(1))
    result = outcomes.interpret(marked(letter), OK, was_marked=True)
    write, failures = outcomes.write, iter([OperationalError("away")] * 3)

    def away_for_a_while(one: outcomes.Result) -> bool:
        for failure in failures:
            raise failure
        return write(one)

    monkeypatch.setattr(outcomes, "write", away_for_a_while)
    monkeypatch.setattr(outcomes, "drop_connection", lambda: None)

    assert outcomes.record(result, until=time.monotonic() + 60) is True

    letter.refresh_from_db()
    assert letter.state == "sent"
    assert not spool.has_lines()


def test_what_cannot_wait_any_longer_is_on_disk_before_the_call_returns(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, settings: Any
) -> None:
    settings.SPOOL_DIR = tmp_path
    on_disk: list[str] = []
    fsync = os.fsync

    def synced(number: int) -> None:
        fsync(number)
        on_disk.append((tmp_path / "results.jsonl").read_text())

    monkeypatch.setattr(os, "fsync", synced)

    spool.append({"delivery_id": 7})

    assert [json.loads(text) for text in on_disk] == [{"delivery_id": 7}]
    assert (tmp_path / "results.jsonl").stat().st_mode & 0o777 == 0o600


def test_any_worker_of_the_host_writes_what_waited_when_the_database_is_back(
    sending: Sending, tmp_path: Path, settings: Any
) -> None:
    settings.SPOOL_DIR = tmp_path
    (letter,) = letters(sending(1))
    spool.append(asdict(outcomes.interpret(marked(letter), OK, was_marked=True)))

    Housekeeper("email").round()

    letter.refresh_from_db()
    assert letter.state == "sent"
    assert not spool.has_lines()


def test_an_unclear_commit_is_written_again_and_counts_once(sending: Sending, monkeypatch: pytest.MonkeyPatch) -> None:
    """The line broke after COMMIT was sent: whether it took hold is unknown, and the second write finds out."""
    (letter,) = letters(sending(1))
    result = outcomes.interpret(marked(letter), OK, was_marked=True)
    write = outcomes.write
    calls: list[bool] = []

    def broken_after_commit(one: outcomes.Result) -> bool:
        calls.append(write(one))
        if len(calls) == 1:
            raise OperationalError("server closed the connection unexpectedly")
        return calls[-1]

    monkeypatch.setattr(outcomes, "write", broken_after_commit)
    monkeypatch.setattr(outcomes, "drop_connection", lambda: None)

    outcomes.record(result, until=time.monotonic() + 60)

    letter.refresh_from_db()
    assert calls == [True, False]
    assert (letter.state, letter.token) == ("sent", 2)


# what a letter costs


@pytest.mark.django_db(transaction=True)
def test_a_letter_that_goes_well_costs_three_statements(sending: Sending, monkeypatch: pytest.MonkeyPatch) -> None:
    """Begin, mark, result; whatever else a worker must know it has read with the letters before."""
    campaign = sending(3)
    execute, asked = database.execute, list[str]()

    def counted(statement: str, values: Any) -> database.Executed:
        asked.append(statement.split()[0])
        return execute(statement, values)

    with FaultServer() as server:
        through(campaign, server)
        first, second, third = letters(campaign)
        dispatch.send_single(first.pk, started=time.monotonic())
        dispatch.send_single(second.pk, started=time.monotonic())
        monkeypatch.setattr(database, "execute", counted)
        with CaptureQueriesContext(connection) as others:
            dispatch.send_single(third.pk, started=time.monotonic())

        assert len(server.letters) == 3
    assert asked == ["UPDATE"] * 3
    assert [query["sql"] for query in others.captured_queries] == []
