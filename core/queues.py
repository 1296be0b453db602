"""What the broker holds; the same questions for Redis, AMQP and memory."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from urllib.parse import urlsplit

from amqp.exceptions import ChannelError
from kombu import Connection
from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from core.jobs import BROKER_ERRORS

_NOT_FOUND = "404"
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
    client = Redis.from_url(
        url.replace("redis+socket://", "unix://").replace("valkey://", "redis://"),
        socket_timeout=patience_seconds,
        socket_connect_timeout=patience_seconds,
        retry=Retry(NoBackoff(), 0),
    )
    try:
        client.ping()
        facts: dict[str, Any] = client.info("memory")
    finally:
        client.close()
    return facts
