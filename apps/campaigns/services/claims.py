"""Taking a letter in hand, marking it before the dot, giving it back: each one statement, by the database's clock."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass, fields
from typing import Any

from django.conf import settings
from django.db import connection

from apps.campaigns.services.gates import (
    ACCOUNT_OPEN,
    ALIVE,
    CAMPAIGN_OPEN,
    ERASED,
    MAY_GO,
    SUPPRESSED,
    UNSUBSCRIBED,
    unsent,
)
from core import database


@dataclass(frozen=True, slots=True)
class Claimed:
    """A letter in the hand of this process, with what composing it needs; `token` is the fence."""

    delivery_id: int
    token: int
    owner: str
    kind: str
    workspace_id: int
    campaign_id: int | None
    content_id: int
    transport_id: int
    uuid: uuid.UUID
    message_id: str
    email: str
    policy: str
    attempts: int
    counted_tries: int
    protocol_tries: int
    first_name: str
    last_name: str
    attributes: dict[str, Any]
    account_has_failed: bool = False

    def merge_fields(self) -> dict[str, object]:
        """Return what a template may say about the recipient: plain values only."""
        return {
            **self.attributes,
            "email": self.email,
            "first_name": self.first_name,
            "last_name": self.last_name,
            "name": f"{self.first_name} {self.last_name}".strip(),
        }


# What beginning an attempt does to a letter, when it may, and what its holder learns; one letter or a slice of many.
BEGUN = """state = 'sending', token = d.token + 1, attempts = d.attempts + 1, owner = %(owner)s, moved_at = now(),
    lease_until = now() + %(lease)s * interval '1 second',
    attempt_deadline = now() + %(deadline)s * interval '1 second'"""
MAY_BEGIN = f"d.state = 'queued' AND d.due_at <= now() AND {ALIVE} AND {MAY_GO} AND {ACCOUNT_OPEN}"
HELD = """d.id, d.token, d.owner, d.kind, d.workspace_id, d.campaign_id, d.content_id, d.transport_id, d.uuid,
          d.message_id, d.email, d.policy, d.attempts, d.counted_tries, d.protocol_tries,
          coalesce(c.first_name, ''), coalesce(c.last_name, ''), coalesce(c.attributes, '{}'::jsonb),
          EXISTS (SELECT 1 FROM smtp_throttle t WHERE t.transport_id = d.transport_id
                  AND (t.failures > 0 OR t.closed_until IS NOT NULL)),
          set_config('synchronous_commit', 'off', true)"""

_BEGIN = f"""
UPDATE campaigns_delivery d SET {BEGUN}
FROM campaigns_delivery r LEFT JOIN contacts_contact c ON c.id = r.contact_id
WHERE r.id = d.id AND d.id = %(id)s AND {MAY_BEGIN}
RETURNING {HELD}
"""  # noqa: S608 - the fragments are constants of this package


def begin(delivery_id: int, *, owner: str) -> Claimed | None:
    """Take a queued, due letter and begin an attempt in one statement.

    Returns None when there is nothing to do: a rival has it, it is not due, its campaign is not sending, or it may
    not go (see `settle_refused`).

    The commit does not wait for the disk: where a crash of the server forgets it, the marker finds no such attempt
    and the letter is not sent. The marker and the result do wait.
    """
    limits = settings.LIMITS
    values: dict[str, Any] = {
        "id": delivery_id,
        "owner": owner,
        "lease": limits.lease,
        "deadline": limits.single_deadline,
    }
    row = database.execute(_BEGIN, values).row
    return claimed_of(row) if row else None


def claimed_of(row: tuple[Any, ...]) -> Claimed:
    """Return what a row of `HELD` says."""
    values = dict(zip((field.name for field in fields(Claimed)), row[:-1], strict=True))
    if isinstance(values["attributes"], str):
        values["attributes"] = json.loads(values["attributes"])
    return Claimed(**values)


_SKIPPED = f"CASE WHEN {ERASED} OR {SUPPRESSED} OR {UNSUBSCRIBED} THEN 'skipped' ELSE 'expired' END"
# Closes letters that may not go; the place is for which of them.
SETTLE = f"""
UPDATE campaigns_delivery d
SET moved_at = now(), rung_at = NULL,
    state = {unsent(_SKIPPED)},
    reason = CASE WHEN {ERASED} THEN 'erased' WHEN {SUPPRESSED} THEN 'suppressed'
                  WHEN {UNSUBSCRIBED} THEN 'unsubscribed' ELSE 'expired' END
