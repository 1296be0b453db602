"""Checks of the processes: canaries, beat, queues against their consumers, and worker processes with their pools."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from django.db import connection
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from core import health, pulses, queues
from core.health import Context, Result, Status, register
from core.models import WorkerProcess
from settings.celery import QUEUES

_CANARY_SECONDS = 60
_BEAT_SECONDS = 15
_SEEN_SECONDS = 30  # a housekeeper writes every 10 s
_SILENT_SECONDS = 60
_FORGOTTEN_SECONDS = 600
_DEEP = 10_000


def _start_hint(queue: str) -> str:
    concurrency = " -c 1" if queue == "default" else ""
    return _("Start a worker: scripts/start, or celery -A core worker -Q %(queue)s%(concurrency)s") % {
        "queue": queue,
        "concurrency": concurrency,
    }


def _canary(queue: str) -> Callable[[Context], Result]:
    def check_canary(context: Context) -> Result:
        """See when a worker last really executed something from this queue."""
        age = pulses.age(f"canary:{queue}")
        if age is not None and age <= _CANARY_SECONDS:
            return Result(Status.OK, _("Ran %(seconds)d seconds ago.") % {"seconds": age})
        # Where all slots are busy the canary waits outside; then work that gets settled is the proof.
        progress = health.progress_age(queue)
        if progress is not None and progress <= _CANARY_SECONDS:
            return Result(
                Status.OK,
                _("All busy; the last piece of work was settled %(seconds)d seconds ago.") % {"seconds": progress},
            )
        seen = _("for %(seconds)d seconds") % {"seconds": age} if age is not None else _("yet")
        return Result(
            Status.CRITICAL,
            _("Nothing from the queue “%(queue)s” was executed %(seen)s.") % {"queue": queue, "seen": seen},
            _start_hint(queue),
        )

    return check_canary


for _queue in QUEUES:
    register(f"canary-{_queue}", gettext_lazy("Queue is served") + f": {_queue}")(_canary(_queue))


@register("beat", gettext_lazy("Beat"))
def check_beat(context: Context) -> Result:
    """See when beat last ticked."""
    age = pulses.age("beat")
    if age is not None and age <= _BEAT_SECONDS:
        return Result(Status.OK, _("Ticked %(seconds)d seconds ago.") % {"seconds": age})
    detail = (
        _("Beat has not ticked yet.")
        if age is None
        else _("Beat has not ticked for %(seconds)d seconds.") % {"seconds": age}
    )
    hint = _("Start it: scripts/start, or celery -A core beat. Until then nothing is swept, retried or scheduled.")
    return Result(Status.CRITICAL, detail, hint)


@dataclass(frozen=True, slots=True)
class _Process:
    name: str
    queues: frozenset[str]
    silent_seconds: float
    counters: dict[str, object]


def _processes() -> list[_Process]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        (now,) = cursor.fetchone()
    return [
        _Process(
            row.name,
            frozenset(row.queues.replace(",", " ").split()),
            (now - row.seen_at).total_seconds(),
            row.counters,
        )
        for row in WorkerProcess.objects.order_by("name")
    ]


@register("queues", gettext_lazy("Queues and their consumers"))
def check_queues(context: Context) -> Result:
    """Compare what waits in the broker with who listens."""
    waiting = queues.depths(QUEUES)
    alive = [process for process in _processes() if process.silent_seconds <= _SEEN_SECONDS]
    listeners = {queue: sum(queue in process.queues for process in alive) for queue in QUEUES}
    if deserted := [queue for queue in QUEUES if not listeners[queue]]:
        detail = " ".join(
            _("No worker listens to the queue “%(queue)s”; %(count)d wait.") % {"queue": queue, "count": waiting[queue]}
            for queue in deserted
        )
        return Result(Status.CRITICAL, f"{detail} {_('Nothing is lost.')}", _start_hint(deserted[0]))
    detail = "; ".join(
        _("%(queue)s: %(count)d waiting, %(processes)d processes")
        % {"queue": queue, "count": waiting[queue], "processes": listeners[queue]}
        for queue in QUEUES
    )
    if max(waiting.values()) > _DEEP:
        return Result(Status.WARNING, detail, _("Start more workers, or a higher tier."))
    return Result(Status.OK, detail)


@register("pools", gettext_lazy("Worker processes and SMTP pools"))
def check_pools(context: Context) -> Result:
    """Add up the pools of the living processes, and name those that went silent."""
    processes = _processes()
    silent = [p for p in processes if _SILENT_SECONDS < p.silent_seconds <= _FORGOTTEN_SECONDS]
    alive = [p for p in processes if p.silent_seconds <= _SILENT_SECONDS]
    if context.fix:
        WorkerProcess.objects.filter(
            name__in=[p.name for p in processes if p.silent_seconds > _FORGOTTEN_SECONDS]
        ).delete()
    totals = _totals(alive)
    detail = ngettext("%(count)d process", "%(count)d processes", len(alive)) % {"count": len(alive)}
    detail = "; ".join([detail, *(f"{name} {total:g}" for name, total in totals.items())])
    if silent:
        names = ", ".join(p.name for p in silent[:3])
        return Result(
            Status.WARNING,
            _("%(count)d of the worker processes went silent: %(names)s. %(rest)s")
            % {"count": len(silent), "names": names, "rest": detail},
            _("If they were killed, their letters come back by themselves; if they hang, restart that worker."),
        )
    return Result(Status.OK, detail)


def _totals(processes: list[_Process]) -> dict[str, float]:
    totals: dict[str, float] = {}
    for process in processes:
        for name, value in process.counters.items():
            if isinstance(value, int | float) and not isinstance(value, bool):
                totals[name] = totals.get(name, 0) + value
    return totals
