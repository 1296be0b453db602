"""What went wrong, from when to when: every app says what it sees wrong now, and the changes are kept.

Looked at by whichever beat leads, because beat goes on when no worker does.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.db import connection, transaction

from core import crew, pulses
from core.models import Incident
from settings.celery import QUEUES

log = logging.getLogger(__name__)

KEPT_DAYS = 90
# A new installation is given this long to start its workers before their absence is news.
_GRACE_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Sighting:
    """Something that is wrong now; kind and subject tell one from another."""

    kind: str
    subject: str
    workspace_id: int | None = None
    detail: dict[str, Any] = field(default_factory=dict)


Watch = Callable[[], Iterable[Sighting]]
_watches: dict[str, Watch] = {}


def register(kind: str) -> Callable[[Watch], Watch]:
    """Register how to see one kind of incident; call it from `AppConfig.ready()`."""

    def decorate(watch: Watch) -> Watch:
        _watches[kind] = watch
        return watch

    return decorate


def look() -> None:
    """Open an incident for what is newly wrong and close those that are over.

    Raises:
        django.db.Error: the database is away; nothing was noted.
    """
    for kind, watch in _watches.items():
        seen = {sighting.subject[:200]: sighting for sighting in watch()}
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(
                """UPDATE core_incident SET ended_at = now()
                   WHERE kind = %s AND ended_at IS NULL AND NOT subject = ANY(%s)""",
                [kind, list(seen)],
            )
            for subject, sighting in seen.items():
                cursor.execute(
                    """INSERT INTO core_incident (kind, subject, workspace_id, detail) VALUES (%s, %s, %s, %s)
                       ON CONFLICT (kind, subject) WHERE ended_at IS NULL DO NOTHING""",
                    [kind, subject, sighting.workspace_id, json.dumps(sighting.detail)],
                )
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM core_incident WHERE ended_at < now() - %s * interval '1 day'", [KEPT_DAYS])


def note(kind: str, subject: str, *, seconds: float = 0.0, **detail: Any) -> None:
    """Keep something that is over already and lasted so many seconds."""
    with connection.cursor() as cursor:
        cursor.execute(
            """INSERT INTO core_incident (kind, subject, detail, began_at, ended_at)
               VALUES (%s, %s, %s, now() - %s * interval '1 second', now())""",
            [kind, subject[:200], json.dumps(detail), seconds],
        )


def recent(within: timedelta, *, limit: int) -> list[Incident]:
    """Return the incidents that began lately or are not over, the newest first."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT now() - %s * interval '1 second'", [within.total_seconds()])
        (since,) = cursor.fetchone()
    open_ones = list(Incident.objects.filter(ended_at=None).order_by("-began_at")[:limit])
    over = Incident.objects.filter(ended_at__isnull=False, began_at__gt=since).order_by("-began_at")[:limit]
    return sorted([*open_ones, *over], key=lambda one: one.began_at, reverse=True)[:limit]


@register("queue_deserted")
def _deserted_queues() -> list[Sighting]:
    serving = crew.listeners(crew.processes(), QUEUES)
    # A queue that no worker has ever served is a new installation, not an incident.
    known = [queue for queue in QUEUES if (pulses.age(f"canary:{queue}") or 0.0) > _GRACE_SECONDS]
    return [Sighting("queue_deserted", queue) for queue in known if not serving[queue]]


@register("worker_gone")
def _gone_workers() -> list[Sighting]:
    nodes: dict[str, list[crew.Process]] = {}
    for process in crew.processes():
        nodes.setdefault(process.node, []).append(process)
    return [
        Sighting("worker_gone", node, detail={"processes": len(members)})
        for node, members in nodes.items()
        if all(member.is_silent for member in members)
        and any(member.silent_seconds <= crew.FORGOTTEN_SECONDS for member in members)
    ]
