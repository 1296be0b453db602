"""Signs of life in the database: one row per name, rewritten each time something really ran."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from django.db import connection

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper


def beat(name: str, *, using: BaseDatabaseWrapper | None = None, **detail: Any) -> None:
    """Note that something really ran now, by the database's clock.

    Args:
        name: the pulse, for instance "beat" or "canary:email".
        using: a connection of the caller's own; the thread's connection when not given.
        detail: plain facts for the person who looks.
    """
    with (using or connection).cursor() as cursor:
        cursor.execute(
            """INSERT INTO core_pulse (name, at, detail) VALUES (%s, now(), %s)
               ON CONFLICT (name) DO UPDATE SET at = excluded.at, detail = excluded.detail""",
            [name, json.dumps(detail)],
        )


def age(name: str) -> float | None:
    """Return how many seconds ago `name` ran; None when it never did."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT extract(epoch FROM clock_timestamp() - at) FROM core_pulse WHERE name = %s", [name])
        row = cursor.fetchone()
    return float(row[0]) if row else None
