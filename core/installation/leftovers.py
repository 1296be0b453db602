"""What a supervisor that was killed left running; ended before the next one starts on the same data folder.

Only the holder of the data folder's lock may call these: then whatever still runs is nobody's.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from core.installation import folders, record
from core.installation.errors import ServiceError

CHILDREN_FILE = "children.json"


@dataclass(frozen=True, slots=True)
class Noted:
    """What a supervisor has started: each child's number with its beginning, and the folders of sockets."""

    children: dict[int, str]
    sockets: list[Path]


def remember(data_dir: Path, *, pids: Iterable[int], sockets: Iterable[Path]) -> None:
    """Note the living children and the socket folders, for the case that we are killed."""
    children = {str(pid): started for pid in pids if (started := record.process_started(pid))}
    noted = {"children": children, "sockets": [str(folder) for folder in sockets]}
    record.write_private(data_dir / CHILDREN_FILE, json.dumps(noted) + "\n")


def read(data_dir: Path) -> Noted:
    """Return what was noted; nothing when there is no readable note."""
    try:
        noted = json.loads((data_dir / CHILDREN_FILE).read_text(encoding="utf-8"))
        children = {int(pid): str(started) for pid, started in noted["children"].items()}
        return Noted(children, [Path(folder) for folder in noted["sockets"]])
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return Noted({}, [])


def forget(data_dir: Path) -> None:
    """All children have ended."""
    (data_dir / CHILDREN_FILE).unlink(missing_ok=True)


def end_children(data_dir: Path, *, patience: float = 20) -> int:
    """End the children of a supervisor that was killed; return how many there were.

    The kernel has told them already (PDEATHSIG); this waits, then insists. Their database is gone, so there is
    no result left that they could record.
    """
    noted = read(data_dir)

    def living() -> list[int]:
        return [pid for pid, started in noted.children.items() if record.process_started(pid) == started]

    found = len(living())
    _insist(living, (signal.SIGTERM, signal.SIGQUIT), patience=patience)
    for pid in living():
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    for folder in noted.sockets:
        folders.remove_socket_folder(folder)
    forget(data_dir)
    return found


def end_cluster(folder: Path, *, patience: float = 30) -> None:
    """Make sure that no PostgreSQL works in the folder, then drop a stale lock file.

    PostgreSQL refuses to start while the number in postmaster.pid belongs to any process of its user, even to a
    stranger's; removing the file is safe only when no backend is left, which is why those are looked for first.
    """
    if not Path("/proc/self/cwd").exists():
        return
    lock_file = folder / "postmaster.pid"
    postmaster = _postmaster(lock_file)
    if postmaster in working_in(folder):
        with contextlib.suppress(ProcessLookupError):
            os.kill(postmaster, signal.SIGINT)
        _insist(lambda: working_in(folder), (), patience=patience)
    _insist(lambda: working_in(folder), (signal.SIGQUIT,), patience=10)
    if working_in(folder):
        raise ServiceError(
            f"An earlier PostgreSQL still works in {folder} and does not end: stop it, then start again."
        )
    lock_file.unlink(missing_ok=True)


def working_in(folder: Path) -> list[int]:
    """Return the processes whose working folder this is; every process of a cluster has it so."""
    target = folder.resolve()
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (entry / "cwd").readlink() == target:
                found.append(int(entry.name))
    return found


def _postmaster(lock_file: Path) -> int:
    try:
        return int(lock_file.read_text().split("\n", 1)[0])
    except (OSError, ValueError):
        return 0


def _insist(living: Callable[[], list[int]], signals: Iterable[int], *, patience: float) -> None:
    """Send each signal to whoever still lives, waiting after each; without signals only wait."""
    for number in tuple(signals) or (0,):
        for pid in living():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
        deadline = time.monotonic() + patience
        while living() and time.monotonic() < deadline:
            time.sleep(0.1)
