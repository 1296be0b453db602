"""Campaigns on which something could be done and nothing has moved for too long: found, reset, in the end stalled."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import timedelta

from django.db import connection, transaction

from apps.accounts import audit
from apps.accounts.models import User
from apps.campaigns.models import Campaign
from apps.campaigns.services import batching, history, lifecycle, restore_guard, standstill
from apps.campaigns.services.gates import THAWED
from apps.smtp.services import breaker
from core import jobs

log = logging.getLogger(__name__)

MAX_RESETS = 3


@dataclass(frozen=True, slots=True)
class StuckCampaign:
    """A campaign that does not move although it could."""

    campaign_id: int
    name: str
    state: str
    reason: str
    quiet_for: timedelta
    resets: int


ACCOUNT_WAITS = breaker.WAITS.format("d.transport_id")
# Waiting for due_at, for the account (its limits, its trouble, somebody to switch it on), a pause or a stall is not
# stuck: something must be possible now.
_FIND = f"""
SELECT k.id, k.name, k.state,
       CASE WHEN k.state = 'preparing' THEN 'slice_not_made'
            WHEN EXISTS (SELECT 1 FROM campaigns_delivery d WHERE d.campaign_id = k.id AND d.kind = 'campaign'
                         AND d.state IN ('leased', 'sending') AND d.lease_until < now()) THEN 'lease_ended'
            ELSE 'letters_due' END,
       now() - q.last_move, k.resets
FROM campaigns_campaign k CROSS JOIN LATERAL (
  SELECT greatest(k.moved_at, (SELECT max(d.moved_at) FROM campaigns_delivery d
                               WHERE d.campaign_id = k.id AND d.kind = 'campaign')) AS last_move) q
WHERE k.state IN ('preparing', 'sending') AND q.last_move < now() - %s * interval '1 second' AND {THAWED}
  AND (k.state = 'preparing' OR EXISTS (
    SELECT 1 FROM campaigns_delivery d WHERE d.campaign_id = k.id AND d.kind = 'campaign'
    AND EXISTS (SELECT 1 FROM smtp_transport t WHERE t.id = d.transport_id AND t.is_active)
    AND ((d.state = 'queued' AND d.due_at <= now() AND NOT {ACCOUNT_WAITS})
      OR (d.state IN ('leased', 'sending') AND d.lease_until < now()))))
