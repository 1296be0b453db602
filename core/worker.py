"""What a worker process knows about itself: its name, whether it is draining, and how it holds the soft limit back."""

from __future__ import annotations

import mmap
import os
import secrets
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

# One byte shared by a worker's main process and its children: made at import, that is, before the fork.
_drain_flag = mmap.mmap(-1, 1)


def start_draining() -> None:
    """Tell every child of this worker to finish what it has in hand and to begin nothing."""
    _drain_flag[0] = 1


def is_draining() -> bool:
    """Return whether this worker has been asked to stop."""
    return _drain_flag[0] == 1


def reset_draining() -> None:
    """Forget an earlier request to stop; for a worker that starts, and for tests."""
    _drain_flag[0] = 0


@lru_cache(maxsize=1)
def _boot() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text()[:8]
    except OSError:
        return "unknown"


_names: dict[int, str] = {}


def owner() -> str:
    """Return this process's name as an owner of deliveries: host, boot, pid, and a mark against reused pids."""
    pid = os.getpid()
    if pid not in _names:
        _names.clear()
        _names[pid] = f"{socket.gethostname()[:60]}:{_boot()}:{pid}:{secrets.token_hex(3)}"
    return _names[pid]


class SoftLimitHold:
    """Keeps SIGUSR1, Celery's soft time limit, waiting from just before the marker until the result is recorded."""

    def __init__(self) -> None:
        self._is_held = False

    def hold(self) -> None:
        """Block the signal in this thread; a limit that has already come is raised here and now."""
        self._is_held = True  # first: a limit that is raised here leaves the signal blocked
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})

    def release(self) -> None:
        """Let the signal through again; one that waited is raised here."""
        if self._is_held:
            self._is_held = False
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGUSR1})


@contextmanager
def soft_limit_held() -> Iterator[None]:
    """Hold the soft limit for the length of a block."""
    hold = SoftLimitHold()
    hold.hold()
    try:
        yield
    finally:
        hold.release()
