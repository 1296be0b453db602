"""The copy of the guard's row outside the database: one small file per host, replaced whole and flushed to the disk."""

from __future__ import annotations

import fcntl
import json
import logging
import os
from pathlib import Path
from typing import Any

from django.conf import settings

from apps.campaigns.epochs import Outside, Standing

log = logging.getLogger(__name__)


def path() -> Path | None:
    """Return where the copy is kept; None where none is."""
    given: Path | None = settings.EPOCH_FILE
    return given


def read() -> Outside | None:
    """Return the copy; None where there is none, or it cannot be read."""
    target = path()
    if target is None:
        return None
    try:
        with target.open(encoding="utf-8") as file:
            told: dict[str, Any] = json.load(file)
            inode = os.fstat(file.fileno()).st_ino
        # A file that was copied or restored has another inode, and none of our writers made it.
        return Outside(Standing.of_json(told["standing"]), is_original=told["inode"] == inode)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        log.error("The copy of the epoch outside the database cannot be read: %s", type(error).__name__)
        return None


def write(standing: Standing) -> None:
    """Replace the copy unless another process has written a newer one; a full disk costs this copy only."""
    target = path()
    if target is None:
        return
    try:
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with target.with_suffix(".lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            known = read()
            if known and known.is_original and known.standing.order >= standing.order:
                return
            _replace(target, standing)
    except OSError as error:
        log.warning("The copy of the epoch outside the database was not written: %s", type(error).__name__)


def _replace(target: Path, standing: Standing) -> None:
    fresh = target.with_suffix(".new")
    with fresh.open("w", encoding="utf-8") as file:
        os.fchmod(file.fileno(), 0o600)
        json.dump({"standing": standing.as_json(), "inode": os.fstat(file.fileno()).st_ino}, file)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(target)
    folder = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
