"""Freezing the audience: one restartable INSERT … SELECT per slice, and a count of everyone left out and why."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db import connection, transaction

from apps.campaigns.models import Batch, Campaign
from apps.campaigns.states import CampaignState
from apps.smtp import mx_groups

# More people than that are counted as so many.
MOST_JUDGED = 2_000_000
# From so many letters on the planner is told of them at once.
LARGE = 5_000
LEFT_OUT_REASONS = ("excluded", "unsubscribed", "unconfirmed", "suppressed", "duplicate")


@dataclass(frozen=True, slots=True)
class Slice:
    """What one step made: its batch (None when nobody of the slice gets a letter), and whether it was the last."""

    batch_id: int | None
    is_last: bool


# People on any of the lists, in the order of their number; each is judged once, strongest reason first. A person on
# several lists gets one letter; the other memberships are counted as duplicates.
_CANDIDATES = """
WITH candidate AS (
  SELECT c.id, c.email, c.email_hash FROM contacts_contact c
  WHERE c.workspace_id = %(workspace)s AND c.id > %(cursor)s AND EXISTS (
    SELECT 1 FROM contacts_subscription s WHERE s.contact_id = c.id AND s.contact_list_id = ANY(%(lists)s))
  ORDER BY c.id LIMIT %(limit)s
), judged AS (
  SELECT candidate.*, m.confirmed, m.via,
    CASE WHEN EXISTS (SELECT 1 FROM contacts_suppression s
                      WHERE s.workspace_id = %(workspace)s AND s.email_hash = candidate.email_hash) THEN 'suppressed'
         WHEN m.confirmed = 0 AND m.unsubscribed > 0 THEN 'unsubscribed'
         WHEN m.confirmed = 0 THEN 'unconfirmed'
         WHEN EXISTS (SELECT 1 FROM contacts_subscription x WHERE x.contact_id = candidate.id
                      AND x.contact_list_id = ANY(%(excluded)s) AND x.state = 'confirmed') THEN 'excluded'
         ELSE '' END AS reason
  FROM candidate CROSS JOIN LATERAL (
    SELECT count(*) FILTER (WHERE s.state = 'confirmed') AS confirmed,
           count(*) FILTER (WHERE s.state = 'unsubscribed') AS unsubscribed,
           array_agg(s.contact_list_id ORDER BY s.contact_list_id) FILTER (WHERE s.state = 'confirmed') AS via
    FROM contacts_subscription s WHERE s.contact_id = candidate.id AND s.contact_list_id = ANY(%(lists)s)) m
)
"""

_INSERT = f"""{_CANDIDATES}, made AS (
  INSERT INTO campaigns_delivery (
    workspace_id, kind, campaign_id, contact_id, batch_id, content_id, transport_id, uuid, message_id,
    email, email_hash,
    mx_group, priority, policy, via_list_ids, state, reason, token, owner, due_at, expires_at,
    attempts, ambiguous_count, crash_count,
    last_stage, last_enhanced, last_text, failure, created_at, moved_at)
  SELECT %(workspace)s, 'campaign', %(campaign)s, judged.id, %(batch)s, %(content)s, %(transport)s, u.uuid,
         '<' || u.uuid || '@' || %(domain)s || '>', judged.email, judged.email_hash,
         coalesce(%(mx_groups)s::jsonb ->> split_part(lower(judged.email), '@', 2), ''),
         5, %(policy)s, CASE WHEN cardinality(%(lists)s) > 1 THEN judged.via END, 'queued', '', 0, '',
         now(), now() + %(expires_after)s, 0, 0, 0, '', '', '', '', now(), now()
  FROM judged CROSS JOIN LATERAL (SELECT gen_random_uuid() AS uuid, judged.id AS bound) u
  WHERE judged.reason = '' ORDER BY judged.id
  ON CONFLICT (campaign_id, contact_id) WHERE kind = 'campaign' DO NOTHING RETURNING 1
), left_out AS (
  INSERT INTO campaigns_leftout (campaign_id, contact_id, reason, list_ids, suppression, at)
  SELECT %(campaign)s, judged.id, judged.reason,
         CASE WHEN judged.reason = 'excluded' THEN ARRAY(
           SELECT x.contact_list_id FROM contacts_subscription x
           WHERE x.contact_id = judged.id AND x.contact_list_id = ANY(%(excluded)s) AND x.state = 'confirmed'
           ORDER BY 1) END,
         coalesce((SELECT s.reason FROM contacts_suppression s WHERE judged.reason = 'suppressed'
                   AND s.workspace_id = %(workspace)s AND s.email_hash = judged.email_hash), ''), now()
  FROM judged WHERE judged.reason <> '' ON CONFLICT DO NOTHING
)
SELECT count(*), max(id), (SELECT count(*) FROM made),
       count(*) FILTER (WHERE reason = 'excluded'), count(*) FILTER (WHERE reason = 'unsubscribed'),
       count(*) FILTER (WHERE reason = 'unconfirmed'), count(*) FILTER (WHERE reason = 'suppressed'),
       coalesce(sum(confirmed - 1) FILTER (WHERE reason = ''), 0)
