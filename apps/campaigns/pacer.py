"""One thread per host that rings letters of limited accounts in time: two a second cannot wait for a sweep."""

from __future__ import annotations

import fcntl
import logging
import signal
import threading
from io import TextIOWrapper

from django.conf import settings

from apps.campaigns.services import dispatch, outcomes
from core import worker
from core.jobs import BROKER_ERRORS

log = logging.getLogger(__name__)

FAILURES = (*outcomes.DATABASE_AWAY, *BROKER_ERRORS)


class Pacer(threading.Thread):
    """Every worker child has one; the one that holds the host's lock file works, the others stand by.

    Where two hosts have one each, both ring, and the account's own count (`throttles.take`) decides who goes.
    """

    def __init__(self) -> None:
        super().__init__(name="pacer", daemon=True)
        self.stopping = threading.Event()
        self._lock: TextIOWrapper | None = None

    def run(self) -> None:
        """Go round until the process ends."""
        pause = 0.0
        try:
            while not self.stopping.wait(pause):
                pause = self._next()
        finally:
            self._release()
            outcomes.drop_connection()

    def _next(self) -> float:
        """Go round once if it is this thread's turn; return the seconds until the next look."""
        try:
            if worker.is_draining():
                self._release()  # another worker of this host may go on
            elif self._is_mine():
                return self.round()
        except FAILURES as error:
            log.warning("The pacer waits for the database: %s", type(error).__name__)
            outcomes.drop_connection()
        except Exception:  # the thread's outermost loop
            log.exception("The pacer goes on after an error that it does not know")
            self._release()  # what is wrong here may be right in another process of this host
            outcomes.drop_connection()
        return float(settings.LIMITS.pace_rest)

    def round(self) -> float:
        """Ring what may go; return the seconds until the next look."""
        return settings.LIMITS.pace if dispatch.ring_paced() else settings.LIMITS.pace_rest

    def _is_mine(self) -> bool:
        if self._lock is not None:
            return True
        folder = settings.SPOOL_DIR
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = (folder / "pacer.lock").open("a")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.close()
            return False
        self._lock = lock
        return True

    def _release(self) -> None:
        if self._lock is not None:
            self._lock.close()
            self._lock = None


_current: Pacer | None = None


def start() -> Pacer:
    """Start this process's pacer; the soft limit's signal is kept from it, as from the housekeeper."""
    global _current
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
    try:
        _current = Pacer()
        _current.start()
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGUSR1})
    return _current


def stop() -> None:
    """Let another process of this host pace at once."""
    if _current is not None:
        _current.stopping.set()
        _current.join(timeout=2)
