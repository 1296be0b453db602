"""Connections are kept while they are good, bounded in every direction, and never shared with a child process."""

from __future__ import annotations

import os
import threading
from datetime import timedelta

import pytest

from apps.smtp import pool as pool_module
from apps.smtp.budget import now
from apps.smtp.outcome import Accepted, Deferred, FailureClass, Outcome, Stage
from apps.smtp.pool import Pool
from apps.smtp.services import post_office
from apps.smtp.wire import ConnectionFailedError
from core.secretbox import Secret
from tests.fault_server import Fault, FaultServer
from tests.smtp.conftest import PATIENT, budget, letter, to, yes


def send(server: FaultServer, pool: Pool, recipient: str = "ann@example.com", **changes: object) -> Outcome:
    return post_office.carry(
        to(server, **changes), letter(recipient), budget=budget(), mark=yes, caps=PATIENT, pool=pool
    )


class Clock:
    """Moves the pool's clock forward without waiting."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.ahead = 0.0
        monkeypatch.setattr(pool_module, "now", lambda: now() + self.ahead)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def test_letters_share_a_connection(server: FaultServer, pool: Pool) -> None:
    outcomes = [send(server, pool) for _ in range(5)]

    assert all(isinstance(outcome, Accepted) for outcome in outcomes)
    assert server.connections_made == 1
    counted = pool.counters
    assert (counted.opened, counted.reused, counted.closed, counted.letters) == (1, 4, 0, 5)
    assert (counted.idle, counted.in_use) == (1, 0)


def test_a_connection_is_worn_out_after_its_letters(server: FaultServer, pool: Pool) -> None:
    for _ in range(5):
        send(server, pool, max_letters_per_connection=2)

    assert server.connections_made == 3
    assert [kept.connection for kept in server.letters] == [1, 1, 2, 2, 3]


@pytest.mark.parametrize(
    "changes",
    [
        {"max_age": timedelta(seconds=50), "idle": timedelta(hours=1)},
        {"idle": timedelta(seconds=50), "max_age": timedelta(hours=1)},
    ],
    ids=["age", "idle time"],
)
def test_too_old_or_too_long_idle_is_not_reused(
    changes: dict[str, object], server: FaultServer, pool: Pool, clock: Clock
) -> None:
    send(server, pool, **changes)
    clock.ahead = 49
    send(server, pool, **changes)
    assert server.connections_made == 1

    clock.ahead = 101
    assert pool.close_idle() == 1
    assert pool.counters.idle == 0
    send(server, pool, **changes)
    assert server.connections_made == 2


def test_close_idle_spares_what_is_fresh_and_what_is_in_use(server: FaultServer, pool: Pool, clock: Clock) -> None:
    held = pool.checkout(to(server), offer_until=now() + 10, caps=PATIENT)
    send(server, pool)

    assert pool.close_idle() == 0
    clock.ahead = 3600
    assert pool.close_idle() == 1
    clock.ahead = 0
    assert held.is_live
    assert isinstance(held.carry(letter(), budget=budget(), mark=yes), Accepted)
    pool.checkin(held)
    assert pool.close_idle(all_idle=True) == 1
    assert server.wait_for_connections(0)


def test_no_more_connections_than_the_account_allows(server: FaultServer, pool: Pool) -> None:
    config = to(server, max_connections=2)
    held = [pool.checkout(config, offer_until=now() + 10, caps=PATIENT) for _ in range(2)]

    with pytest.raises(ConnectionFailedError) as failed:
        pool.checkout(config, offer_until=now() + 0.1, caps=PATIENT)

    assert failed.value.outcome.reason == "pool_full"
    assert server.connections_made == 2
    for connection in held:
        pool.checkin(connection)
    again = pool.checkout(config, offer_until=now() + 10, caps=PATIENT)
    assert server.connections_made == 2
    pool.checkin(again)


def test_a_place_that_becomes_free_is_taken_by_who_waits(server: FaultServer, pool: Pool) -> None:
    config = to(server, max_connections=1)
    held = pool.checkout(config, offer_until=now() + 10, caps=PATIENT)
    outcomes: list[Outcome] = []
    waiting = threading.Thread(target=lambda: outcomes.append(send(server, pool, max_connections=1)))
    waiting.start()

    pool.checkin(held)
    waiting.join(10)

    assert [type(outcome) for outcome in outcomes] == [Accepted]
    assert server.connections_made == 1


def test_a_connection_lost_to_an_exception_gives_its_place_back(server: FaultServer, pool: Pool) -> None:
    config = to(server, max_connections=1)

    def lose() -> None:
        pool.checkout(config, offer_until=now() + 10, caps=PATIENT).close()

    lose()

    assert pool.counters.in_use == 0
    pool.checkin(pool.checkout(config, offer_until=now() + 10, caps=PATIENT))


def test_rivals_never_share_a_connection(server: FaultServer, pool: Pool) -> None:
    def work(name: str) -> None:
        for number in range(20):
            send(server, pool, f"{name}{number}@example.com", max_connections=3)

    rivals = [threading.Thread(target=work, args=(name,)) for name in "abcdef"]
    for rival in rivals:
        rival.start()
    for rival in rivals:
        rival.join(30)

    assert sorted(server.recipients()) == sorted(
        f"{name}{number}@example.com" for name in "abcdef" for number in range(20)
    )
    assert pool.counters.letters == 120
    assert pool.counters.idle <= 3
    assert pool.counters.in_use == 0


def test_a_changed_password_opens_a_new_connection_and_ends_the_old(pool: Pool) -> None:
    with FaultServer(accounts={"ann": "old", "bob": "new"}) as server:
        send(server, pool)
        send(server, pool, username="bob", password=Secret("new"))

        assert [kept.username for kept in server.letters] == ["ann", "bob"]
        assert server.wait_for_connections(1)
        assert pool.counters.idle == 1
        pool.close_all()


@pytest.mark.parametrize("seen_before", [True, False], ids=["seen at once", "seen at MAIL"])
def test_a_connection_that_died_while_idle_costs_nothing(
    seen_before: bool, server: FaultServer, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    send(server, pool)
    server.hang_up()
    if not seen_before:  # as if the end had come between the look and the first word
        monkeypatch.setattr(pool_module.Connection, "is_live", property(lambda _self: True))

    outcome = send(server, pool, "bob@example.com")

    assert isinstance(outcome, Accepted)
    assert server.recipients() == ["ann@example.com", "bob@example.com"]
    assert server.connections_made == 2


def test_a_dead_connection_is_replaced_once_only(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    with FaultServer([Fault("mail", "drop", nth=2), Fault("mail", "drop", nth=2)]) as server:
        send(server, pool)

        outcome = send(server, pool, "bob@example.com")

        assert isinstance(outcome, Deferred)
        assert (outcome.stage, outcome.failure) == (Stage.MAIL, FailureClass.TRANSIENT_DEST)
        assert server.connections_made == 2


def test_close_all_ends_everything_idle(server: FaultServer, pool: Pool) -> None:
    send(server, pool, id=1)
    send(server, pool, id=2)
    assert server.wait_for_connections(2)

    pool.close_all()

    assert server.wait_for_connections(0)
    assert pool.counters.idle == 0


@pytest.mark.filterwarnings("ignore:.*use of fork.*:DeprecationWarning")
def test_a_child_process_starts_with_an_empty_pool_and_leaves_the_parents_alone(
    server: FaultServer, pool: Pool
) -> None:
    send(server, pool)
    read, write = os.pipe()

    child = os.fork()
    if child == 0:
        counted = pool.counters
        os.write(write, f"{counted.idle} {counted.opened}".encode())
        os._exit(0)
    os.close(write)
    os.waitpid(child, 0)

    with os.fdopen(read) as answer:
        assert answer.read() == "0 0"
    assert isinstance(send(server, pool, "bob@example.com"), Accepted)
    assert server.connections_made == 1
