"""What this worker process is doing, for whoever looks: its worker's name, its task and when the last one ended."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

_KIB = 1024


@dataclass(frozen=True, slots=True)
class Activity:
    """A moment of one process; ages in seconds, None where there is nothing to tell the age of."""

    node: str
    task: str
    task_seconds: float | None
    idle_seconds: float | None
    memory_kib: int


@dataclass(slots=True)
class _Hand:
    """What is in this process's hand; the node is known before the fork, the rest is the child's own."""

    node: str = ""
    task: str = ""
    began: float = 0.0
    ended: float | None = None


_hand = _Hand()


def join(node: str) -> None:
    """Remember the worker's name, such as mail@host; in its main process, before the fork."""
    _hand.node = node


def begin(task: str) -> None:
    """Note that a task begins."""
    _hand.began = time.monotonic()
    _hand.task = task


def end() -> None:
    """Note that the task ended, however it did."""
    _hand.task = ""
    _hand.ended = time.monotonic()


def now() -> Activity:
    """Return what this process is at; asked by its housekeeper's thread."""
    task, moment = _hand.task, time.monotonic()
    return Activity(
        node=_hand.node,
        task=task,
        task_seconds=moment - _hand.began if task else None,
        idle_seconds=None if _hand.ended is None else moment - _hand.ended,
        memory_kib=_memory_kib(),
    )


def _memory_kib() -> int:
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except (OSError, IndexError, ValueError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE") // _KIB
