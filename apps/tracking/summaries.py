"""What came back for several campaigns at once: the figures of the home page; the same rules as a campaign's report."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Sequence
from dataclasses import dataclass, fields

from django.db import OperationalError, connection, transaction

from apps.accounts.models import Workspace
from apps.campaigns.came_back import CameBack
from apps.tracking.machines import BURST_LINKS, BURST_SECONDS
from core import clock

Values = dict[str, list[int] | int | float]
# A list of campaigns is worth no more waiting than this for its figures; the reports have them all the same.
PATIENCE_SECONDS = 2

_STARTED = """
SELECT id FROM campaigns_campaign
WHERE workspace_id = %s AND started_at > %s
"""
_LETTERS = """
SELECT count(*), count(*) FILTER (WHERE state = 'sent') FROM campaigns_delivery
WHERE campaign_id = ANY(%(campaigns)s) AND kind = 'campaign'
"""
_OPENED = """
SELECT e.campaign_id, count(DISTINCT e.delivery_id)
FROM tracking_event e JOIN campaigns_delivery d ON d.id = e.delivery_id AND d.state = 'sent'
WHERE e.campaign_id = ANY(%(campaigns)s) AND e.kind = 'open' AND NOT e.is_machine GROUP BY 1
"""
# Several links within a moment are a machine's, also the first of them (see selectors.py).
_JUDGED = """
WITH clicks AS (SELECT e.id, e.campaign_id, e.delivery_id, e.link, e.at, e.is_machine FROM tracking_event e
                JOIN campaigns_delivery d ON d.id = e.delivery_id AND d.state = 'sent'
                WHERE e.campaign_id = ANY(%(campaigns)s) AND e.kind = 'click'),
busy AS (SELECT delivery_id FROM clicks GROUP BY delivery_id HAVING count(DISTINCT link) >= %(links)s),
bursts AS (SELECT s.delivery_id, s.at FROM clicks s JOIN busy USING (delivery_id)
           JOIN clicks o ON o.delivery_id = s.delivery_id
               AND o.at BETWEEN s.at AND s.at + %(window)s * interval '1 second'
           GROUP BY s.id, s.delivery_id, s.at HAVING count(DISTINCT o.link) >= %(links)s),
judged AS (SELECT c.campaign_id, c.delivery_id, c.is_machine OR EXISTS (
               SELECT 1 FROM bursts b WHERE b.delivery_id = c.delivery_id
               AND c.at BETWEEN b.at AND b.at + %(window)s * interval '1 second') AS is_machine
           FROM clicks c)
"""
_CLICKED = f"{_JUDGED} SELECT count(DISTINCT delivery_id) FROM judged WHERE NOT is_machine"  # noqa: S608
_BY_CAMPAIGN = f"""
{_JUDGED}
SELECT campaign_id, 0, 0, count(DISTINCT delivery_id) FILTER (WHERE NOT is_machine), count(DISTINCT delivery_id)
FROM judged GROUP BY 1
UNION ALL
SELECT e.campaign_id, count(DISTINCT e.delivery_id) FILTER (WHERE NOT e.is_machine), count(DISTINCT e.delivery_id), 0, 0
FROM tracking_event e JOIN campaigns_delivery d ON d.id = e.delivery_id AND d.state = 'sent'
WHERE e.campaign_id = ANY(%(campaigns)s) AND e.kind = 'open' GROUP BY 1
"""  # noqa: S608 - constants of this module
_LEFT = """
SELECT count(*) FROM (
  SELECT DISTINCT ON (e.delivery_id) e.kind FROM tracking_event e
  JOIN campaigns_delivery d ON d.id = e.delivery_id AND d.state = 'sent'
  WHERE e.campaign_id = ANY(%(campaigns)s) AND e.kind IN ('unsubscribe', 'resubscribe')
  ORDER BY e.delivery_id, e.id DESC) latest
WHERE kind = 'unsubscribe'
"""


@dataclass(frozen=True, slots=True)
class Summary:
    """Several campaigns together; opened, clicked and left are counted in accepted letters."""

    campaigns: int
    audience: int
    accepted: int
    opened: int
    clicked: int
    left: int


def since(workspace: Workspace, age: dt.timedelta) -> Summary:
    """Return what a workspace's campaigns that began within this time have come to."""
    with connection.cursor() as cursor:
        cursor.execute(_STARTED, [workspace.pk, clock.now() - age])
        started = [pk for (pk,) in cursor.fetchall()]
        if not started:
            return Summary(0, 0, 0, 0, 0, 0)
        values: dict[str, list[int] | int | float] = {
            "campaigns": started,
            "links": BURST_LINKS,
            "window": BURST_SECONDS,
        }
        cursor.execute(_LETTERS, values)
        audience, accepted = cursor.fetchone()
        cursor.execute(_CLICKED, values)
        (clicked,) = cursor.fetchone()
        cursor.execute(_LEFT, values)
        (left,) = cursor.fetchone()
    opened = sum(opened_by_people(started).values())
    return Summary(len(started), audience, accepted, opened, clicked, left)


def opened_by_people(campaign_ids: Sequence[int]) -> dict[int, int]:
    """Return for each campaign how many of its accepted letters people opened; campaigns nobody opened are absent."""
    if not campaign_ids:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(_OPENED, {"campaigns": list(campaign_ids)})
        return dict(cursor.fetchall())


def came_back(campaign_ids: Collection[int]) -> dict[int, CameBack] | None:
    """Return what came back for each of some campaigns, in one statement; None when that takes too long.

    Campaigns for which nothing came back are absent.
    """
    values: Values = {"campaigns": list(campaign_ids), "links": BURST_LINKS, "window": BURST_SECONDS}
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(f"SET LOCAL statement_timeout = '{PATIENCE_SECONDS}s'")
            cursor.execute(_BY_CAMPAIGN, values)
            rows = cursor.fetchall()
            cursor.execute("SET LOCAL statement_timeout = 0")
    except OperationalError:
        return None
    found: dict[int, CameBack] = {}
    for campaign_id, *counts in rows:
        before = found.get(campaign_id, CameBack())
        names = (field.name for field in fields(CameBack))
        found[campaign_id] = CameBack(
            **{name: getattr(before, name) + count for name, count in zip(names, counts, strict=True)}
        )
    return found
