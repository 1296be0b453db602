"""Every wish to stop or to take that back, kept outside the database too: a restored backup must not forget one.

One fsynced line each; no address, only its fingerprint.
"""

from __future__ import annotations

import datetime as dt
import fcntl
import json
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.conf import settings

from apps.accounts.models import Workspace
from apps.contacts.models import Contact
from apps.contacts.services import subscriptions
from apps.tracking.letters import Letter
from apps.tracking.models import Event
from core import clock

log = logging.getLogger(__name__)

ROTATE_BYTES = 16 * 1024 * 1024
# The clocks of the machine that wrote a line and of the database may differ.
MARGIN = dt.timedelta(minutes=5)
_SOURCE = "kept outside the database"


def _path() -> Path:
    folder: Path = settings.SPOOL_DIR
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder / "wishes-journal.jsonl"


def append(letter: Letter, kind: Event.Kind, detail: dict[str, object]) -> None:
    """Keep one wish; where the disk takes no more, the database alone has it."""
    line = {
        "at": clock.now().isoformat(),
        "kind": kind.value,
        "workspace": letter.workspace_id,
        "hash": letter.email_hash.hex(),
        "scope": detail.get("scope"),
        "lists": detail.get("lists", []),
    }
    try:
        path = _path()
        with path.open("a", encoding="utf-8") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            os.fchmod(file.fileno(), 0o600)
            # The leading newline ends what a process that died in mid-write may have left.
            file.write("\n" + json.dumps(line) + "\n")
            file.flush()
            os.fsync(file.fileno())
            if file.tell() > ROTATE_BYTES:
                path.replace(path.with_suffix(".1.jsonl"))
    except OSError as error:
        log.error("A wish is not kept outside the database: %s", type(error).__name__)


def replay(since: dt.datetime | None) -> int:
    """Carry out again, in their order, the wishes that a restored database does not know; return how many.

    Args:
        since: until when the database knows; None carries out everything that is kept.
    """
    done = 0
    for line in _lines():
        if since is None or line["at"] > since - MARGIN:
            _carry_out(line)
            done += 1
    return done


def _lines() -> Iterator[dict[str, Any]]:
    for path in (_path().with_suffix(".1.jsonl"), _path()):
        if path.is_file():
            with path.open(encoding="utf-8") as file:
                yield from (line for raw in file if (line := _read(raw)))


def _read(raw: str) -> dict[str, Any] | None:
    try:
        line = json.loads(raw)
        return {**line, "at": dt.datetime.fromisoformat(line["at"]), "hash": bytes.fromhex(line["hash"])}
    except (ValueError, KeyError, TypeError):  # an empty line, or one whose writer died
        return None


def _carry_out(line: dict[str, Any]) -> None:
    workspace_id, email_hash = int(line["workspace"]), line["hash"]
    if not Workspace.objects.filter(pk=workspace_id).exists():
        return  # made after the backup, with everybody in it
    person = Contact.objects.filter(workspace_id=workspace_id, email_hash=email_hash).first()
    is_stop, is_everything = line["kind"] == Event.Kind.UNSUBSCRIBE.value, line["scope"] == "everything"
    if is_stop and (is_everything or person is None):
        subscriptions.unsubscribe_everything(workspace_id, email_hash=email_hash, source=_SOURCE)
    elif is_stop and person is not None:
        subscriptions.unsubscribe(person.pk, line["lists"], source=_SOURCE)
    elif is_everything:
        subscriptions.undo_unsubscribe_everything(workspace_id, email_hash=email_hash)
    elif person is not None:
        subscriptions.resubscribe(person.pk, line["lists"], source=_SOURCE)
