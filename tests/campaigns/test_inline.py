"""A batch carried by its own task: what it takes, what it leaves, and what stops it."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from django.db import OperationalError
from django.db.models.functions import Now

from apps.campaigns.models import Batch, Campaign, Delivery
from apps.campaigns.rendering import RenderError
from apps.campaigns.services import batching, canary, dispatch, grouped_claims, grouped_results, inline, lifecycle
from apps.contacts.models import Suppression
from apps.smtp.models import Throttle, Transport
from apps.smtp.pool import connections
from core import database, worker
from core.models import InstanceEpoch
from tests.campaigns.conftest import letters
from tests.fault_server import Fault, FaultServer

Sending = Callable[..., Campaign]
Rings = list[tuple[str, tuple[int, ...]]]
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def rings(monkeypatch: pytest.MonkeyPatch, settings: Any) -> Iterator[Rings]:
    settings.DELIVERY = "inline"
    heard: Rings = []

    def ring_now(task: str, calls: Sequence[Sequence[int]]) -> int:
        heard.extend((task, tuple(call)) for call in calls)
        return len(calls)

    monkeypatch.setattr("core.jobs.ring_now", ring_now)
    canary._seen.clear()
    yield heard
    worker.reset_draining()


def through(server: FaultServer, **fields: Any) -> Transport:
    """Let every letter go through the server."""
    campaign = Campaign.objects.get()
    values = {"workspace": campaign.workspace, "name": "Relay", "kind": "smtp", "host": "127.0.0.1", "tls": "none"}
    transport = Transport.objects.create(**{**values, "port": server.port, **fields})
    Campaign.objects.update(transport=transport)
    Delivery.objects.update(transport=transport)
    return transport


def send() -> int:
    return dispatch.send_batch(Batch.objects.get().pk, started=time.monotonic())


def states(campaign: Campaign) -> dict[str, int]:
    found: dict[str, int] = {}
    for letter in letters(campaign):
        found[letter.state] = found.get(letter.state, 0) + 1
    return found


def test_a_batch_carries_its_letters_without_ringing_one(sending: Sending, rings: Rings) -> None:
    campaign = sending(120)
    before = connections.counters.letters
    with FaultServer() as server:
        through(server)

        assert send() == 120

        assert sorted(server.recipients()) == sorted(letter.email for letter in letters(campaign))
    assert states(campaign) == {"sent": 120}
    assert set(Delivery.objects.values_list("attempts", "token", "owner")) == {(1, 2, "")}
    assert rings == []
    assert connections.counters.letters - before == 120


def test_a_good_letter_costs_a_small_part_of_a_statement(sending: Sending, monkeypatch: pytest.MonkeyPatch) -> None:
    sending(200)
    execute, asked = database.execute_many, list[str]()

    def counted(statement: str, values: Any) -> Any:
        asked.append(statement)
        return execute(statement, values)

    monkeypatch.setattr(database, "execute_many", counted)
    with FaultServer() as server:
        through(server)
        send()

    assert len([one for one in asked if one == grouped_claims.BEGIN_SLICE]) < 100
    assert len(asked) < 3 * 200


def test_what_goes_alone_is_rung_and_the_rest_is_carried(sending: Sending, rings: Rings) -> None:
    campaign = sending(3)
    Delivery.objects.filter(pk=letters(campaign)[1].pk).update(crash_count=1)
    with FaultServer() as server:
        through(server)
        send()

        assert len(server.letters) == 2
    assert rings == [(batching.SINGLE, (letters(campaign)[1].pk,))]


@pytest.mark.parametrize(
    "fields", [{"per_hour": 1000}, {"kind": "provider", "provider": "postmark", "host": "", "port": 587}]
)
def test_an_account_with_limits_or_an_api_is_fanned_out(sending: Sending, rings: Rings, fields: dict[str, Any]) -> None:
    campaign = sending(3)
    with FaultServer() as server:
        through(server, **fields)
        send()

        assert server.letters == []
    assert {task for task, _ in rings} == {batching.SINGLE}
    assert 0 < len(rings) <= len(letters(campaign))


def test_a_finished_batch_rings_the_campaigns_next(sending: Sending, rings: Rings, settings: Any) -> None:
    campaign = sending(3)
    (first,) = Batch.objects.all()
    second = Batch.objects.create(campaign=campaign, number=first.number + 1, size=1)
    moved = letters(campaign)[2]
    Delivery.objects.filter(pk=moved.pk).update(batch=second)
    with FaultServer() as server:
        through(server)
        dispatch.send_batch(first.pk, started=time.monotonic())

    assert rings == [(batching.BATCH, (second.pk,))]


def test_a_batch_of_which_nothing_can_move_is_not_rung_in_a_circle(sending: Sending, rings: Rings) -> None:
    sending(2)
    assert batching.next_batches(Campaign.objects.get().pk) == [Batch.objects.get().pk]
    InstanceEpoch.objects.update_or_create(id=1, defaults={"own_table": 1, "frozen_at": Now()})
    with FaultServer() as server:
        through(server)

        assert send() == 0
    assert rings == []
    assert batching.next_batches(Campaign.objects.get().pk) == []


def test_open_batches_are_bounded(sending: Sending, settings: Any) -> None:
    from dataclasses import replace

    settings.LIMITS = replace(settings.LIMITS, inline_rung_batches=2)
    campaign = sending(4)
    (first,) = Batch.objects.all()
    for number, letter in enumerate(letters(campaign)[1:], start=first.number + 1):
        Delivery.objects.filter(pk=letter.pk).update(
            batch=Batch.objects.create(campaign=campaign, number=number, size=1)
        )

    rung = batching.next_batches(campaign.pk)

    assert len(rung) == 2 and rung[0] == first.pk
    assert batching.next_batches(campaign.pk) == []
    Delivery.objects.filter(batch_id=first.pk).update(state="sent")
    assert len(batching.next_batches(campaign.pk)) == 1


def test_a_letter_that_cannot_be_composed_fails_alone(sending: Sending, monkeypatch: pytest.MonkeyPatch) -> None:
    campaign = sending(3)
    compose, bad = inline.composing.compose, letters(campaign)[1].pk

    def broken(claimed: Any) -> Any:
        if claimed.delivery_id == bad:
            raise RenderError("No such field.")
        return compose(claimed)

    monkeypatch.setattr(inline.composing, "compose", broken)
    with FaultServer() as server:
        through(server)
        send()

        assert len(server.letters) == 2
    assert [(one.state, one.reason) for one in letters(campaign)] == [("sent", ""), ("failed", "render"), ("sent", "")]


def test_a_letter_none_can_build_pauses_the_campaign_after_a_few(
    sending: Sending, monkeypatch: pytest.MonkeyPatch
) -> None:
    campaign = sending(150)

    def broken(_claimed: Any) -> Any:
        raise RenderError("No such field.")

    monkeypatch.setattr(inline.composing, "compose", broken)
    with FaultServer() as server:
        through(server)
        send()
    campaign.refresh_from_db()

    assert (campaign.state, campaign.state_reason) == ("paused", "letters_unbuilt")
    assert states(campaign)["failed"] <= 100
    assert set(states(campaign)) == {"failed", "queued"}
    assert set(Delivery.objects.filter(state="queued").values_list("attempts", "owner")) == {(0, "")}


def test_a_wall_pauses_the_campaign_within_its_first_hundred(sending: Sending) -> None:
    campaign = sending(300)
    with FaultServer([Fault("rcpt", "550 5.7.26 Unauthenticated")]) as server:
        through(server)
        send()
        assert server.letters == []
    campaign.refresh_from_db()

    assert (campaign.state, campaign.state_reason) == ("paused", "policy_auth")
    assert Delivery.objects.filter(attempts__gt=0).count() <= 100
    assert not Suppression.objects.exists()


def test_a_list_of_unknown_people_pauses_the_campaign_within_its_first_hundred(sending: Sending) -> None:
    campaign = sending(300)
    with FaultServer([Fault("rcpt", "550 5.1.1 No such user")]) as server:
        through(server)
        send()
    campaign.refresh_from_db()

    assert (campaign.state, campaign.state_reason) == ("paused", "hard_bounces")
    assert Delivery.objects.filter(state="failed").count() <= 100
    assert set(states(campaign)) == {"failed", "queued"}


def test_an_account_in_trouble_stops_the_batch_and_burns_no_letter(sending: Sending) -> None:
    campaign = sending(100)
    with FaultServer([Fault("connect", "drop")]) as server:
        account = through(server)
        for _ in range(5):
            send()
    throttle = Throttle.objects.get(transport=account)

    assert throttle.closed_until is not None
    assert states(campaign) == {"queued": 100}
    assert sum(Delivery.objects.values_list("counted_tries", flat=True)) == 0
    assert Delivery.objects.filter(last_stage__gt="").count() <= 10


def test_a_yes_heals_the_account(sending: Sending) -> None:
    sending(3)
    with FaultServer() as server:
        account = through(server)
        Throttle.objects.update_or_create(transport=account, defaults={"failures": 2})
        send()

    assert Throttle.objects.get(transport=account).failures == 0


def test_letters_that_may_not_go_are_closed(sending: Sending) -> None:
    campaign = sending(3)
    (one, *_) = letters(campaign)
    Suppression.objects.create(workspace_id=one.workspace_id, email_hash=one.email_hash, reason="manual")
    with FaultServer() as server:
        through(server)
        send()

    assert states(campaign) == {"skipped": 1, "sent": 2}


def test_a_reply_that_never_comes_is_held(sending: Sending) -> None:
    campaign = sending(20)
    with FaultServer([Fault("dot", "drop", nth=3)]) as server:
        through(server)
        send()

    assert states(campaign) == {"sent": 19, "unconfirmed": 1}


# what stops it


def in_the_middle(monkeypatch: pytest.MonkeyPatch, do: Callable[[], object], *, after: int = 20) -> None:
    """Do something once when so many letters have been settled."""
    settle, seen = inline.Bearer.settle, list[int]()

    def settled(bearer: inline.Bearer, some: Any) -> None:
        settle(bearer, some)
        was, now = len(seen), len(seen) + len(some)
        seen.extend([0] * len(some))
        if was < after <= now:
            do()

    monkeypatch.setattr(inline.Bearer, "settle", settled)


def most_in_hand() -> int:
    limits = inline.settings.LIMITS
    return int(min(limits.inline_connections, 10) * limits.inline_window)


@pytest.mark.parametrize("how", ["pause", "cancel", "switch_off", "drain"])
def test_a_stop_bites_within_one_window(sending: Sending, monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    campaign = sending(300)
    accepted: list[int] = []

    def stop() -> None:
        accepted.append(len(server.letters))
        match how:
            case "pause":
                lifecycle.pause(campaign, by=None)
            case "cancel":
                lifecycle.cancel(campaign, by=None)
            case "switch_off":
                Transport.objects.update(is_active=False)
            case "drain":
                worker.start_draining()

    in_the_middle(monkeypatch, stop)
    with FaultServer() as server:
        through(server)
        send()

        assert len(server.letters) - accepted[0] <= 2 * most_in_hand()
        assert states(campaign) == {"sent": len(server.letters), "queued": 300 - len(server.letters)}
    left = Delivery.objects.filter(state="queued")
    assert set(left.values_list("attempts", "owner", "rung_at")) == {(0, "", None)}


@pytest.mark.usefixtures("_soft_limit")
def test_at_the_soft_limit_everything_unmarked_goes_back_and_is_rung(
    sending: Sending, monkeypatch: pytest.MonkeyPatch, rings: Rings
) -> None:
    campaign = sending(100)
    struck: list[bool] = []

    def strike() -> None:
        struck.append(True)
        signal.pthread_kill(threading.get_ident(), signal.SIGUSR1)

    in_the_middle(monkeypatch, strike)
    with FaultServer([Fault("rcpt", "hang", nth=30)]) as server:
        through(server)
        try:
            send()
        except SoftLimitError:
            struck.append(False)

        assert struck[0]
        assert states(campaign) == {"sent": len(server.letters), "queued": 100 - len(server.letters)}
    assert not Delivery.objects.exclude(owner="").exists()
    assert signal.SIGUSR1 not in signal.pthread_sigmask(signal.SIG_BLOCK, [])


class SoftLimitError(Exception):
    """As Celery's."""


