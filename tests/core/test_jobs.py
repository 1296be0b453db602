"""The doorbell: after commit, ids only, and a broker that is away never breaks a request."""

from __future__ import annotations

import base64
import json
import os
import secrets
import socket
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from celery import Celery
from django.conf import settings
from django.db import transaction
from kombu import pools
from kombu.exceptions import BatchPublishError
from kombu.transport.redis import PublishBatch
from redis import Redis

from core import jobs
from core.celery import app

SINGLE = "apps.campaigns.tasks.send_single_email"


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, list[Any]]]:
    calls: list[tuple[str, list[Any]]] = []
    monkeypatch.setattr(jobs, "ring_now", lambda task, args: calls.append((task, list(args))) or len(args))
    return calls


@pytest.mark.django_db(transaction=True)
def test_rings_only_after_commit(heard: list[tuple[str, list[Any]]]) -> None:
    with transaction.atomic():
        jobs.ring("some.task", 7)
        assert heard == []

    assert heard == [("some.task", [(7,)])]


@pytest.mark.django_db(transaction=True)
def test_a_rolled_back_change_rings_nothing(heard: list[tuple[str, list[Any]]]) -> None:
    with pytest.raises(RuntimeError), transaction.atomic():
        jobs.ring_each("some.task", [(1,), (2,)])
        raise RuntimeError

    assert heard == []


RING = """
import django; django.setup()
from core import jobs
print(jobs.ring_now("core.tasks.canary", [("email",), ("default",)]))
"""


def test_a_broker_that_is_away_costs_a_warning_not_an_error() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {**os.environ, "BROKER_URL": f"redis://127.0.0.1:{port}/0", "DJANGO_SETTINGS_MODULE": "settings.test"}

    done = subprocess.run([sys.executable, "-c", RING], env=environment, capture_output=True, text=True, timeout=60)

    assert (done.returncode, done.stdout.strip()) == (0, "0")
    assert "did not take 2 of 2 rings" in done.stderr


@pytest.mark.parametrize("count", [jobs.BULK, 3 * jobs.BULK])
def test_a_broker_that_is_away_is_as_harmless_to_many_rings(count: int) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {**os.environ, "BROKER_URL": f"redis://127.0.0.1:{port}/0", "DJANGO_SETTINGS_MODULE": "settings.test"}
    ring = RING.replace('[("email",), ("default",)]', f"[(n,) for n in range({count})]")

    done = subprocess.run([sys.executable, "-c", ring], env=environment, capture_output=True, text=True, timeout=60)

    assert (done.returncode, done.stdout.strip()) == (0, "0")
    assert f"did not take {count} of {count} rings" in done.stderr


def _queued(queue: str) -> list[dict[str, Any]]:
    """Take what waits in a queue, oldest first."""
    client = Redis.from_url(settings.REDIS_URL.replace("redis+socket://", "unix://"))
    try:
        taken = client.lrange(queue, 0, -1)
        client.delete(queue)
    finally:
        client.close()
    return [json.loads(message) for message in reversed(taken)]


@pytest.fixture
def queue() -> Iterator[str]:
    """The name of the queue for single letters, as it is called in the broker by this test alone."""
    prefix = f"vs-{secrets.token_hex(4)}-"
    before = app.conf.broker_transport_options
    _use(app, {**before, "global_keyprefix": prefix})
    yield f"{prefix}email"
    _use(app, before)


def _use(celery: Celery, transport_options: dict[str, Any]) -> None:
    """Let the next ring open a connection with these options."""
    celery.conf.broker_transport_options = transport_options
    pools.reset()
    celery._after_fork()


def test_many_rings_arrive_each_once_and_in_order(queue: str) -> None:
    count = 2 * jobs.PER_ROUND_TRIP + 7

    rung = jobs.ring_now(SINGLE, [(number,) for number in range(count)])

    assert rung == count
    bodies = [json.loads(base64.b64decode(message["body"])) for message in _queued(queue)]
    assert [body[0] for body in bodies] == [[number] for number in range(count)]


def test_a_ring_among_many_is_the_same_message_as_one_alone(queue: str) -> None:
    jobs.ring_now(SINGLE, [(7,)])
    jobs.ring_now(SINGLE, [(7,)] * jobs.BULK)

    alone, *others = _queued(queue)

    for message in (alone, *others):
        # The limits stand in a message only where its sender had loaded the tasks; a worker asks its own.
        for name in ("id", "root_id", "timelimit", "rung_at"):
            message["headers"].pop(name)
        message["properties"].pop("correlation_id")
        message["properties"].pop("delivery_tag")
        message["properties"].pop("reply_to", None)
    assert others == [alone] * jobs.BULK


def test_a_round_trip_that_fails_is_not_counted_and_ends_the_rest(
    queue: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    flushes: list[int] = []
    flush = PublishBatch.flush

    def second_fails(batch: PublishBatch) -> None:
        flushes.extend([1] * bool(batch._buffered))
        if len(flushes) > 1:
            raise BatchPublishError("uncertain")
        flush(batch)

    monkeypatch.setattr(PublishBatch, "flush", second_fails)
    rung = jobs.ring_now(SINGLE, [(number,) for number in range(3 * jobs.PER_ROUND_TRIP)])

    assert rung == len(_queued(queue)) == jobs.PER_ROUND_TRIP
    assert "BatchPublishError" in caplog.text
