"""A slice of a batch in hand: begun, marked and given back in one statement each, by the same rules as one letter."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.db import connection

from apps.campaigns.services.claims import (
    BEGUN,
    GIVE_BACK,
    HELD,
    MAY_BEGIN,
    MAY_MARK,
    SETTLE,
    Claimed,
    claimed_of,
)
from core import database

# An account whose letters a batch carries itself. One with limits hands out places one by one, at the pace of the
# pacer; one that is shut lets a single letter try; and a provider's API takes one letter a request.
CARRIES = """EXISTS (
    SELECT 1 FROM smtp_transport own LEFT JOIN smtp_throttle its ON its.transport_id = own.id
    WHERE own.id = {} AND own.kind <> 'provider' AND its.closed_until IS NULL
      AND num_nonnulls(own.per_second, own.per_minute, own.per_hour, own.per_day) = 0)"""
# A letter that was in hand when its process died goes alone from then on: if it is the one that kills, it kills
# nobody beside it, and the others are not blamed a second time for where they were.
INLINE = f"(d.crash_count = 0 AND {CARRIES.format('d.transport_id')})"

ACCOUNTS = f"""
SELECT DISTINCT d.transport_id FROM campaigns_delivery d
WHERE d.batch_id = %s AND d.state = 'queued' AND d.due_at <= now() AND d.rung_at IS NULL AND {INLINE}
"""  # noqa: S608 - the fragments are constants of this package

# In the order of the index on what waits in a batch, so that a slice looks at no more letters than it takes.
BEGIN_SLICE = f"""
WITH due AS MATERIALIZED (
  SELECT d.id FROM campaigns_delivery d
  WHERE d.batch_id = %(batch)s AND d.transport_id = %(account)s AND d.rung_at IS NULL AND d.crash_count = 0
    AND {CARRIES.format("%(account)s")} AND {MAY_BEGIN}
  ORDER BY d.due_at LIMIT %(slice)s FOR UPDATE OF d SKIP LOCKED
)
UPDATE campaigns_delivery d SET {BEGUN}
FROM due JOIN campaigns_delivery r ON r.id = due.id LEFT JOIN contacts_contact c ON c.id = r.contact_id
WHERE d.id = due.id
RETURNING {HELD}
"""  # noqa: S608 - the fragments are constants of this package

MARK_MANY = f"""
UPDATE campaigns_delivery d SET state = 'committing', moved_at = now()
FROM unnest(%s::bigint[], %s::int[]) AS held (id, token)
WHERE d.id = held.id AND d.token = held.token AND d.owner = %s AND {MAY_MARK}
RETURNING d.id, set_config('synchronous_commit', 'on', true) -- a marker that a crash may lose is none
"""  # noqa: S608 - the fragments are constants of this package


def accounts(batch_id: int) -> list[int]:
    """Return the accounts whose due letters in a batch may be carried inline."""
    with connection.cursor() as cursor:
        cursor.execute(ACCOUNTS, [batch_id])
        return sorted(row[0] for row in cursor.fetchall())


def begin(batch_id: int, account_id: int, *, owner: str, count: int) -> list[Claimed]:
    """Take up to so many due letters of a batch and begin an attempt of each, as `claims.begin` does for one.

    Rivals never get the same letter: whoever finds a row locked takes the next.
    """
    limits = settings.LIMITS
    values: dict[str, Any] = {
        "batch": batch_id,
        "account": account_id,
        "owner": owner,
        "lease": limits.lease,
        "deadline": limits.batch_deadline,
        "slice": count,
    }
    return sorted(map(claimed_of, database.execute_many(BEGIN_SLICE, values)), key=lambda one: one.delivery_id)


def mark(letters: Sequence[Claimed]) -> set[int]:
    """Set the marker of many letters in one round trip; return the ids of those whose dot may be sent."""
    if not letters:
        return set()
    return {row[0] for row in database.execute_many(MARK_MANY, held_columns(letters))}


def held_columns(letters: Sequence[Claimed]) -> list[Any]:
    """Return the values of `MARK_MANY`."""
    return [[one.delivery_id for one in letters], [one.token for one in letters], letters[0].owner]


def give_back(owner: str, ids: Sequence[int] | None = None) -> list[int]:
    """Return what this process holds and certainly did not send, or those of it; return their ids."""
    which = "true" if ids is None else "id = ANY(%s)"
    with connection.cursor() as cursor:
        cursor.execute(f"{GIVE_BACK.format(which)} RETURNING id", [owner] if ids is None else [list(ids), owner])
        return sorted(row[0] for row in cursor.fetchall())


def settle_refused(batch_id: int) -> int:
    """Close the letters of a batch that may not go, as `claims.settle_refused` does for one; return how many."""
    with connection.cursor() as cursor:
        cursor.execute(SETTLE.format("d.batch_id = %s"), [batch_id])
        return int(cursor.rowcount)