@pytest.fixture
def _soft_limit() -> Iterator[None]:
    def strike(*_: object) -> None:
        raise SoftLimitError

    before = signal.signal(signal.SIGUSR1, strike)
    yield
    signal.signal(signal.SIGUSR1, before)


@pytest.mark.usefixtures("_soft_limit")
def test_a_soft_limit_before_any_mark_gives_everything_back_and_rings_it(
    sending: Sending, monkeypatch: pytest.MonkeyPatch, rings: Rings
) -> None:
    campaign = sending(10)

    def struck(_claimed: Any) -> Any:
        signal.pthread_kill(threading.get_ident(), signal.SIGUSR1)
        time.sleep(0)
        raise AssertionError("the limit did not strike")

    monkeypatch.setattr(inline.composing, "compose", struck)
    with FaultServer() as server:
        through(server)
        with pytest.raises(SoftLimitError):
            send()

        assert server.letters == []
    assert states(campaign) == {"queued": 10}
    assert set(Delivery.objects.values_list("attempts", "owner")) == {(0, "")}
    assert rings and {task for task, _ in rings} == {batching.SINGLE}


def test_no_letter_begins_later_than_the_margin_allows(sending: Sending) -> None:
    campaign = sending(3)
    limits = inline.settings.LIMITS
    started = time.monotonic() - (limits.batch.soft - limits.inline_begin_margin) - 1
    with FaultServer() as server:
        through(server)

        assert dispatch.send_batch(Batch.objects.get().pk, started=started) == 0

        assert server.letters == []
    assert states(campaign) == {"queued": 3}


