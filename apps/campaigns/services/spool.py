"""The last resort for a result that PostgreSQL does not take: one fsynced line in the data folder, replayed later."""

from __future__ import annotations

import fcntl
import json
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.exceptions import ObjectDoesNotExist
from django.db import Error

from core import database
from core.errors import EspError

log = logging.getLogger(__name__)

# What a line can be to blame for: it is of another version, no longer what was written, or refused by the database.
_REFUSALS = (
    Error, EspError, ObjectDoesNotExist, TypeError, ValueError, LookupError, AttributeError, ArithmeticError,
    RecursionError,
)  # fmt: skip


def _path(name: str = "results.jsonl") -> Path:
    folder: Path = settings.SPOOL_DIR
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder / name


def _add(path: Path, text: str) -> None:
    with path.open("a", encoding="utf-8", errors="surrogateescape") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        os.fchmod(file.fileno(), 0o600)
        file.write("\n" + text + "\n")  # the first break ends a line that a dying process left torn
        file.flush()
        os.fsync(file.fileno())


def append(*lines: dict[str, Any]) -> None:
    """Append results, all with one write; on return they are on disk."""
    path = _path()
    _add(path, "\n".join(map(json.dumps, lines)))
    numbers = ", ".join(str(line.get("delivery_id")) for line in lines)
    log.warning("Kept the result of delivery %s in %s until the database takes it", numbers, path)


def has_lines() -> bool:
    """Return whether anything waits."""
    folder: Path = settings.SPOOL_DIR
    path = folder / "results.jsonl"
    return path.is_file() and path.stat().st_size > 0


def kind_of(error: Exception) -> str:
    """Return what an error is without its words: those of a database quote the row, with the address in it."""
    code = getattr(error.__cause__, "sqlstate", None)
    return f"{type(error).__name__} {code or ''}".strip()


def replay(write: Callable[[dict[str, Any]], object]) -> int:
    """Write every waiting result, then empty the file; return how many were written.

    When the database is away, the file stays as it is and is replayed whole the next time: writing twice is harmless.
    A line that fails otherwise is moved to `results.bad.jsonl` and stops none of the others.
    """
    if not has_lines():
        return 0
    written, bad = 0, []
    with _path().open("r+", encoding="utf-8", errors="surrogateescape") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        for line in file:
            if not (text := line.strip()):
                continue
            error = _write_one(text, write)
            if error is None:
                written += 1
            else:
                bad.append((text, error))
        _set_aside(bad)
        file.seek(0)
        file.truncate()
        os.fsync(file.fileno())
    log.info("Replayed %d results that had waited for the database", written)
    return written


def _write_one(text: str, write: Callable[[dict[str, Any]], object]) -> Exception | None:
    try:
        found = json.loads(text)
        if not isinstance(found, dict):
            return TypeError("no object")
        write(found)
    except database.AWAY:
        raise
    except _REFUSALS as error:
        return error
    return None


def _set_aside(bad: list[tuple[str, Exception]]) -> None:
    """Keep lines that cannot be written; done last, or every round without a database would add them anew."""
    if not bad:
        return
    path = _path("results.bad.jsonl")
    _add(path, "\n".join(text for text, _error in bad))
    for text, error in bad:
        log.critical("A result of %d characters could not be written (%s): see %s", len(text), kind_of(error), path)