ORDER BY k.id
"""  # noqa: S608 - the fragment is a constant


def find(timeout: timedelta) -> list[StuckCampaign]:
    """Return the campaigns that have been stuck for at least the timeout."""
    with connection.cursor() as cursor:
        cursor.execute(_FIND, [timeout.total_seconds()])
        return [StuckCampaign(*row) for row in cursor.fetchall()]


def reset(stuck: StuckCampaign, *, by: User | None = None) -> bool:
    """Set one stuck campaign going again; its state stays. The fourth time without progress in between it is stalled.

    Ended leases go back to queued and every waiting letter and batch is rung anew; letters after the marker,
    unconfirmed ones, attempts and future due times stay as they are.

    Returns False when it was stalled instead, or failed where its audience could not be frozen.
    """
    if stuck.resets >= MAX_RESETS:
        if stuck.state == "preparing":
            standstill.give_up(stuck.campaign_id, reason="not_prepared")
        else:
            standstill.stall(stuck.campaign_id, reason="no_progress")
        return False
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            "SELECT 1 FROM campaigns_campaign WHERE id = %s AND state = %s FOR UPDATE",
            [stuck.campaign_id, stuck.state],
        )
        if not cursor.rowcount:
            return True  # it moved on meanwhile
        cursor.execute(
            """UPDATE campaigns_delivery SET state = 'queued', token = token + 1, owner = '', rung_at = NULL,
                   lease_until = NULL, moved_at = moved_at
               WHERE campaign_id = %s AND state IN ('leased', 'sending') AND lease_until < now()""",
            [stuck.campaign_id],
        )
        leases = cursor.rowcount
        lifecycle.forget_rings(stuck.campaign_id)
        cursor.execute(
            "UPDATE campaigns_campaign SET rung_at = NULL, resets = resets + 1, moved_at = now() WHERE id = %s",
            [stuck.campaign_id],
        )
        history.note(stuck.campaign_id, "reset", by=by, reason=stuck.reason, leases=leases)
        if by is not None:
            audit.note("campaign_reset", workspace=_workspace_of(stuck.campaign_id), by=by, target=stuck.name)
        if stuck.state == "preparing":
            jobs.ring(lifecycle.SEND_CAMPAIGN, stuck.campaign_id)
        else:
            jobs.ring_each(batching.BATCH, [(batch_id,) for batch_id in batching.next_batches(stuck.campaign_id)])
    return True


@dataclass(frozen=True, slots=True)
class OpenAccount:
    """A campaign of which nothing is pending, and that cannot close because letters are missing or too many."""

    campaign_id: int
    name: str
    audience: int
    letters: int
    is_noted: bool


def open_accounts() -> list[OpenAccount]:
    """Return the campaigns that can never close by themselves: their states do not make their audience."""
    with connection.cursor() as cursor:
        cursor.execute(
            # Letters are counted only of campaigns of which nothing is pending: of one under way they may be a million.
            """WITH still AS MATERIALIZED (
                 SELECT k.id, k.name, coalesce(k.audience_size, 0) AS audience FROM campaigns_campaign k
                 WHERE (k.state IN ('sending', 'paused', 'stalled')
                        OR (k.state = 'cancelled' AND k.finished_at IS NULL))
                   AND NOT EXISTS (SELECT 1 FROM campaigns_delivery d
                                   WHERE d.campaign_id = k.id AND d.kind = 'campaign'
                                     AND d.state IN ('queued', 'leased', 'sending', 'committing')))
               SELECT k.id, k.name, k.audience, c.letters,
                      EXISTS (SELECT 1 FROM campaigns_campaignentry e
                              WHERE e.campaign_id = k.id AND e.kind = 'does_not_add_up')
               FROM still k CROSS JOIN LATERAL (
                 SELECT count(*) AS letters FROM campaigns_delivery d
                 WHERE d.campaign_id = k.id AND d.kind = 'campaign') c
               WHERE k.audience <> c.letters ORDER BY k.id"""
        )
        return [OpenAccount(*row) for row in cursor.fetchall()]


def note_open_accounts() -> list[OpenAccount]:
    """Say once of each such campaign that it cannot close, in the log and in its history; return those."""
    noted = [one for one in open_accounts() if not one.is_noted]
    for one in noted:
        history.note(one.campaign_id, "does_not_add_up", audience=one.audience, letters=one.letters)
        log.critical(
            "Campaign %d cannot close: its audience is %d, its letters are %d",
            one.campaign_id,
            one.audience,
            one.letters,
        )
    return noted


def _workspace_of(campaign_id: int) -> int:
    return int(Campaign.objects.values_list("workspace_id", flat=True).get(pk=campaign_id))


def wake() -> int:
    """Let stalled campaigns go on for which a mail worker has come up since; return how many.

    A worker that was there all along and carried nothing is no reason: then a person has to look.
    """
    if restore_guard.state() is not None:
        return 0
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT k.id FROM campaigns_campaign k WHERE k.state = 'stalled' AND k.state_reason <> 'account'
               AND EXISTS (
                 SELECT 1 FROM core_workerprocess p WHERE p.started_at > k.moved_at AND p.queues LIKE '%email%'
                   AND p.seen_at > now() - interval '2 minutes')"""
        )
        found = [row[0] for row in cursor.fetchall()]
    return sum(standstill.wake(campaign_id) for campaign_id in found)


def check(timeout: timedelta) -> list[StuckCampaign]:
    """Find and reset, and forgive earlier resets of campaigns that moved since; return what was stuck."""
    wake()
    note_open_accounts()
    with connection.cursor() as cursor:
        cursor.execute(
            """UPDATE campaigns_campaign k SET resets = 0 WHERE k.resets > 0 AND k.state IN ('preparing', 'sending')
               AND EXISTS (SELECT 1 FROM campaigns_delivery d WHERE d.campaign_id = k.id AND d.moved_at > k.moved_at
                           AND d.state IN ('sent', 'failed', 'skipped', 'expired', 'unconfirmed'))"""
        )
    found = find(timeout)
    for stuck in found:
        reset(stuck)
    return found