FROM judged
"""  # noqa: S608 - the fragments are constants of this module


def make_slice(campaign_id: int) -> Slice | None:
    """Freeze the next slice of a campaign that is being prepared; deliveries, counts and cursor move together.

    Returns None when the campaign is not being prepared (any more). Two callers at once wait for each other on the
    campaign's row and make different slices.
    """
    with transaction.atomic():
        campaign = (
            Campaign.objects.select_for_update(no_key=True)
            .filter(pk=campaign_id, state=CampaignState.PREPARING)
            .first()
        )
        if campaign is None:
            return None
        batch = Batch.objects.create(campaign=campaign, number=campaign.batches_cut + 1)
        counts = _insert(campaign, batch)
        seen, last_id, made, *left_out = counts
        if made:
            Batch.objects.filter(pk=batch.pk).update(size=made)
            campaign.batches_cut += 1
        else:
            batch.delete()
        for reason, count in zip(LEFT_OUT_REASONS, left_out, strict=True):
            campaign.left_out[reason] = campaign.left_out.get(reason, 0) + int(count)
        is_last = seen < settings.LIMITS.slice_size
        campaign.cursor = last_id or campaign.cursor
        campaign.audience_size = (campaign.audience_size or 0) + made
        campaign.resets = 0  # it goes on
        _save(campaign)
        return Slice(batch.pk if made else None, is_last)


def tell_planner(campaign_id: int) -> None:
    """Let the database look at the letters of a large campaign now.

    Until autovacuum does, up to minutes later, every connection keeps the plans it made when the table was small, and
    would read a million rows for one letter.
    """
    if Campaign.objects.filter(pk=campaign_id, audience_size__gte=LARGE).exists():
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE campaigns_delivery")


def _insert(campaign: Campaign, batch: Batch) -> tuple[int, ...]:
    values = {
        **_who(campaign.workspace_id, campaign.audience_list_ids, campaign.excluded_list_ids),
        "cursor": campaign.cursor,
        "limit": settings.LIMITS.slice_size,
        "campaign": campaign.pk,
        "batch": batch.pk,
        "content": campaign.content_id,
        "transport": campaign.transport_id,
        "domain": campaign.message_domain,
        "policy": campaign.policy,
        "expires_after": campaign.expires_after,
        "mx_groups": json.dumps(mx_groups.BY_DOMAIN),
    }
    with connection.cursor() as cursor:
        cursor.execute(_INSERT, values)
        row: tuple[int, ...] = cursor.fetchone()
    return row


def _save(campaign: Campaign) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT now()")
        (campaign.moved_at,) = cursor.fetchone()
    campaign.save(update_fields=["cursor", "batches_cut", "left_out", "audience_size", "resets", "moved_at"])


def _who(workspace_id: int, lists: list[int], excluded: list[int]) -> dict[str, Any]:
    return {"workspace": workspace_id, "lists": list(lists), "excluded": list(excluded)}


@dataclass(frozen=True, slots=True)
class Forecast:
    """Who would get a campaign if it were sent now; every subtraction is shown."""

    on_lists: int
    excluded: int
    unsubscribed: int
    unconfirmed: int
    suppressed: int

    @property
    def audience(self) -> int:
        """How many letters would be made."""
        return self.on_lists - self.excluded - self.unsubscribed - self.unconfirmed - self.suppressed


_FORECAST = f"""{_CANDIDATES}
SELECT count(*), count(*) FILTER (WHERE reason = 'excluded'), count(*) FILTER (WHERE reason = 'unsubscribed'),
       count(*) FILTER (WHERE reason = 'unconfirmed'), count(*) FILTER (WHERE reason = 'suppressed') FROM judged
"""  # noqa: S608 - the fragments are constants of this module


def forecast(workspace_id: int, *, list_ids: list[int], excluded_list_ids: list[int]) -> Forecast:
    """Count the audience as `make_slice` would judge it now."""
    values = {**_who(workspace_id, list_ids, excluded_list_ids), "cursor": 0, "limit": MOST_JUDGED}
    with connection.cursor() as cursor:
        cursor.execute(_FORECAST, values)
        return Forecast(*cursor.fetchone())


_JUDGED = f"""{_CANDIDATES}
SELECT judged.id, judged.reason FROM judged JOIN contacts_contact p ON p.id = judged.id
WHERE (%(reason)s = 'all' OR judged.reason = %(reason)s)
  AND (%(query)s = '' OR p.email ILIKE %(like)s OR p.first_name ILIKE %(like)s OR p.last_name ILIKE %(like)s)
ORDER BY judged.id LIMIT %(shown)s
"""  # noqa: S608 - the fragments are constants of this module


def judged(
    campaign: Campaign, *, reason: str = "all", query: str = "", after: int = 0, shown: int = 50
) -> list[tuple[int, str]]:
    """Return people on a draft's lists by their number, each with the reason they are left out; "" for who gets it.

    Args:
        reason: one of `LEFT_OUT_REASONS`, "" for the audience, "all" for everybody.
        query: a piece of a name or an address.
        after: the number of the last person of the page before.
    """
    lists = list(campaign.lists.values_list("pk", flat=True))
    excluded = list(campaign.excluded_lists.values_list("pk", flat=True))
    like = query.replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_")
    values = {**_who(campaign.workspace_id, lists, excluded), "cursor": after, "limit": MOST_JUDGED}
    with connection.cursor() as cursor:
        cursor.execute(_JUDGED, {**values, "reason": reason, "query": query, "like": f"%{like}%", "shown": shown})
        return list(cursor.fetchall())
