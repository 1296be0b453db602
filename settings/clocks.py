"""Which time table a run takes: the real one, or the short one for whoever kills processes and waits for the end."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from settings.limits import REAL, SHORT, Limits, TaskLimit


def chosen(clock: str, changes: str = "") -> Limits:
    """Return the table of a clock, with single limits changed.

    Args:
        clock: "short"; everything else means the real one.
        changes: such as "offer=60 single=9/30"; they may break the table's inequalities on purpose.
    """
    limits = SHORT if clock == "short" else REAL
    values: dict[str, Any] = {}
    for change in changes.split():
        name, _, value = change.partition("=")
        hard, _, soft = value.partition("/")
        values[name] = TaskLimit(int(hard), int(soft)) if soft else int(value) if value.isdigit() else float(value)
    return replace(limits, **values)
