"""The doorbell: rings tasks by name after commit; a broker that is away costs seconds, never a letter."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from django.db import transaction
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

if TYPE_CHECKING:
    from celery import Celery

log = logging.getLogger(__name__)

# What a broker that is away, full or restarting raises; the sweep rings again.
BROKER_ERRORS = (OperationalError, RedisError, OSError)


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
    """Publish the calls over one connection and return how many the broker took."""
    app = _app()
    rung = 0
    try:
        with app.producer_or_acquire() as producer:
            for call in calls:
                app.send_task(task, args=list(call), producer=producer)
                rung += 1
    except BROKER_ERRORS as error:
        log.warning(
            "The broker did not take %d of %d rings for %s: %s",
            len(calls) - rung,
            len(calls),
            task,
            type(error).__name__,
        )
    return rung
