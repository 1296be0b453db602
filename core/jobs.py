"""The doorbell: rings tasks by name after commit; a broker that is away costs seconds, never a letter."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING

from amqp.exceptions import AMQPError
from django.db import transaction
from kombu import uuid
from kombu.exceptions import BatchPublishError, OperationalError  # type: ignore[attr-defined]  # missing in the stubs
from redis.exceptions import RedisError

if TYPE_CHECKING:
    from celery import Celery

log = logging.getLogger(__name__)

# What a broker that is away, full or restarting raises; the sweep rings again.
BROKER_ERRORS = (AMQPError, OperationalError, BatchPublishError, RedisError, OSError)

BULK = 20  # from here on a connection of one's own and a prepared message pay
PER_ROUND_TRIP = 200


def _app() -> Celery:
    from core.celery import app

    return app


def ring(task: str, *ids: int | str) -> None:
    """Ring one task when the current transaction commits; at once outside of one.

    Args:
        task: the registered name.
        ids: identifiers only; content, addresses and secrets never travel through the broker.
    """
    transaction.on_commit(partial(ring_now, task, [ids]))


def ring_each(task: str, calls: Iterable[Sequence[int | str]]) -> None:
    """Ring one task for each tuple of ids when the current transaction commits."""
    frozen = [tuple(call) for call in calls]
    if frozen:
        transaction.on_commit(partial(ring_now, task, frozen))


def ring_now(task: str, calls: Sequence[Sequence[int | str]]) -> int:
    """Publish the calls over one connection and return how many the broker surely took."""
    rung = 0
    try:
        for taken in _publish_in_bulk(task, calls) if len(calls) >= BULK else _publish(task, calls):
            rung += taken
    except BROKER_ERRORS as error:
        log.warning(
            "The broker did not take %d of %d rings for %s: %s",
            len(calls) - rung,
            len(calls),
            task,
            type(error).__name__,
        )
    return rung


def _publish(task: str, calls: Sequence[Sequence[int | str]]) -> Iterator[int]:
    app = _app()
    with app.producer_or_acquire() as producer:
        for call in calls:
            app.send_task(task, args=list(call), producer=producer)
            yield 1


def _publish_in_bulk(task: str, calls: Sequence[Sequence[int | str]]) -> Iterator[int]:
    """Publish so many calls per round trip, over a connection of one's own; yield how many each of them carried.

    A round trip that fails is not tried again: whether the broker took it is unknown, and the sweep rings again.
    """
    from core import queues

    amqp = _app().amqp
    queue = amqp.router.route({}, task)["queue"]
    with queues.connect() as connection:
        connection.ensure_connection(max_retries=1, interval_start=0, interval_step=0)
        with connection.Producer(serializer="json") as producer:
            producer.maybe_declare(queue)
            for start in range(0, len(calls), PER_ROUND_TRIP):
                part = calls[start : start + PER_ROUND_TRIP]
                with producer.batch(PER_ROUND_TRIP):  # type: ignore[attr-defined]  # missing in the stubs
                    for call in part:
                        message = amqp.create_task_message(uuid(), task, list(call), {}, ignore_result=None)
                        queues.date(message.headers)
                        producer.publish(
                            message.body, routing_key=queue.name, headers=message.headers, **message.properties
                        )
                yield len(part)
