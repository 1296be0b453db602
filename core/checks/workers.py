"""Checks of the processes: canaries, beat, queues against their consumers, and worker processes with their pools."""

from __future__ import annotations

from collections.abc import Callable

from django.conf import settings
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from core import crew, health, pulses, queues, remedies, rounds
from core.health import Context, Result, Status, register
from core.models import WorkerProcess
from settings.celery import QUEUES

_CANARY_SECONDS = 60
_BEAT_SECONDS = 15
_LATE_PERIODS = 3
_DEEP = 10_000


def _start_hint(*deserted: str) -> str:
    """Say how to start what is missing; the queue `default` has a worker of its own."""
    mail = ",".join(queue for queue in deserted if queue != "default")
    workers = [f"celery -A core worker -Q {mail}"] if mail else []
    if "default" in deserted:
        workers.append("celery -A core worker -Q default -c 1")
    words = ngettext(
        "Start a worker: %(command)s, or %(workers)s", "Start workers: %(command)s, or %(workers)s", len(workers)
    )
    return words % {"command": remedies.start_workers(), "workers": " + ".join(workers)}


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
    hint = _("Start it: %(command)s, or celery -A core beat. Until then nothing is swept, retried or scheduled.") % {
        "command": remedies.start_workers()
    }
    return Result(Status.CRITICAL, detail, hint)


@register("rounds", gettext_lazy("What beat rings"))
def check_rounds(context: Context) -> Result:
    """See that each thing beat rings has really been done lately: sweeps, stuck campaigns, imports, kept wishes."""
    late = []
    for entry, asked in rounds.schedule().items():
        age = None if entry.startswith("canary-") else pulses.age(rounds.pulse_of(entry))
        if age is not None and age > _LATE_PERIODS * float(asked["schedule"]) + _CANARY_SECONDS:
            late.append(_("%(entry)s (%(minutes)d min ago)") % {"entry": entry, "minutes": age / 60})
    if late:
        return Result(
            Status.WARNING,
            _("Not done in time: %(late)s.") % {"late": ", ".join(late)},
            _("Look at the lines “beat” and “canary-default” first, then at the log of the worker for “default”."),
        )
    return Result(Status.OK, _("Everything was done in its time."))


@register("queues", gettext_lazy("Queues and their consumers"))
def check_queues(context: Context) -> Result:
    """Compare what waits in the broker with who listens."""
    waiting = queues.depths(QUEUES)
    listeners = crew.listeners(crew.processes(), QUEUES)
    if deserted := [queue for queue in QUEUES if not listeners[queue]]:
        detail = " ".join(
            _("No worker listens to the queue “%(queue)s”; %(count)d wait.") % {"queue": queue, "count": waiting[queue]}
            for queue in deserted
        )
        return Result(Status.CRITICAL, f"{detail} {_('Nothing is lost.')}", _start_hint(*deserted))
    detail = "; ".join(
        ngettext(
            "%(queue)s: %(count)d waiting, %(processes)d process",
            "%(queue)s: %(count)d waiting, %(processes)d processes",
            listeners[queue],
        )
        % {"queue": queue, "count": waiting[queue], "processes": listeners[queue]}
        for queue in QUEUES
    )
    if max(waiting.values()) > _DEEP:
        return Result(Status.WARNING, detail, _("Start more workers, or a higher tier."))
    return Result(Status.OK, detail)


@register("pools", gettext_lazy("Worker processes and SMTP pools"))
def check_pools(context: Context) -> Result:
    """Add up the pools of the living processes, and name those that went silent."""
    processes = crew.processes()
    silent = [p for p in processes if p.is_silent and p.silent_seconds <= crew.FORGOTTEN_SECONDS]
    alive = [p for p in processes if not p.is_silent]
    if context.fix:
        WorkerProcess.objects.filter(
            name__in=[p.name for p in processes if p.silent_seconds > crew.FORGOTTEN_SECONDS]
        ).delete()
    totals = _totals(alive)
    detail = ngettext("%(count)d process", "%(count)d processes", len(alive)) % {"count": len(alive)}
    tier = _("tier %(tier)s: %(delivery)s") % {"tier": settings.TIER, "delivery": settings.DELIVERY}
    detail = "; ".join([detail, tier, *(f"{name} {total:g}" for name, total in totals.items())])
    if silent:
        names = ", ".join(p.name for p in silent[:3])
        return Result(
            Status.WARNING,
            _("%(count)d of the worker processes went silent: %(names)s. %(rest)s")
            % {"count": len(silent), "names": names, "rest": detail},
            _("If they were killed, their letters come back by themselves; if they hang, restart that worker."),
        )
    return Result(Status.OK, detail)


def _totals(processes: list[crew.Process]) -> dict[str, float]:
    totals: dict[str, float] = {}
    for process in processes:
        for name, value in process.counters.items():
            if isinstance(value, int | float) and not isinstance(value, bool):
                totals[name] = totals.get(name, 0) + value
    return totals
