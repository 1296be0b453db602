"""One thread in each worker child: renews leases, closes idle connections, replays kept results, shows it lives."""

from __future__ import annotations

import json
import logging
import signal
import threading
import time
from dataclasses import asdict

from django.conf import settings
from django.db import Error, connection

from apps.campaigns.services import claims, outcomes, restore_guard, spool
from apps.smtp.pool import connections
from apps.smtp.services import post_office
from core import activity, control, worker
from core.jobs import BROKER_ERRORS

log = logging.getLogger(__name__)

FAILURES = (*outcomes.DATABASE_AWAY, *BROKER_ERRORS)

_SIGN = """
INSERT INTO core_workerprocess AS p (name, queues, node, task, task_since, progress_at, memory_kib, counters)
VALUES (%(name)s, %(queues)s, %(node)s, %(task)s, now() - %(task_seconds)s * interval '1 second',
        now() - %(idle_seconds)s * interval '1 second', %(memory_kib)s, %(counters)s)
ON CONFLICT (name) DO UPDATE
SET seen_at = now(), task = excluded.task, task_since = excluded.task_since, progress_at = excluded.progress_at,
    memory_kib = excluded.memory_kib, counters = excluded.counters
"""


class Housekeeper(threading.Thread):
    """Started after the fork, never before: a thread does not survive one."""

    def __init__(self, queues: str) -> None:
        super().__init__(name="housekeeper", daemon=True)
        self.queues = queues
        self.stopping = threading.Event()
        self._number = -1
        self._letters = 0
        self._next_look = 0.0

    def run(self) -> None:
        """Go round until the process ends; a database that is away, or a bug, only costs rounds."""
        pause = min(settings.LIMITS.heartbeat, settings.LIMITS.look_at_control)
        while not self.stopping.wait(pause):
            try:
                self.round()
            except FAILURES as error:
                log.warning("The housekeeper goes on without the database: %s", type(error).__name__)
                outcomes.drop_connection()
            except Exception:  # the thread's outermost loop: without it this process's leases end
                log.exception("The housekeeper goes on after an error that it does not know")
                outcomes.drop_connection()
        outcomes.drop_connection()

    def round(self) -> None:
        """Do everything once."""
        post_office.close_idle()
        claims.renew_leases(worker.owner())
        if time.monotonic() >= self._next_look:
            self._next_look = time.monotonic() + settings.LIMITS.look_at_control * 0.9
            self._obey()
            self._sign()
            self._guard()
        if spool.has_lines():
            spool.replay(outcomes.replay)

    def _obey(self) -> None:
        number = control.read_number(control.SMTP_CLEANUP)
        if number != self._number and self._number >= 0:
            closed = post_office.close_idle(all_idle=True)
            log.info("Closed %d idle connections", closed)
        self._number = number

    def _guard(self) -> None:
        letters = connections.counters.letters
        restore_guard.observe(has_sent=letters != self._letters)
        self._letters = letters

    def _sign(self) -> None:
        values = {
            **asdict(activity.now()),
            "name": worker.owner(),
            "queues": self.queues,
            "counters": json.dumps({**asdict(connections.counters), "accounts": connections.by_account()}),
        }
        with connection.cursor() as cursor:
            cursor.execute(_SIGN, values)

    def sign_off(self) -> None:
        """Take the process's row away; for a child that ends in order."""
        self.stopping.set()
        if self.is_alive():
            self.join(timeout=2)  # or its last round would sign on again
        with connection.cursor() as cursor:
            cursor.execute("DELETE FROM core_workerprocess WHERE name = %s", [worker.owner()])


_current: Housekeeper | None = None


def start(queues: str) -> Housekeeper:
    """Start this process's housekeeper.

    The soft limit's signal is blocked in the thread: a signal sent to the process may land in any thread that lets
    it through, and would then strike the main thread in the stretch where it holds the limit back.
    """
    global _current
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
    try:
        _current = Housekeeper(queues)
        _current.start()
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGUSR1})
    return _current


def stop() -> None:
    """Stop this process's housekeeper and say goodbye to the servers."""
    if _current is None:
        return
    try:
        _current.sign_off()
    except (Error, *FAILURES) as error:
        log.warning("Could not sign off: %s", type(error).__name__)
    finally:
        connections.close_all()
