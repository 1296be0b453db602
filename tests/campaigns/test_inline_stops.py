"""A batch that is carried by its own task, cut short: a pause, a stop, a limit, a database that goes away."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
from django.db import OperationalError

from apps.campaigns.models import Batch, Campaign, Delivery
from apps.campaigns.services import (
    batching,
    dispatch,
    grouped_claims,
    grouped_results,
    inline,
    lifecycle,
)
from apps.smtp.models import Transport
from core import worker
from tests.campaigns.inline_scene import Rings, rings, send, states, through
from tests.fault_server import Fault, FaultServer

__all__ = ["rings"]

Sending = Callable[..., Campaign]
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("rings")]


# what stops it


def in_the_middle(monkeypatch: pytest.MonkeyPatch, do: Callable[[], object], *, after: int = 20) -> None:
    """Do something once when so many letters have been settled."""
    conclude, seen = inline.Bearer._conclude, list[int]()

    def settled(bearer: inline.Bearer, some: Any) -> None:
        conclude(bearer, some)
        was, now = len(seen), len(seen) + len(some)
        seen.extend([0] * len(some))
        if was < after <= now:
            do()

    monkeypatch.setattr(inline.Bearer, "_conclude", settled)


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
    failures = iter([OperationalError("away")] * 3)

    def away_for_a_while(write: Callable[..., Any], *some: Any) -> Any:
        for failure in failures:
            raise failure
        return write(*some)

    for name in ("write_sent", "write_sent_and_mark"):
        monkeypatch.setattr(grouped_results, name, partial(away_for_a_while, getattr(grouped_results, name)))
    with FaultServer() as server:
        through(server)
        send()

        assert len(server.letters) == 60
    assert states(campaign) == {"sent": 60}


MARKING = ((grouped_claims, "mark"), (grouped_results, "write_sent_and_mark"))


@pytest.mark.parametrize(("module", "name"), MARKING)
def test_no_dot_is_sent_where_the_mark_is_not_certain(
    sending: Sending, monkeypatch: pytest.MonkeyPatch, module: Any, name: str
) -> None:
    """The database goes away while it marks: whether the markers were committed, nobody knows."""
    campaign = sending(60)
    mark = getattr(module, name)
    asked: list[int] = []

    def broken_after_commit(*some: Any) -> Any:
        asked.append(len(some))
        marked = mark(*some)
        if len(asked) == 1:
            raise OperationalError("server closed the connection unexpectedly")
        return marked

    monkeypatch.setattr(module, name, broken_after_commit)
    with FaultServer() as server:
        through(server)
        send()

        assert len(server.letters) == 60
    assert asked
    assert states(campaign) == {"sent": 60}
    assert not Delivery.objects.filter(ambiguous_count__gt=0).exists()


def test_marks_in_doubt_never_exceed_lines_times_window(sending: Sending, monkeypatch: pytest.MonkeyPatch) -> None:
    sending(200)
    seen: list[int] = []

    def counted(mark: Callable[..., Any], *some: Any) -> Any:
        marked = mark(*some)
        seen.append(Delivery.objects.filter(state="committing").count())
        return marked

    for module, name in MARKING:
        monkeypatch.setattr(module, name, partial(counted, getattr(module, name)))
    with FaultServer() as server:
        through(server)
        send()

    assert 0 < max(seen) <= most_in_hand()
