"""Letters of accounts with limits: handed out at the pace their account allows, however many campaigns share it.

An account's limits are kept at the account and not in its letters: a limit that is raised lets them go at once, one
that is used up costs no write per letter that waits, and a cancelled campaign leaves no gap for the others.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

from django.conf import settings
from django.db import connection

from apps.campaigns.services.gates import GOES
from apps.smtp import throttle
from apps.smtp.services import breaker, throttles
from apps.smtp.throttle import Limits


@dataclass(frozen=True, slots=True)
class LimitedAccount:
    """An account with limits, and the campaigns being sent through it."""

    id: int
    limits: Limits
    campaign_ids: list[int]
    opens_in: float


_LIMITED = """num_nonnulls(a.per_second, a.per_minute, a.per_hour, a.per_day) > 0"""
_ACCOUNTS = f"""
SELECT a.id, a.per_second, a.per_minute, a.per_hour, a.per_day, array_agg(k.id ORDER BY k.id),
       coalesce(extract(epoch FROM max(t.opens_at) - now()), 0)
FROM smtp_transport a JOIN campaigns_campaign k ON k.transport_id = a.id AND {GOES}
LEFT JOIN smtp_throttle t ON t.transport_id = a.id
WHERE {_LIMITED} AND {{which}}
GROUP BY a.id
"""  # noqa: S608 - the fragments are constants


def account_of(batch_id: int) -> LimitedAccount | None:
    """Return the account of a batch if it has limits."""
    found = _accounts(
        "a.id = (SELECT c.transport_id FROM campaigns_batch b JOIN campaigns_campaign c ON c.id = b.campaign_id "
        "WHERE b.id = %s)",
        [batch_id],
    )
    return found[0] if found else None


def accounts_soon() -> list[LimitedAccount]:
    """Return the limited accounts that have campaigns being sent and can take a letter soon, or now."""
    soon = settings.LIMITS.pace_ahead_slow + settings.LIMITS.pace_rest
    return _accounts(
        f"NOT {breaker.SHUT.format('a.id')} AND coalesce(t.opens_at <= now() + %s * interval '1 second', true)", [soon]
    )


def _accounts(which: str, values: list[float]) -> list[LimitedAccount]:
    with connection.cursor() as cursor:
        cursor.execute(_ACCOUNTS.format(which=which), values)
        return [LimitedAccount(row[0], Limits(*row[1:5]), row[5], float(row[6])) for row in cursor.fetchall()]


def ahead(limits: Limits) -> float:
    """Return how long before their turn letters are rung, in seconds.

    A slow account rings earlier: a letter that comes too late for its turn costs it a larger share, and one that waits
    for it in a worker's hand costs less.
    """
    longest = settings.LIMITS.pace_ahead_slow
    return max(settings.LIMITS.pace_ahead, min(longest, throttle.interval(limits) / 2))


def room(account: LimitedAccount) -> int:
    """Return how many more letters of the account may be rung now, so that they find their turn when they come."""
    free = throttles.room(account.id, account.limits, horizon=ahead(account.limits))
    return max(0, min(free, settings.LIMITS.max_rung) - _rung(account)) if free else 0


def _rung(account: LimitedAccount) -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT count(*) FROM campaigns_delivery
               WHERE campaign_id = ANY(%s) AND state = 'queued' AND rung_at IS NOT NULL""",
            [account.campaign_ids],
        )
        return int(cursor.fetchone()[0])


def admit(account: LimitedAccount, free: int, *, turn: int = 0) -> list[int]:
    """Note the rings of so many letters of the account, shared among its campaigns; return their ids.

    Args:
        turn: which campaign comes first; the caller counts, so that each gets its share of a slow account.
    """
    first = turn % len(account.campaign_ids)
    campaigns = [*account.campaign_ids[first:], *account.campaign_ids[:first]]
    admitted: list[int] = []
    for waiting in range(len(campaigns), 0, -1):
        share = -(-(free - len(admitted)) // waiting)  # rounded up
        if share <= 0:
            break
        admitted += _admit(campaigns[-waiting], share)
    return admitted


def _admit(campaign_id: int, bound: int) -> list[int]:
    with connection.cursor() as cursor:
        cursor.execute(
            f"""WITH due AS (
                 SELECT d.id FROM campaigns_delivery d JOIN campaigns_campaign k ON k.id = d.campaign_id
                 WHERE d.campaign_id = %s AND d.state = 'queued' AND d.kind = 'campaign' AND d.due_at <= now()
                   AND d.rung_at IS NULL AND {GOES}
                 LIMIT %s FOR UPDATE OF d SKIP LOCKED
               )
               UPDATE campaigns_delivery d SET rung_at = now() FROM due WHERE d.id = due.id RETURNING d.id""",  # noqa: S608 - a constant
            [campaign_id, bound],
        )
        return [row[0] for row in cursor.fetchall()]


turns = itertools.count()
"""Counts the rounds of this process."""
