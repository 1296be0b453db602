"""Beat with one leader: a session lock in PostgreSQL decides which of several beats sends, the others wait."""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from datetime import timedelta
from typing import Any

from celery.beat import Scheduler
from celery.utils.time import maybe_make_aware
from django.db import Error as DatabaseError
from django.db import connection, connections
from django.db.backends.base.base import BaseDatabaseWrapper

from core import incidents, pulses
from core.jobs import BROKER_ERRORS

log = logging.getLogger(__name__)

LEADER_LOCK = 0x7673_6265_6174  # "vsbeat"; PostgreSQL keeps advisory locks apart by database
_PULSE_SECONDS = 5.0
_STANDBY_SECONDS = 1.0
_AWAY_SECONDS = 30.0  # longer between two signs of life, and beat was away
_LOOK_SECONDS = 10.0


class Leadership:
    """A session lock on a connection of its own: whoever holds it is the one beat that sends."""

    def __init__(self) -> None:
        self._connection: BaseDatabaseWrapper | None = None
        self.is_held = False
        self._waits = False
        self._pulsed_at = float("-inf")

    def hold(self) -> bool:
        """Return whether this process is the leader now; takes the lock when it is free.

        The lock lives and dies with the session, so after a break of the line it has to be taken anew.
        """
        try:
            if self.is_held:
                self._ask("SELECT true")
            else:
                self.is_held = self._ask(f"SELECT pg_try_advisory_lock({LEADER_LOCK})")
                if self.is_held:
                    log.info("This beat leads now.")
                elif not self._waits:
                    log.info("Another beat leads; this one waits.")
                self._waits = not self.is_held
        except DatabaseError as error:
            if self.is_held:
                log.warning("This beat lost the database and leads no longer: %s", type(error).__name__)
            self.release()
        return self.is_held

    def pulse(self, rung: dict[str, float] | None = None) -> None:
        """Write the sign of life, at most every five seconds.

        Args:
            rung: when each entry was last rung, in `time.monotonic()`.
        """
        if time.monotonic() - self._pulsed_at < _PULSE_SECONDS or self._connection is None:
            return
        ages = {name: round(time.monotonic() - at, 1) for name, at in (rung or {}).items()}
        try:
            pulses.beat("beat", using=self._connection, host=socket.gethostname(), pid=os.getpid(), rung=ages)
            self._pulsed_at = time.monotonic()
        except DatabaseError as error:
            log.warning("Beat's sign of life was not written: %s", type(error).__name__)
            self.release()

    def release(self) -> None:
        """Give up the lock by closing its session; the server lets another take it a moment later.

        Celery calls this in a signal handler, maybe in the middle of a statement: asking for anything would wait
        for that statement, and so for ever.
        """
        self.is_held = False
        self._pulsed_at = float("-inf")
        broken, self._connection = self._connection, None
        if broken is not None:
            broken.close()

    def _ask(self, statement: str) -> bool:
        if self._connection is None:
            self._connection = connections["default"].copy()
        with self._connection.cursor() as cursor:
            cursor.execute(statement)
            (answer,) = cursor.fetchone()
        return bool(answer)


class Watch(threading.Thread):
    """Keeps what goes wrong while this beat leads; a thread, so that a slow database does not hold up the rings."""

    def __init__(self) -> None:
        super().__init__(name="watch", daemon=True)
        self.leads = threading.Event()
        self.stopping = threading.Event()

    def run(self) -> None:
        """Go round until the process ends."""
        has_led = False
        while not self.stopping.wait(_LOOK_SECONDS if has_led else _STANDBY_SECONDS):
            if not self.leads.is_set():
                has_led = False
                continue
            try:
                incidents.look()
                has_led = True
            except DatabaseError as error:
                log.warning("What goes wrong is not noted: %s", type(error).__name__)
                connection.close()
        connection.close()


class LeaderScheduler(Scheduler):
    """Celery's scheduler, silent unless it leads.

    The schedule lives in memory: every entry is a hint to look at the database, so a new leader simply
    sends each of them once and needs no file that remembers when they ran.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.leadership = Leadership()
        self.watch = Watch()
        self._rung: dict[str, float] = {}
        self._led = False
        super().__init__(*args, **kwargs)

    def tick(self, *args: Any, **kwargs: Any) -> float:
        """Send one due entry if this beat leads; return the seconds until the next look."""
        if not self.leadership.hold():
            self._led = False
            self.watch.leads.clear()
            return _STANDBY_SECONDS
        if not self._led:
            self._led = True
            self._note_absence()
            self._make_all_due()
            self._let_watch()
        self.leadership.pulse(self._rung)
        if not self._reaches_broker():
            return _STANDBY_SECONDS
        return min(super().tick(*args, **kwargs), self.max_interval or _STANDBY_SECONDS)

    def apply_async(self, entry: Any, producer: Any = None, advance: bool = True, **kwargs: Any) -> Any:
        """Ring an entry, and remember when."""
        rung = super().apply_async(entry, producer=producer, advance=advance, **kwargs)
        self._rung[entry.name] = time.monotonic()
        return rung

    def close(self) -> None:
        """Let the next beat lead at once."""
        self.watch.stopping.set()
        self.leadership.release()
        super().close()

    def _note_absence(self) -> None:
        try:
            age = pulses.age("beat")
            if age is not None and age > _AWAY_SECONDS:
                incidents.note("beat_away", socket.gethostname(), seconds=age)
        except DatabaseError as error:
            log.warning("How long beat was away is not noted: %s", type(error).__name__)
        finally:
            connection.close()

    def _let_watch(self) -> None:
        self.watch.leads.set()
        if not self.watch.is_alive() and not self.watch.stopping.is_set():
            self.watch.start()

    def _make_all_due(self) -> None:
        for entry in self.schedule.values():
            entry.last_run_at = maybe_make_aware(entry.default_now()) - timedelta(days=1)
        self._heap = None

    def _reaches_broker(self) -> bool:
        try:
            return self.producer is not None
        except BROKER_ERRORS as error:
            log.warning("Beat does not reach the broker: %s", type(error).__name__)
            return False

    def _ensure_connected(self) -> Any:
        # Celery would wait here for ever, and neither lead nor give a sign of life meanwhile.
        return self.connection.ensure_connection(max_retries=1, interval_start=0, interval_step=0)
