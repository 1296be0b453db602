"""The last resort for a result while PostgreSQL is away: one fsynced line in the data folder, replayed later."""

from __future__ import annotations

import fcntl
import json
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.conf import settings

log = logging.getLogger(__name__)


def _path() -> Path:
    folder: Path = settings.SPOOL_DIR
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder / "results.jsonl"


def append(line: dict[str, Any]) -> None:
    """Append one result; on return it is on disk."""
    path = _path()
    with path.open("a", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        os.fchmod(file.fileno(), 0o600)
        file.write("\n" + json.dumps(line) + "\n")  # the first break ends a line that a dying process left torn
        file.flush()
        os.fsync(file.fileno())
    log.warning("The database is away: kept the result of delivery %s in %s", line.get("delivery_id"), path)


def has_lines() -> bool:
    """Return whether anything waits."""
    folder: Path = settings.SPOOL_DIR
    path = folder / "results.jsonl"
    return path.is_file() and path.stat().st_size > 0


def _read(line: str) -> dict[str, Any] | None:
    if not line.strip():
        return None
    try:
        found: dict[str, Any] = json.loads(line)
    except ValueError:
        log.error("A torn line of %d characters in the results' spool was left out", len(line))
        return None
    return found


def replay(write: Callable[[dict[str, Any]], object]) -> int:
    """Write every waiting result, then empty the file; return how many there were.

    When `write` raises, the file stays as it is and is replayed whole the next time: writing twice is harmless.
    """
    if not has_lines():
        return 0
    with _path().open("r+", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        lines = [found for line in file if (found := _read(line)) is not None]
        for line in lines:
            write(line)
        file.seek(0)
        file.truncate()
        os.fsync(file.fileno())
    log.info("Replayed %d results that had waited for the database", len(lines))
    return len(lines)
