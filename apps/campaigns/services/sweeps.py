"""Every few seconds: what a lost ring, a dead worker or a passed deadline left lying is found by its state."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from django.conf import settings
from django.db import connection, transaction
from django.db.models import F

from apps.campaigns import retries
from apps.campaigns.models import Delivery
from apps.campaigns.services import batching, certificates, dispatch, lifecycle, standstill
from apps.campaigns.services.gates import GOES, unsent
from apps.campaigns.states import Policy
from apps.smtp.services import breaker
from core import database, jobs, pulses, queues

log = logging.getLogger(__name__)

_LOCK = 0x7673_0001  # any number that is ours
REAP_LIMIT = 5000
MAX_CRASHES = 3
CRASHED_ROWS_TO_PAUSE = 20


@dataclass(slots=True)
class Swept:
    """What one sweep did, for the log and for tests."""

    requeued: int = 0
    crashed: int = 0
    unconfirmed: int = 0
    lost_rings: int = 0
    rung_batches: int = 0
    rung_singles: int = 0
    rung_campaigns: int = 0
    cancelled: int = 0
    finished: int = 0
    stalled: int = 0
    woken: int = 0


def sweep() -> Swept | None:
    """Do one round; None when another process is at it."""
    swept = Swept()
    queue_is_empty = queues.depth("email") == 0  # before the transaction: no network call runs inside one
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [_LOCK])
        (is_alone,) = cursor.fetchone()
        if not is_alone:
            return None
        database.by_index_only(cursor)
        reap(swept)
        swept.lost_rings = _forget_lost_rings(queue_is_empty=queue_is_empty)
        swept.cancelled = _cancel_remainders()
    swept.stalled, swept.woken = standstill.look_at_accounts()
    _ring_campaigns(swept)
    _ring_letters(swept)
    _finish(swept)
    pulses.beat("sweep")
    return swept


def reap(swept: Swept) -> None:
    """Take back what its holder can no longer send, and hold or retry what nobody can know."""
    if not _has_just_resumed():
        _reap_unmarked(swept)
    _reap_marked(swept)


def _has_just_resumed() -> bool:
    """Return whether leases may have ended because the database was away, and their holders are still to renew them.

    While nobody swept for so long, living processes could not renew: they get one heartbeat for it, or letters would
    be blamed for a crash that was none.
    """
    limits = settings.LIMITS
    gap = pulses.age("sweep")
    if gap is not None and gap > limits.lease - limits.heartbeat:
        pulses.beat("sweep_resumed")
        return True
    resumed = pulses.age("sweep_resumed")
    return resumed is not None and resumed < limits.heartbeat


def _reap_unmarked(swept: Swept) -> None:
    """Take back what its holder can no longer send."""
    with connection.cursor() as cursor:
        # Before the marker a letter is provably unsent; the raised token keeps its former holder from marking it.
        cursor.execute(
            f"""WITH late AS (SELECT id FROM campaigns_delivery
                             WHERE state IN ('leased', 'sending') AND lease_until < now()
                             ORDER BY id LIMIT %s FOR UPDATE SKIP LOCKED)
               UPDATE campaigns_delivery d
               SET token = d.token + 1, owner = '', rung_at = NULL, lease_until = NULL, moved_at = now(),
                   crash_count = d.crash_count + CASE WHEN d.state = 'sending' THEN 1 ELSE 0 END,
                   state = CASE WHEN d.state = 'sending' AND d.crash_count + 1 >= %s THEN {unsent("'failed'")}
                                ELSE 'queued' END,
                   reason = CASE WHEN d.state = 'sending' AND d.crash_count + 1 >= %s THEN 'crashed'
                                 ELSE 'lease_ended' END
               FROM late WHERE d.id = late.id RETURNING d.reason, d.campaign_id""",  # noqa: S608 - constants
            [REAP_LIMIT, MAX_CRASHES, MAX_CRASHES],
        )
        rows = cursor.fetchall()
        swept.crashed = sum(reason == "crashed" for reason, _ in rows)
        swept.requeued = len(rows) - swept.crashed
    if swept.crashed:
        _pause_crashing({campaign_id for reason, campaign_id in rows if reason == "crashed" and campaign_id})


def _reap_marked(swept: Swept) -> None:
    """Hold or retry what nobody can know."""
    pause = retries.AMBIGUOUS_PAUSE * settings.LIMITS.retry_scale
    with connection.cursor() as cursor:
        # The token stays: a late result may still correct the row, until somebody begins the one more try.
        cursor.execute(
            """WITH late AS (SELECT id FROM campaigns_delivery WHERE state = 'committing' AND attempt_deadline < now()
                             ORDER BY id LIMIT %s FOR UPDATE SKIP LOCKED)
               UPDATE campaigns_delivery d
               SET state = CASE WHEN d.policy = %s AND d.ambiguous_count = 0 THEN 'queued' ELSE 'unconfirmed' END,
                   due_at = CASE WHEN d.policy = %s AND d.ambiguous_count = 0 THEN now() + %s * interval '1 second'
                                 ELSE d.due_at END,
                   reason = 'process_died', failure = 'ambiguous', last_stage = 'dot', rung_at = NULL,
                   ambiguous_count = d.ambiguous_count + 1, moved_at = now()
               FROM late WHERE d.id = late.id""",
            [REAP_LIMIT, *[Policy.RETRY_ONCE.value] * 2, pause.total_seconds()],
        )
        swept.unconfirmed = cursor.rowcount


def _pause_crashing(campaign_ids: set[int]) -> None:
    for campaign_id in campaign_ids:
        # Those from before somebody let it go on have paused it once already.
        crashed = Delivery.objects.filter(campaign_id=campaign_id, reason="crashed")
        since = crashed.filter(moved_at__gte=F("campaign__moved_at"))
        if since[:CRASHED_ROWS_TO_PAUSE].count() >= CRASHED_ROWS_TO_PAUSE:
            lifecycle.pause_for(campaign_id, reason="letters_crash")


def _forget_lost_rings(*, queue_is_empty: bool) -> int:
    """Clear rings that nobody will answer: old ones, and younger ones when the broker says its queue is empty."""
    limits = settings.LIMITS
    patience = limits.ring_patience_empty if queue_is_empty else limits.ring_patience
    with connection.cursor() as cursor:
        cursor.execute(
            """WITH lost AS (SELECT id FROM campaigns_delivery
                             WHERE state = 'queued' AND rung_at < now() - %s * interval '1 second'
                             ORDER BY id LIMIT %s FOR UPDATE SKIP LOCKED)
               UPDATE campaigns_delivery d SET rung_at = NULL FROM lost WHERE d.id = lost.id""",
            [patience, REAP_LIMIT],
        )
        lost = int(cursor.rowcount)
        if queue_is_empty and settings.DELIVERY == "inline":
            # A batch in a process's hand may be rung once more: whoever comes takes of it what is not begun.
            cursor.execute(
                """UPDATE campaigns_batch b SET rung_at = NULL FROM campaigns_campaign k
                   WHERE k.id = b.campaign_id AND k.state = 'sending'
                     AND b.rung_at < now() - %s * interval '1 second'""",
                [patience],
            )
    return lost


def _cancel_remainders() -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            # A result that came back after the campaign was closed may have put a held letter back in the queue: it was
            # certainly not sent, and it never will be.
            f"""WITH rest AS (SELECT q.id, k.state FROM campaigns_campaign k CROSS JOIN LATERAL (
                               SELECT d.id FROM campaigns_delivery d
                               WHERE d.campaign_id = k.id AND d.kind = 'campaign' AND d.state = 'queued'
                               LIMIT %s FOR UPDATE OF d SKIP LOCKED) q
                             WHERE k.state IN ('cancelled', 'failed') OR k.finished_at > now() - interval '30 days'
                             LIMIT %s)
               UPDATE campaigns_delivery d SET moved_at = now(), rung_at = NULL,
                      state = {unsent("CASE WHEN rest.state = 'finished' THEN 'failed' ELSE 'cancelled' END")},
                      reason = CASE rest.state WHEN 'cancelled' THEN 'campaign_cancelled'
                                          WHEN 'failed' THEN 'not_prepared' ELSE 'too_late' END
               FROM rest WHERE d.id = rest.id""",  # noqa: S608 - a constant
            [REAP_LIMIT * 4] * 2,
        )
        return int(cursor.rowcount)


def _ring_campaigns(swept: Swept) -> None:
    """Ring what is due, and what was being prepared when its worker died."""
    limits = settings.LIMITS
    with connection.cursor() as cursor:
        cursor.execute(
            """UPDATE campaigns_campaign SET rung_at = now()
               WHERE (rung_at IS NULL OR rung_at < now() - %(patience)s * interval '1 second')
                 AND ((state = 'scheduled' AND scheduled_at <= now()
                      AND NOT (is_appointed AND scheduled_at < now() - %(late)s * interval '1 second'))
                   OR (state = 'preparing' AND moved_at < now() - %(patience)s * interval '1 second'))
               RETURNING id""",
            {"patience": limits.ring_patience_empty, "late": limits.late},
        )
        due = [row[0] for row in cursor.fetchall()]
    jobs.ring_each(lifecycle.SEND_CAMPAIGN, [(campaign_id,) for campaign_id in due])
    swept.rung_campaigns = len(due)


def _ring_letters(swept: Swept) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT k.id FROM campaigns_campaign k WHERE {GOES} ORDER BY k.id")  # noqa: S608 - a constant
        sending = [row[0] for row in cursor.fetchall()]
    for campaign_id in sending:
        swept.rung_batches += dispatch.ring_batches(campaign_id)
    with connection.cursor() as cursor:
        cursor.execute(
            f"""WITH due AS (SELECT d.id FROM campaigns_delivery d
                            WHERE d.state = 'queued' AND d.batch_id IS NULL AND d.due_at <= now() AND d.rung_at IS NULL
                              AND NOT {breaker.WAITS.format("d.transport_id")}
                            ORDER BY d.due_at LIMIT %s FOR UPDATE OF d SKIP LOCKED)
               UPDATE campaigns_delivery d SET rung_at = now() FROM due WHERE d.id = due.id RETURNING d.id""",  # noqa: S608
            [settings.LIMITS.max_rung],
        )
        singles = [row[0] for row in cursor.fetchall()]
    jobs.ring_each(batching.SINGLE, [(delivery_id,) for delivery_id in singles])
    swept.rung_singles = len(singles)


def _finish(swept: Swept) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        database.by_index_only(cursor)
        cursor.execute(
            """SELECT k.id FROM campaigns_campaign k
               WHERE (k.state IN ('sending', 'paused', 'stalled') OR (k.state = 'cancelled' AND k.finished_at IS NULL))
                 AND NOT (k.state = 'paused' AND k.state_reason = 'restored')
                 AND (SELECT d.id FROM campaigns_delivery d WHERE d.campaign_id = k.id AND d.kind = 'campaign'
                      AND d.state IN ('queued', 'leased', 'sending', 'committing') LIMIT 1) IS NULL"""
        )
        candidates = [row[0] for row in cursor.fetchall()]
    swept.finished = sum(lifecycle.finish(campaign_id) for campaign_id in candidates)
    certificates.issue_missing()
