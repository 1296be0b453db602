"""What the System page shows: workers, queues, beat, connections and stuck campaigns, read within a deadline."""

from __future__ import annotations

import datetime as dt
import time
from collections import Counter
from dataclasses import dataclass

from django.conf import settings
from django.db import OperationalError, connection, transaction
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from kombu.exceptions import OperationalError as BrokerAway

from apps.accounts.models import Workspace
from apps.campaigns import workload
from apps.campaigns.models import Campaign
from apps.campaigns.services import stuck
from apps.campaigns.states import CampaignState
from apps.smtp import standing
from apps.smtp.models import Transport
from apps.smtp.standing import Standing
from core import crew, queues, rounds
from core.crew import Process
from core.jobs import BROKER_ERRORS
from core.models import Pulse
from settings.celery import QUEUES

BROKER_SECONDS = 1.0
STUCK_SECONDS = 2
ACCOUNTS = 20

TASKS: dict[str, str | Promise] = {
    "apps.campaigns.tasks.send_single_email": _("an email"),
    "apps.campaigns.tasks.send_email_batch": _("handing out emails"),
    "apps.campaigns.tasks.send_campaign": _("freezing an audience"),
    "apps.campaigns.tasks.sweep": _("a sweep"),
    "apps.tracking.tasks.run_export": _("a file for somebody"),
}
ENTRIES: dict[str, str | Promise] = {
    "sweep": _("Sweep: lost rings, leases, retries"),
    "check-stuck-campaigns": _("Stuck campaigns"),
    "cleanup-smtp-connections": _("Idle SMTP connections"),
    "measure-campaigns": _("Pace of what is being sent"),
    "sweep-imports": _("Imports that stand still"),
    "sweep-exports": _("Files that stand still, and old ones"),
    "catch-up-with-events": _("Wishes kept while the database was away"),
    "canary-campaigns": _("Canary: queue “campaigns”"),
    "canary-email": _("Canary: queue “email”"),
    "canary-default": _("Canary: queue “default”"),
}


@dataclass(frozen=True, slots=True)
class Worker:
    """One worker with all its processes; `gone_at` once none of them shows a sign of life."""

    name: str
    queues: str
    processes: int
    silent: int
    memory_kib: int
    doing: tuple[tuple[int, str], ...]
    longest_seconds: float | None
    progress_seconds: float | None
    gone_at: dt.datetime | None


