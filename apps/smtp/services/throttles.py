"""Lets letters go within an account's limits: counted in PostgreSQL, across all processes, one guarded statement each.

The arithmetic is `apps/smtp/throttle.py`; here it is read, done and written back on condition that nobody else wrote
in between. No row stays locked while a process thinks, so one that is stopped in the middle holds nobody up.
"""

from __future__ import annotations

import json
import random
import time
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from apps.smtp import throttle
from apps.smtp.throttle import Limits, Usage
from core import database

# A letter in hand waits this long for its turn; one that would wait longer goes back to the queue.
PATIENCE_SECONDS = 0.5
_TRIES = 200


@dataclass(frozen=True, slots=True)
class Grant:
    """Whether one letter may go: at once after the wait, or (when it is not granted) not before it.

    Args:
        wait: seconds.
    """

    is_granted: bool
    wait: float


def take(transport_id: int, limits: Limits, *, patience: float = PATIENCE_SECONDS) -> Grant:
    """Take the next place in an account's limits for one letter, if it lies within the patience (seconds)."""
    if not limits:
        return Grant(True, 0.0)
    for _attempt in range(_TRIES):
        version, usage, now = _read(transport_id)
        read_at = time.monotonic()
        slot = throttle.next_slot(limits, usage, now=now)
        wait = slot.at - now
        if wait > patience:
            return Grant(False, wait)
        if _write(transport_id, limits, slot.usage, version=version, now=now):
            return Grant(True, max(0.0, wait - (time.monotonic() - read_at)))
        time.sleep(random.random() * 0.002)  # noqa: S311 - keeps rivals apart, guards nothing
    return Grant(False, patience)


def room(transport_id: int, limits: Limits, *, horizon: float) -> int:
    """Return how many letters an account may take within the horizon (seconds), counting those let go so far."""
    _version, usage, now = _read(transport_id)
    return throttle.room(limits, usage, now=now, horizon=horizon)


def opens_in(transport_id: int, limits: Limits) -> timedelta:
    """Return how long the next letter has to wait for the account's limits."""
    _version, usage, now = _read(transport_id)
    return timedelta(seconds=throttle.next_slot(limits, usage, now=now).at - now)


def uses(transport_id: int, limits: Limits) -> list[throttle.Use]:
    """Return how much of each limit is used, for screens."""
    _version, usage, now = _read(transport_id)
    return throttle.uses(limits, usage, now=now)


_READ = """
SELECT coalesce(t.version, -1), coalesce(t.usage::text, '{}'), extract(epoch FROM clock_timestamp())
FROM (SELECT 1) one LEFT JOIN smtp_throttle t ON t.transport_id = %s
"""
_WRITE = """
INSERT INTO smtp_throttle AS t (transport_id, usage, opens_at, version)
SELECT id, %(usage)s::jsonb, to_timestamp(%(opens)s), 0 FROM smtp_transport WHERE id = %(transport)s
ON CONFLICT (transport_id) DO UPDATE
SET usage = excluded.usage, opens_at = excluded.opens_at, version = t.version + 1
WHERE t.version = %(version)s
"""


def _read(transport_id: int) -> tuple[int, Usage, float]:
    row = database.execute(_READ, [transport_id]).row
    assert row is not None
    version, usage, now = row
    return int(version), Usage.of(json.loads(usage)), float(now)


def _write(transport_id: int, limits: Limits, usage: Usage, *, version: int, now: float) -> bool:
    """Write the usage unless somebody else did so since it was read; note when the next letter may go."""
    opens_at = throttle.next_slot(limits, usage, now=now).at
    values: dict[str, Any] = {
        "transport": transport_id,
        "usage": json.dumps(usage.stored()),
        "opens": opens_at,
        "version": version,
    }
    return bool(database.execute(_WRITE, values).count)
