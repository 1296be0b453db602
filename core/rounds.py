"""What beat rings regularly: which task each entry is, and when it last really ran to its end."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import Error as DatabaseError

from core import pulses

_CANARY = "core.tasks.canary"


def schedule() -> dict[str, dict[str, Any]]:
    """Return beat's entries as they are configured."""
    entries: dict[str, dict[str, Any]] = settings.CELERY["beat_schedule"]
    return entries


def pulse_of(entry: str) -> str:
    """Return the name of the pulse that an entry leaves each time its task has ended well."""
    asked = schedule()[entry]
    return f"canary:{asked['args'][0]}" if asked["task"] == _CANARY else f"ran:{asked['task']}"


def ran(task: str, result: object) -> None:
    """Note that a task ended well, if it is one of beat's; a number it returns is kept as what it found."""
    if task == _CANARY or task not in {asked["task"] for asked in schedule().values()}:
        return
    found = result if isinstance(result, int) and not isinstance(result, bool) else None
    try:
        pulses.beat(f"ran:{task}", found=found)
    except DatabaseError:
        return  # the next round leaves another