WHERE {{}} AND d.state = 'queued' AND d.due_at <= now() AND {CAMPAIGN_OPEN}
  AND (NOT {ALIVE} OR {ERASED} OR {SUPPRESSED} OR {UNSUBSCRIBED})
"""  # noqa: S608 - the fragments are constants of this package


def settle_refused(delivery_id: int) -> bool:
    """Close a letter that may not go (skipped with its reason, or expired); return whether it was closed.

    One that an earlier try may have delivered ends unconfirmed instead, with the same reason.

    A letter that merely has to wait (its campaign is paused) loses its ring, so that the sweep rings it again.
    """
    with connection.cursor() as cursor:
        cursor.execute(SETTLE.format("d.id = %s"), [delivery_id])
        if cursor.rowcount:
            return True
        cursor.execute(
            "UPDATE campaigns_delivery SET rung_at = NULL WHERE id = %s AND state = 'queued' AND rung_at IS NOT NULL",
            [delivery_id],
        )
    return False


MAY_MARK = f"d.state = 'sending' AND now() < d.attempt_deadline AND {MAY_GO}"
_MARK = f"""
UPDATE campaigns_delivery d SET state = 'committing', moved_at = now()
WHERE d.id = %s AND d.token = %s AND d.owner = %s AND {MAY_MARK}
RETURNING set_config('synchronous_commit', 'on', true) -- a marker that a crash may lose is none, whatever the role says
"""  # noqa: S608 - the fragments are constants of this package


def mark(claimed: Claimed) -> bool:
    """Set the marker immediately before the final dot and return whether the dot may be sent.

    False means that this process no longer holds the letter, or that it may no longer go: the letter is certainly
    not sent and the connection must be dropped without the dot.
    """
    return bool(database.execute(_MARK, [claimed.delivery_id, claimed.token, claimed.owner]).count)


# Puts letters back that were certainly not sent; the place is for which of them.
GIVE_BACK = """UPDATE campaigns_delivery SET state = 'queued', token = token + 1, owner = '', rung_at = NULL,
       attempts = greatest(attempts - 1, 0), lease_until = NULL, attempt_deadline = NULL, moved_at = now()
   WHERE {} AND owner = %s AND state IN ('leased', 'sending')"""


def give_back(delivery_id: int, *, owner: str) -> bool:
    """Return a letter that this process certainly did not send; the attempt does not count.

    For the soft limit and for a stop: knows the owner only, because the limit may strike before the token is read.
    """
    with connection.cursor() as cursor:
        cursor.execute(GIVE_BACK.format("id = %s"), [delivery_id, owner])
        return bool(cursor.rowcount)


def put_off(claimed: Claimed, *, wait: float) -> bool:
    """Return a letter that has to wait for its account; the attempt does not count, and what was said of it stays.

    Args:
        wait: seconds from now until it is due again.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            """UPDATE campaigns_delivery SET state = 'queued', token = token + 1, owner = '', rung_at = NULL,
                   attempts = greatest(attempts - 1, 0), lease_until = NULL, attempt_deadline = NULL,
                   due_at = now() + %s * interval '1 second'
               WHERE id = %s AND token = %s AND state = 'sending'""",
            [wait, claimed.delivery_id, claimed.token],
        )
        return bool(cursor.rowcount)


def unring(delivery_id: int) -> None:
    """Note that a ring was consumed without work, so that the sweep rings again."""
    with connection.cursor() as cursor:
        cursor.execute("UPDATE campaigns_delivery SET rung_at = NULL WHERE id = %s AND state = 'queued'", [delivery_id])


def renew_leases(owner: str) -> int:
    """Extend the leases of one process, never beyond the attempt's deadline; return how many were extended.

    A letter that is being moved in this moment is left out: waiting for it while holding others could lock up with the
    statement that marks many of them, and the next round extends it if it is still held.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            """WITH held AS (SELECT id FROM campaigns_delivery
                             WHERE owner = %s AND state IN ('leased', 'sending') AND lease_until < attempt_deadline
                             ORDER BY id FOR UPDATE SKIP LOCKED)
               UPDATE campaigns_delivery d
               SET lease_until = least(now() + %s * interval '1 second', d.attempt_deadline)
               FROM held WHERE d.id = held.id""",
            [owner, settings.LIMITS.lease],
        )
        return int(cursor.rowcount)
