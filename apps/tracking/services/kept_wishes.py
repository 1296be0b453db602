"""Wishes to stop that came while the database was away: one fsynced line each, carried out when it is back."""

from __future__ import annotations

import fcntl
import json
import logging
import os
from pathlib import Path
from typing import Any

from django.conf import settings

from apps.tracking import letters
from apps.tracking.machines import Fetch
from apps.tracking.services import opt_outs
from apps.tracking.services.opt_outs import Scope

log = logging.getLogger(__name__)


def _path() -> Path:
    folder: Path = settings.SPOOL_DIR
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder / "wishes.jsonl"


def keep(delivery_id: int, scope: Scope, *, user_agent: str, how: str) -> None:
    """Append one wish to stop; on return it is on disk. Ids only: the file holds no address."""
    line = {"delivery": delivery_id, "scope": scope.value, "agent": user_agent, "how": how}
    with _path().open("a", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        os.fchmod(file.fileno(), 0o600)
        # The leading newline ends what a process that died in mid-write may have left.
        file.write("\n" + json.dumps(line) + "\n")
        file.flush()
        os.fsync(file.fileno())
    log.warning("The database is away: kept a wish to stop for delivery %d", delivery_id)


def replay() -> int:
    """Carry out every kept wish, then empty the file; return how many there were.

    When the database goes away again the file stays as it is and is replayed whole: stopping twice is harmless.
    """
    path = _path()
    if not path.is_file() or not path.stat().st_size:
        return 0
    with path.open("r+", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        lines = [wish for line in file if (wish := _read(line)) is not None]
        for line in lines:
            letter = letters.get(int(line["delivery"]))
            if letter:
                fetch = Fetch(method="POST", user_agent=line["agent"])
                opt_outs.stop(letter, Scope(line["scope"]), fetch=fetch, how=line["how"])
        file.seek(0)
        file.truncate()
        os.fsync(file.fileno())
    log.info("Carried out %d wishes to stop that had waited for the database", len(lines))
    return len(lines)


def _read(line: str) -> dict[str, Any] | None:
    try:
        wish = json.loads(line)
    except ValueError:  # its writer died before it could say that the wish is kept
        return None
    return wish if isinstance(wish, dict) else None