@dataclass(frozen=True, slots=True)
class Queue:
    """What is due in one queue by the rows, what the broker holds of it, and who listens."""

    name: str
    due: int | None
    hints: int | None
    oldest_seconds: float | None
    listeners: int


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing beat rings: when its task last ended well, and when it is rung next; seconds."""

    word: str | Promise
    period: float
    ran_seconds: float | None
    next_seconds: float | None
    found: int | None

    @property
    def is_late(self) -> bool:
        """True when it has not ended well for several periods."""
        return self.ran_seconds is None or self.ran_seconds > 3 * self.period + 60


@dataclass(frozen=True, slots=True)
class Line:
    """One sending account with its connections over all processes."""

    standing: Standing
    workspace_name: str
    in_use: int
    idle: int

    @property
    def open(self) -> int:
        """How many connections there are."""
        return self.in_use + self.idle


@dataclass(frozen=True, slots=True)
class Still:
    """A campaign that does not move: stuck (it can be reset here) or stalled (its own page says why)."""

    campaign: Campaign
    stuck: stuck.StuckCampaign | None
    is_here: bool


@dataclass(frozen=True, slots=True)
class System:
    """The page; `still` is None when the database took too long to tell."""

    tier: str
    workers: list[Worker]
    queues: list[Queue]
    broker_ms: int | None
    beat_seconds: float | None
    entries: list[Entry]
    accounts: list[Line]
    still: list[Still] | None


def of(workspace: Workspace, *, sees_all: bool) -> System:
    """Return how everything stands; `sees_all` for who looks after the whole installation."""
    crew_now = crew.processes()
    hints, broker_ms = _broker()
    beat_seconds, entries = _beat()
    return System(
        tier=settings.TIER,
        workers=_workers(crew_now),
        queues=_queues(crew_now, hints, None if sees_all else workspace),
        broker_ms=broker_ms,
        beat_seconds=beat_seconds,
        entries=entries,
        accounts=_accounts(crew_now, None if sees_all else workspace),
        still=_still(workspace, sees_all=sees_all),
    )


def _broker() -> tuple[dict[str, queues.Waiting], int | None]:
    begun = time.monotonic()
    try:
        found = queues.look(QUEUES, patience_seconds=BROKER_SECONDS)
    except (*BROKER_ERRORS, BrokerAway):
        return {}, None
    return found, max(1, round((time.monotonic() - begun) * 1000))


def _queues(crew_now: list[Process], hints: dict[str, queues.Waiting], workspace: Workspace | None) -> list[Queue]:
    serving = crew.listeners(crew_now, QUEUES)
    work = workload.waiting(workspace)
    due = {"email": work.letters, "campaigns": work.campaigns}
    found = []
    for name in ("email", "campaigns", "default"):
        waiting = hints.get(name)
        depth, oldest = (waiting.depth, waiting.oldest_seconds) if waiting else (None, None)
        found.append(Queue(name, due.get(name, depth), depth, oldest, serving[name]))
    return found


def _workers(crew_now: list[Process]) -> list[Worker]:
    nodes: dict[str, list[Process]] = {}
    for process in crew_now:
        if process.silent_seconds <= crew.FORGOTTEN_SECONDS:
            nodes.setdefault(process.node, []).append(process)
    return [_worker(name, members) for name, members in sorted(nodes.items())]


def _worker(name: str, members: list[Process]) -> Worker:
    alive = [member for member in members if not member.is_silent]
    tasks = Counter(str(TASKS.get(member.task, member.task.rpartition(".")[2])) for member in alive if member.task)
    ages = [member.progress_seconds for member in members if member.progress_seconds is not None]
    return Worker(
        name=name,
        queues=", ".join(sorted(frozenset().union(*(member.queues for member in members)))),
        processes=len(alive),
        silent=len(members) - len(alive),
        memory_kib=max((member.memory_kib for member in alive), default=0),
        doing=tuple((count, word) for word, count in tasks.most_common(3)),
        longest_seconds=max((member.task_seconds for member in alive if member.task_seconds is not None), default=None),
        progress_seconds=min(ages, default=None),
        gone_at=None if alive else max(member.seen_at for member in members),
    )


def _beat() -> tuple[float | None, list[Entry]]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        (now,) = cursor.fetchone()
    pulses = {pulse.name: pulse for pulse in Pulse.objects.all()}
    ages = {name: float((now - pulse.at).total_seconds()) for name, pulse in pulses.items()}
    beat = ages.get("beat")
    rung = dict(pulses["beat"].detail.get("rung", {})) if "beat" in pulses else {}
    found = []
    for name, asked in rounds.schedule().items():
        pulse, period = rounds.pulse_of(name), float(asked["schedule"])
        is_known = beat is not None and beat <= period + 60 and name in rung
        next_seconds = max(0.0, period - (beat or 0.0) - float(rung[name])) if is_known else None
        count = pulses[pulse].detail.get("found") if pulse in pulses else None
        found.append(Entry(ENTRIES.get(name, name), period, ages.get(pulse), next_seconds, count))
    return beat, found


def _accounts(crew_now: list[Process], workspace: Workspace | None) -> list[Line]:
    held: Counter[str] = Counter()
    idle: Counter[str] = Counter()
    for process in crew_now:
        accounts = process.counters.get("accounts")
        if process.is_listening and isinstance(accounts, dict):
            for key, (in_use, resting) in accounts.items():
                held[key] += in_use
                idle[key] += resting
    found = Transport.objects.filter(is_active=True).select_related("throttle", "workspace").order_by("kind", "pk")
    if workspace is not None:
        found = found.filter(workspace=workspace)
    busy = [int(key) for key in held if key.isdigit()]
    # Who looks after many workspaces sees what works or is in trouble first.
    chosen = sorted(found[: ACCOUNTS * 10], key=lambda one: (one.pk not in busy, one.is_local_inbox))[:ACCOUNTS]
    return [Line(standing.of(one), one.workspace.name, held[str(one.pk)], idle[str(one.pk)]) for one in chosen]


def _still(workspace: Workspace, *, sees_all: bool) -> list[Still] | None:
    """Return the campaigns that stand still; those of other workspaces are named to who looks after everything."""
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(f"SET LOCAL statement_timeout = '{STUCK_SECONDS}s'")
            found = {one.campaign_id: one for one in stuck.find(dt.timedelta(seconds=settings.LIMITS.stuck))}
            cursor.execute("SET LOCAL statement_timeout = 0")
    except OperationalError:
        return None
    still = Campaign.objects.filter(pk__in=found) | Campaign.objects.filter(state=CampaignState.STALLED)
    if not sees_all:
        still = still.filter(workspace=workspace)
    rows = still.select_related("workspace").order_by("pk")[:ACCOUNTS]
    return [Still(one, found.get(one.pk), one.workspace_id == workspace.pk) for one in rows]
