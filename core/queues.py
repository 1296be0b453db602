"""What the broker holds; the same questions for Redis, AMQP and memory."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from amqp.exceptions import ChannelError
from kombu import Connection
from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from core.jobs import BROKER_ERRORS

_NOT_FOUND = "404"
_RUNG = "rung_at"
_REDIS_SCHEMES = {"redis", "rediss", "unix", "redis+socket", "valkey"}


def connect(*, patience_seconds: float = 4.0) -> Connection:
    """Return a connection of one's own to the broker, which gives up on a silent peer; close it after use."""
    from core.celery import app

    connection: Connection = app.connection_for_write().clone()
    connection.connect_timeout = patience_seconds
    connection.transport_options = {
        **(connection.transport_options or {}),
        "socket_timeout": patience_seconds,
        "socket_connect_timeout": patience_seconds,
        "retry_on_timeout": False,
    }
    return connection


def depth(queue: str) -> int | None:
    """Return how many messages wait in a queue, or None when the broker cannot say."""
    try:
        return depths([queue], patience_seconds=2)[queue]
    except BROKER_ERRORS:
        return None


def depths(queues: Iterable[str], *, patience_seconds: float = 4.0) -> dict[str, int]:
    """Return how many messages wait in each queue; a queue that nobody has made yet holds none.

    Raises:
        One of `core.jobs.BROKER_ERRORS`: the broker does not answer.
    """
    with connect(patience_seconds=patience_seconds) as connection:
        connection.ensure_connection(max_retries=1, interval_start=0, interval_step=0)
        return {queue: _depth(connection, queue) for queue in queues}


@dataclass(frozen=True, slots=True)
class Waiting:
    """How many hints stand in a queue, and how long the oldest has; None where the broker cannot show it."""

    depth: int
    oldest_seconds: float | None


def date(headers: dict[str, Any]) -> None:
    """Write into a message when it was rung; nothing is decided by it."""
    headers[_RUNG] = round(time.time(), 1)


def look(names: Iterable[str], *, patience_seconds: float = 1.0) -> dict[str, Waiting]:
    """Return what waits in each queue, for a screen that must not wait for a broker that hangs.

    Raises:
        One of `core.jobs.BROKER_ERRORS`: the broker does not answer.
    """
    from core.celery import app

    url, wanted = str(app.conf.broker_url), list(names)
    if not is_redis(url):
        found = depths(wanted, patience_seconds=patience_seconds)
        return {name: Waiting(depth, None) for name, depth in found.items()}
    prefix = str((app.conf.broker_transport_options or {}).get("global_keyprefix", ""))
    client = _redis(url, patience_seconds)
    try:
        pipe = client.pipeline(transaction=False)
        for name in wanted:
            pipe.llen(prefix + name)
            pipe.lindex(prefix + name, -1)
        answers = pipe.execute()
    finally:
        client.close()
    pairs = zip(answers[::2], answers[1::2], strict=True)
    return {name: Waiting(int(depth), _age(oldest)) for name, (depth, oldest) in zip(wanted, pairs, strict=True)}


def _age(message: bytes | None) -> float | None:
    if message is None:
        return None
    try:
        rung = float(json.loads(message)["headers"][_RUNG])
    except (ValueError, KeyError, TypeError):
        return None
    return max(0.0, time.time() - rung)


def _depth(connection: Connection, queue: str) -> int:
    # AMQP closes a channel on a passive declaration of a queue that is not there: one channel each.
    with connection.channel() as channel:
        try:
            declared = channel.queue_declare(queue=queue, passive=True)  # type: ignore[attr-defined]  # missing in the stubs
        except ChannelError as error:
            if str(error.reply_code) == _NOT_FOUND:
                return 0
            raise
    return int(declared.message_count)


def is_redis(url: str) -> bool:
    """Return whether the broker speaks Redis."""
    return urlsplit(url).scheme in _REDIS_SCHEMES


def redis_facts(url: str, *, patience_seconds: float = 4.0) -> dict[str, Any]:
    """Ping a Redis server once, without retries, and return what its INFO says about memory.

    Raises:
        redis.exceptions.RedisError: it does not answer.
    """
    client = _redis(url, patience_seconds)
    try:
        client.ping()
        facts: dict[str, Any] = client.info("memory")
    finally:
        client.close()
    return facts


def _redis(url: str, patience_seconds: float) -> Redis:
    return Redis.from_url(
        url.replace("redis+socket://", "unix://").replace("valkey://", "redis://"),
        socket_timeout=patience_seconds,
        socket_connect_timeout=patience_seconds,
        retry=Retry(NoBackoff(), 0),
    )
