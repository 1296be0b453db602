"""A batch that is carried by its own task, broken off by what nobody foresaw: no letter that was sent is forgotten."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.db import DataError, OperationalError

from apps.campaigns.models import Batch, Campaign, Delivery
from apps.campaigns.services import grouped_claims, grouped_results, inline, outcomes, spool
from core import worker
from core.errors import EspError
from tests.campaigns.conftest import letters
from tests.campaigns.inline_scene import Rings, rings, send, states, through
from tests.campaigns.test_inline_stops import SoftLimitError, _soft_limit
from tests.fault_server import FaultServer

__all__ = ["_soft_limit", "rings"]

Sending = Callable[..., Campaign]
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("rings")]


class UnforeseenError(Exception):
    """As nobody catches it."""


def breaks_at(monkeypatch: pytest.MonkeyPatch, number: int, error: Exception) -> None:
    """Let composing the letter of this number fail."""
    compose, composed = inline.composing.compose, list[int]()

    def broken(claimed: Any) -> Any:
        composed.append(claimed.delivery_id)
        if len(composed) == number:
            raise error
        return compose(claimed)

    monkeypatch.setattr(inline.composing, "compose", broken)


@pytest.mark.parametrize("error", [ValueError("a bug"), KeyError("a field"), DataError("no such number")])
def test_a_bug_over_one_letter_fails_that_letter_alone(
    sending: Sending, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    campaign = sending(100)
    breaks_at(monkeypatch, 50, error)
    with FaultServer() as server:
        through(server)
        send()

        assert len(server.letters) == 99
    assert states(campaign) == {"sent": 99, "failed": 1}
    assert Delivery.objects.get(state="failed").last_text == f"bug: {type(error).__name__}"


def test_what_was_sent_before_an_unforeseen_error_is_recorded(
    sending: Sending, monkeypatch: pytest.MonkeyPatch
) -> None:
    campaign = sending(100)
    breaks_at(monkeypatch, 50, UnforeseenError())
    with FaultServer() as server:
        through(server)
        with pytest.raises(UnforeseenError):
            send()
        assert server.wait_for_connections(0)
        taken = len(server.letters)

    assert 0 < taken < 50
    assert states(campaign) == {"sent": taken, "queued": 100 - taken}
    assert not Delivery.objects.exclude(owner="").exists()
    assert set(Delivery.objects.filter(state="queued").values_list("attempts", flat=True)) == {0}


def test_marked_letters_that_were_not_sent_go_back_after_an_unforeseen_error(
    sending: Sending, monkeypatch: pytest.MonkeyPatch
) -> None:
    campaign = sending(60)
    mark, marked = grouped_results.Results.flush_and_mark, list[int]()

    def broken_behind(results: Any, some: Any) -> Any:
        found = mark(results, some)
        marked.extend(found)
        if len(marked) >= 20:
            raise UnforeseenError
        return found

    monkeypatch.setattr(grouped_results.Results, "flush_and_mark", broken_behind)
    with FaultServer() as server:
        through(server)
        with pytest.raises(UnforeseenError):
            send()
        taken = len(server.letters)

    assert taken < len(marked)
    assert states(campaign) == {"sent": taken, "queued": 60 - taken}


def test_what_follows_from_an_outcome_ends_no_batch(sending: Sending, monkeypatch: pytest.MonkeyPatch) -> None:
    campaign = sending(30)

    def refused(*_: Any, **__: Any) -> None:
        raise DataError("a bug")

    monkeypatch.setattr(inline.breaker, "heal", refused)
    follow_up = inline.Bearer._follow_up

    def failed_before(bearer: inline.Bearer, settled: Any) -> None:
        bearer._account_has_failed = True
        follow_up(bearer, settled)

    monkeypatch.setattr(inline.Bearer, "_follow_up", failed_before)
    with FaultServer() as server:
        through(server)
        assert send() == 30

    assert states(campaign) == {"sent": 30}


def test_when_nothing_can_be_signed_the_first_letter_ends_the_batch(
    sending: Sending, rings: Rings, monkeypatch: pytest.MonkeyPatch
) -> None:
    campaign = sending(300)
    Batch.objects.update(rung_at="2026-01-01T00:00:00Z")
    composed: list[int] = []

    def unsigned(claimed: Any) -> Any:
        composed.append(claimed.delivery_id)
        raise EspError("A stored signing key cannot be read.", code="bad_signing_key")

    monkeypatch.setattr(inline.composing, "compose", unsigned)
    with FaultServer() as server:
        through(server)
        send()

    assert len(composed) == 1
    assert [(one.attempts, one.owner) for one in letters(campaign)] == [(1, "")] + [(0, "")] * 299
    assert rings == []
    assert not Batch.objects.filter(rung_at=None).exists()


def test_a_stop_is_heard_while_letters_are_composed(sending: Sending, monkeypatch: pytest.MonkeyPatch) -> None:
    campaign = sending(100)
    compose, composed = inline.composing.compose, list[int]()

    def stopping(claimed: Any) -> Any:
        composed.append(claimed.delivery_id)
        if len(composed) == 3:
            worker.start_draining()
        return compose(claimed)

    monkeypatch.setattr(inline.composing, "compose", stopping)
    with FaultServer() as server:
        through(server)
        send()

    assert len(composed) == 3
    assert states(campaign) == {"sent": len(server.letters), "queued": 100 - len(server.letters)}


@pytest.mark.usefixtures("_soft_limit")
def test_a_second_soft_limit_on_the_way_out_costs_nothing(sending: Sending, monkeypatch: pytest.MonkeyPatch) -> None:
    """A warm shutdown lets the limit strike twice, some milliseconds apart."""
    campaign = sending(10)
    close = inline.Bearer.close

    def struck(*_: Any) -> Any:
        signal.pthread_kill(threading.get_ident(), signal.SIGUSR1)
        time.sleep(0)

    def closing(bearer: inline.Bearer, **more: Any) -> None:
        struck()
        close(bearer, **more)

    monkeypatch.setattr(inline.composing, "compose", struck)
    monkeypatch.setattr(inline.Bearer, "close", closing)
    with FaultServer() as server:
        through(server)
        with pytest.raises(SoftLimitError):
            send()

    assert states(campaign) == {"queued": 10}
    assert not Delivery.objects.exclude(owner="").exists()
    assert signal.SIGUSR1 not in signal.pthread_sigmask(signal.SIG_BLOCK, [])


def test_a_process_begins_a_batch_with_nothing_in_hand(sending: Sending) -> None:
    campaign = sending(5)
    account = letters(campaign)[0].transport_id
    assert len(grouped_claims.begin(Batch.objects.get().pk, account, owner=worker.owner(), count=3)) == 3
    with FaultServer() as server:
        through(server)
        send()

    assert states(campaign) == {"sent": 5}


def test_at_the_end_of_its_time_everything_is_kept_at_once(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, settings: Any
) -> None:
    settings.SPOOL_DIR = tmp_path
    results, asked, appended = grouped_results.Results(), list[int](), list[int]()
    add = spool._add

    def away(_: Any) -> Any:
        asked.append(1)
        raise OperationalError("connection timed out")

    def counted(*of: Any) -> None:
        appended.append(1)
        add(*of)

    monkeypatch.setattr(outcomes, "write", away)
    monkeypatch.setattr(grouped_results, "write_sent", away)
    monkeypatch.setattr(spool, "_add", counted)
    for number in range(20):
        results.add(outcomes.Result(number, 1, outcomes.AFTER_MARK, "sent", message_id=f"<{number}@example.com>"))

    assert results.close(until=time.monotonic()) is False

    assert (len(asked), len(appended), len(results)) == (0, 1, 0)
    kept: list[int] = []
    spool.replay(lambda line: kept.append(line["delivery_id"]))
    assert kept == list(range(20))
