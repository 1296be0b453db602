"""The worker processes as they signed in: which of them live, what they listen to, and what they are at."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass

from django.db import connection

from core.models import WorkerProcess

SEEN_SECONDS = 30  # a housekeeper writes every 10 s
SILENT_SECONDS = 60
FORGOTTEN_SECONDS = 600


@dataclass(frozen=True, slots=True)
class Process:
    """One worker child; ages are by the database's clock, in seconds."""

    name: str
    node: str
    queues: frozenset[str]
    seen_at: dt.datetime
    silent_seconds: float
    task: str
    task_seconds: float | None
    progress_seconds: float | None
    memory_kib: int
    counters: dict[str, object]

    @property
    def is_listening(self) -> bool:
        """True while its housekeeper writes."""
        return self.silent_seconds <= SEEN_SECONDS

    @property
    def is_silent(self) -> bool:
        """True when it has been silent for so long that it is gone or hangs."""
        return self.silent_seconds > SILENT_SECONDS


def processes() -> list[Process]:
    """Return every process that is known, by name."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        (now,) = cursor.fetchone()

    def age(moment: dt.datetime | None) -> float | None:
        return None if moment is None else float((now - moment).total_seconds())

    return [
        Process(
            name=row.name,
            node=row.node or row.name.partition(":")[0],
            queues=frozenset(row.queues.replace(",", " ").split()),
            seen_at=row.seen_at,
            silent_seconds=age(row.seen_at) or 0.0,
            task=row.task,
            task_seconds=age(row.task_since) if row.task else None,
            progress_seconds=age(row.progress_at),
            memory_kib=row.memory_kib,
            counters=row.counters,
        )
        for row in WorkerProcess.objects.order_by("name")
    ]


def listeners(crew: Iterable[Process], queues: Iterable[str]) -> dict[str, int]:
    """Return how many living processes listen to each queue."""
    alive = [process for process in crew if process.is_listening]
    return {queue: sum(queue in process.queues for process in alive) for queue in queues}
