"""Handing out letters: which of a batch may be rung now, bounded so that a flushed or full broker holds little."""

from __future__ import annotations

from django.conf import settings
from django.db import connection

from apps.campaigns.services import pacing
from apps.campaigns.services.gates import ACCOUNT_OPEN, GOES
from apps.campaigns.services.grouped_claims import CARRIES, INLINE
from apps.smtp.services import breaker

SINGLE = "apps.campaigns.tasks.send_single_email"
BATCH = "apps.campaigns.tasks.send_email_batch"


_ALONE = f"NOT {INLINE} AND {ACCOUNT_OPEN}"


def admit(batch_id: int, *, all_alone: bool = False) -> list[int]:
    """Note the rings of a batch's due letters and return their ids, in order.

    In the inline mode only of those that go alone: the batch's own task carries the others, unless all go alone.

    Letters that are rung already stay out, and so does everything beyond the bound of rung, unsettled letters per
    batch, and beyond what the account's limits have room for; that comes back when the account opens (see
    `next_batches` and `services/pacing.py`). One statement: two admissions at once share the rows between them.
    """
    account = pacing.account_of(batch_id)
    room = settings.LIMITS.max_rung if account is None else pacing.room(account)
    if not room:
        return []
    with connection.cursor() as cursor:
        cursor.execute(
            f"""WITH room AS (
                 SELECT greatest(0, %(bound)s - count(*)) AS n FROM campaigns_delivery
                 WHERE batch_id = %(batch)s AND state = 'queued' AND rung_at IS NOT NULL
               ), due AS (
                 SELECT d.id FROM campaigns_delivery d JOIN campaigns_campaign k ON k.id = d.campaign_id
                 WHERE d.batch_id = %(batch)s AND d.state = 'queued' AND d.due_at <= now() AND d.rung_at IS NULL
                   AND {GOES}
                   AND EXISTS (SELECT 1 FROM smtp_transport t WHERE t.id = d.transport_id AND t.is_active)
                   AND {_ALONE if settings.DELIVERY == "inline" and not all_alone else "true"}
                 ORDER BY d.id LIMIT (SELECT least(n, %(room)s) FROM room) FOR UPDATE OF d SKIP LOCKED
               )
               UPDATE campaigns_delivery d SET rung_at = now() FROM due WHERE d.id = due.id RETURNING d.id""",  # noqa: S608 - constants
            {"batch": batch_id, "bound": settings.LIMITS.max_rung, "room": room},
        )
        return sorted(row[0] for row in cursor.fetchall())


def release(delivery_ids: list[int]) -> None:
    """Take back the rings of letters that the broker did not take."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE campaigns_delivery SET rung_at = NULL WHERE id = ANY(%s) AND state = 'queued'", [delivery_ids]
        )


_ACCOUNT_WAITS = breaker.WAITS.format("(SELECT transport_id FROM campaigns_campaign WHERE id = %(campaign)s)")


def unring(batch_id: int, *, has_moved: bool) -> int | None:
    """Let a batch be rung again at once; return its campaign if that may be done now.

    One that is being sent and of which nothing could be moved waits for the sweep instead, or it would be rung in a
    circle.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            """UPDATE campaigns_batch b SET rung_at = NULL FROM campaigns_campaign k
               WHERE b.id = %s AND k.id = b.campaign_id AND (%s OR k.state <> 'sending')
               RETURNING CASE WHEN k.state = 'sending' THEN k.id END""",
            [batch_id, has_moved],
        )
        row = cursor.fetchone()
    return row[0] if row else None


# A letter of `b` that could be rung.
_HAS_DUE = """EXISTS (SELECT 1 FROM campaigns_delivery d WHERE d.batch_id = b.id AND d.state = 'queued'
                               AND d.due_at <= now() AND d.rung_at IS NULL)"""
_OPEN = {
    # A batch's ring is answered in an instant: it is open while letters of it are rung.
    "fan-out": """SELECT count(DISTINCT batch_id) AS n FROM campaigns_delivery
                 WHERE campaign_id = %(campaign)s AND state = 'queued' AND rung_at IS NOT NULL""",
    # A batch's ring waits for a free process, which then has the batch in hand: it is open until nothing of it is due.
    "inline": f"""SELECT count(*) AS n FROM campaigns_batch b
                 WHERE b.campaign_id = %(campaign)s AND b.rung_at >= now() - %(patience)s * interval '1 second'
                   AND {_HAS_DUE}""",  # noqa: S608 - a constant
}


def _mode_of(campaign_id: int) -> str:
    """Return how a campaign's letters are handed out: what cannot be carried inline is fanned out in every tier."""
    if settings.DELIVERY != "inline":
        return "fan-out"
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT 1 FROM campaigns_campaign k WHERE k.id = %s AND {CARRIES.format('k.transport_id')}",  # noqa: S608
            [campaign_id],
        )
        return "inline" if cursor.fetchone() else "fan-out"


def next_batches(campaign_id: int) -> list[int]:
    """Note and return the batches of a campaign to ring now: those with due, unrung letters, up to the bound.

    A campaign keeps a bounded number of batches open, so that pause bites at once. None while its account is switched
    off, in trouble, or has used up its limits.
    """
    limits, mode = settings.LIMITS, _mode_of(campaign_id)
    patience, bound = (
        (limits.ring_patience, limits.inline_rung_batches)
        if mode == "inline"
        else (limits.sweep, limits.max_rung_batches)
    )
    with connection.cursor() as cursor:
        cursor.execute(
            f"""WITH open AS (
                 {_OPEN[mode]}
               ), ready AS (
                 SELECT b.id FROM campaigns_batch b
                 WHERE b.campaign_id = %(campaign)s AND NOT {_ACCOUNT_WAITS}
                   AND (b.rung_at IS NULL OR b.rung_at < now() - %(patience)s * interval '1 second')
                   AND {_HAS_DUE}
                 ORDER BY b.number LIMIT greatest(0, %(bound)s - (SELECT n FROM open)) FOR UPDATE OF b SKIP LOCKED
               )
               UPDATE campaigns_batch b SET rung_at = now() FROM ready WHERE b.id = ready.id
               RETURNING b.id, b.number""",  # noqa: S608 - a constant
            {"campaign": campaign_id, "patience": patience, "bound": bound},
        )
        return [row[0] for row in sorted(cursor.fetchall(), key=lambda row: row[1])]
