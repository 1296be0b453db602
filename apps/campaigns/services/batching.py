"""Handing out letters: which of a batch may be rung now, bounded so that a flushed or full broker holds little."""

from __future__ import annotations

from django.conf import settings
from django.db import connection

from apps.campaigns.services import pacing
from apps.campaigns.services.gates import GOES
from apps.smtp.services import breaker

SINGLE = "apps.campaigns.tasks.send_single_email"
BATCH = "apps.campaigns.tasks.send_email_batch"


def admit(batch_id: int) -> list[int]:
    """Note the rings of a batch's due letters and return their ids, in order.

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
                 ORDER BY d.id LIMIT (SELECT least(n, %(room)s) FROM room) FOR UPDATE OF d SKIP LOCKED
               )
               UPDATE campaigns_delivery d SET rung_at = now() FROM due WHERE d.id = due.id RETURNING d.id""",  # noqa: S608 - a constant
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


def next_batches(campaign_id: int) -> list[int]:
    """Note and return the batches of a campaign to ring now: those with due, unrung letters, up to the bound.

    A campaign keeps at most `max_rung_batches` batches with rung letters, so that pause bites at once. None while its
    account is switched off, in trouble, or has used up its limits.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            f"""WITH open AS (
                 SELECT count(DISTINCT batch_id) AS n FROM campaigns_delivery
                 WHERE campaign_id = %(campaign)s AND state = 'queued' AND rung_at IS NOT NULL
               ), ready AS (
                 SELECT b.id FROM campaigns_batch b
                 WHERE b.campaign_id = %(campaign)s AND NOT {_ACCOUNT_WAITS}
                   AND (b.rung_at IS NULL OR b.rung_at < now() - %(patience)s * interval '1 second')
                   AND EXISTS (SELECT 1 FROM campaigns_delivery d WHERE d.batch_id = b.id AND d.state = 'queued'
                               AND d.due_at <= now() AND d.rung_at IS NULL)
                 ORDER BY b.number LIMIT greatest(0, %(bound)s - (SELECT n FROM open)) FOR UPDATE OF b SKIP LOCKED
               )
               UPDATE campaigns_batch b SET rung_at = now() FROM ready WHERE b.id = ready.id
               RETURNING b.id, b.number""",  # noqa: S608 - a constant
            {
                "campaign": campaign_id,
                "patience": settings.LIMITS.sweep,
                "bound": settings.LIMITS.max_rung_batches,
            },
        )
        return [row[0] for row in sorted(cursor.fetchall(), key=lambda row: row[1])]