# the database away


def test_results_outlive_a_database_that_goes_away_in_the_middle(
    sending: Sending, monkeypatch: pytest.MonkeyPatch
) -> None:
    campaign = sending(60)
    write, failures = grouped_results.write_sent, iter([OperationalError("away")] * 3)

    def away_for_a_while(some: Any) -> Any:
        for failure in failures:
            raise failure
        return write(some)

    monkeypatch.setattr(grouped_results, "write_sent", away_for_a_while)
    with FaultServer() as server:
        through(server)
        send()

        assert len(server.letters) == 60
    assert states(campaign) == {"sent": 60}


def test_no_dot_is_sent_where_the_mark_is_not_certain(sending: Sending, monkeypatch: pytest.MonkeyPatch) -> None:
    """The database goes away while it marks: whether the markers were committed, nobody knows."""
    campaign = sending(10)
    mark = grouped_claims.mark
    asked: list[int] = []

    def broken_after_commit(some: Any) -> Any:
        asked.append(len(some))
        marked = mark(some)
        if len(asked) == 1:
            raise OperationalError("server closed the connection unexpectedly")
        return marked

    monkeypatch.setattr(grouped_claims, "mark", broken_after_commit)
    with FaultServer() as server:
        through(server)
        send()

        assert len(server.letters) == 10
    assert states(campaign) == {"sent": 10}
    assert not Delivery.objects.filter(ambiguous_count__gt=0).exists()


def test_marks_in_doubt_never_exceed_lines_times_window(sending: Sending, monkeypatch: pytest.MonkeyPatch) -> None:
    sending(200)
    mark, seen = grouped_claims.mark, list[int]()

    def counted(some: Any) -> Any:
        marked = mark(some)
        seen.append(Delivery.objects.filter(state="committing").count())
        return marked

    monkeypatch.setattr(grouped_claims, "mark", counted)
    with FaultServer() as server:
        through(server)
        send()

    assert 0 < max(seen) <= most_in_hand()
