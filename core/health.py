"""The registry of health checks: every app registers its own; all run side by side, and none can hold up the rest."""

from __future__ import annotations

import logging
import threading
import time
import tomllib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from enum import IntEnum

from django.conf import settings
from django.db import Error as DatabaseError
from django.db import connections
from django.utils.functional import Promise
from django.utils.translation import gettext as _

from core import jobs
from core.errors import EspError
from core.redaction import redact

log = logging.getLogger(__name__)


class Status(IntEnum):
    """What a check found; the numbers are the exit codes of `health_check` (Nagios order)."""

    OK = 0
    WARNING = 1
    CRITICAL = 2
    UNKNOWN = 3

    @property
    def word(self) -> str:
        """The word for JSON and terminals."""
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class Result:
    """One check's answer: what it saw, and what to do about it when that is not well."""

    status: Status
    detail: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Context:
    """What the operator asked for."""

    fix: bool = False
    stuck_after: timedelta = field(default_factory=lambda: timedelta(seconds=settings.LIMITS.stuck))
    account_id: int | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """One line of the answer."""

    id: str
    title: str
    status: Status
    milliseconds: int
    detail: str
    hint: str

    @property
    def doc(self) -> str:
        """Where the documentation explains this check."""
        return f"docs/operations/health_check.md#{self.id}"


Check = Callable[[Context], Result]
Progress = Callable[[], float | None]


@dataclass(frozen=True, slots=True)
class _Registered:
    id: str
    title: str | Promise
    check: Check
    patience_seconds: float
    when_silent: Status


_checks: dict[str, _Registered] = {}
_progress: dict[str, Progress] = {}


def register(
    id: str,
    title: str | Promise,
    *,
    patience_seconds: float = 10.0,
    when_silent: Status = Status.UNKNOWN,
) -> Callable[[Check], Check]:
    """Register a check under a stable id; call it from `AppConfig.ready()` by importing the app's checks.

    Args:
        id: what `--only` and JSON call it; never renamed.
        title: a few words for people.
        patience_seconds: the check's own deadline.
        when_silent: what no answer within that time means.
    """

    def decorate(check: Check) -> Check:
        _checks[id] = _Registered(id, title, check, patience_seconds, when_silent)
        return check

    return decorate


def register_progress(queue: str) -> Callable[[Progress], Progress]:
    """Register how to see that a queue's workers get on when all of them are busy with long tasks.

    The function returns how many seconds ago the last piece of work of that queue was settled, or None.
    """

    def decorate(progress: Progress) -> Progress:
        _progress[queue] = progress
        return progress

    return decorate


def progress_age(queue: str) -> float | None:
    """Return how many seconds ago the queue's workers last settled something; None when nobody knows."""
    progress = _progress.get(queue)
    return progress() if progress else None


def ids() -> list[str]:
    """Return the ids of all checks in the order of their registration."""
    return list(_checks)


def worst(reports: Iterable[Report]) -> Status:
    """Return the status of the whole: what is surely broken outranks what could not be checked."""
    found = {report.status for report in reports}
    for status in (Status.CRITICAL, Status.UNKNOWN, Status.WARNING):
        if status in found:
            return status
    return Status.OK


def version() -> str:
    """Return the product's version."""
    with (settings.BASE_DIR / "pyproject.toml").open("rb") as stream:
        return str(tomllib.load(stream)["project"]["version"])


class _Running:
    """One check in a thread of its own; a daemon, so that a peer which hangs keeps nobody from leaving."""

    def __init__(self, registered: _Registered, context: Context) -> None:
        self.registered = registered
        self.context = context
        self.started = time.monotonic()
        self.report: Report | None = None
        self.thread = threading.Thread(target=self._run, name=f"health-{registered.id}", daemon=True)
        self.thread.start()

    def _run(self) -> None:
        try:
            result = self._ask()
        finally:
            connections.close_all()
        self.report = self._report(result)

    def _ask(self) -> Result:
        try:
            return self.registered.check(self.context)
        except EspError as error:
            return Result(Status.CRITICAL, error.message)
        except DatabaseError as error:
            return Result(
                Status.UNKNOWN,
                _("Not checked: the database did not answer (%(error)s).") % {"error": type(error).__name__},
                _("Look at the line “database” first."),
            )
        except jobs.BROKER_ERRORS as error:
            return Result(
                Status.UNKNOWN,
                _("Not checked: the broker did not answer (%(error)s).") % {"error": type(error).__name__},
                _("Look at the line “broker” first."),
            )
        except Exception as error:  # noqa: BLE001 - the thread's outermost frame: one bad check must not hide the rest
            log.warning("The health check %s broke: %s", self.registered.id, redact(repr(error)))
            return Result(
                Status.UNKNOWN,
                _("The check itself broke: %(error)s.") % {"error": type(error).__name__},
                _("Report this with the log line above."),
            )

    def _report(self, result: Result) -> Report:
        elapsed = int((time.monotonic() - self.started) * 1000)
        title = str(self.registered.title)
        return Report(self.registered.id, title, result.status, elapsed, redact(result.detail), result.hint)

    def wait(self, until: float) -> Report:
        """Return the report, or one that says there was no answer in time."""
        end = min(until, self.started + self.registered.patience_seconds)
        self.thread.join(max(0.0, end - time.monotonic()))
        if self.report:
            return self.report
        detail = _("No answer within %(seconds)d seconds.") % {"seconds": max(1, round(end - self.started))}
        return self._report(Result(self.registered.when_silent, detail, _("Look whether it hangs or is overloaded.")))


def run(context: Context, *, only: Iterable[str] = (), budget_seconds: float = 25.0) -> list[Report]:
    """Run the checks side by side and return one report each, within the budget even when a peer hangs.

    Raises:
        EspError: `only` names a check that does not exist (code "unknown_check").
    """
    wanted = list(only) or ids()
    if unknown := [id for id in wanted if id not in _checks]:
        raise EspError(
            _("There is no check “%(unknown)s”. There are: %(known)s.")
            % {"unknown": ", ".join(unknown), "known": ", ".join(ids())},
            code="unknown_check",
        )
    until = time.monotonic() + budget_seconds
    running = [_Running(_checks[id], context) for id in wanted]
    return [check.wait(until) for check in running]
