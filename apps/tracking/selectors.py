"""What came back, counted: every number can be recomputed from the events, every rate names its denominator."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from django.db import connection
from django.db.models import Max

from apps.campaigns.models import Campaign, ContentVersion, Delivery
from apps.campaigns.states import DeliveryKind, DeliveryState
from apps.tracking.machines import BURST_LINKS, BURST_SECONDS
from apps.tracking.models import Event


# The first clicks of a burst came before it could be seen as one; rows are never changed, so they are judged here.
def judged_clicks(narrowed: str = "") -> str:
    """Return the tables (WITH …) whose last one, `judged`, holds every click of a campaign with its verdict.

    Args:
        narrowed: a further condition on the event `e`, a constant.
    """
    return f"""
clicks AS (SELECT e.id, e.delivery_id, e.link, e.at, e.is_machine FROM tracking_event e
           JOIN campaigns_delivery d ON d.id = e.delivery_id AND d.state = 'sent'
           WHERE e.campaign_id = %(campaign)s AND e.kind = 'click' {narrowed}),
busy AS (SELECT delivery_id FROM clicks GROUP BY delivery_id HAVING count(DISTINCT link) >= %(links)s),
bursts AS (SELECT s.delivery_id, s.at FROM clicks s JOIN busy USING (delivery_id)
           JOIN clicks o ON o.delivery_id = s.delivery_id
               AND o.at BETWEEN s.at AND s.at + %(window)s * interval '1 second'
           GROUP BY s.id, s.delivery_id, s.at HAVING count(DISTINCT o.link) >= %(links)s),
judged AS (SELECT c.delivery_id, c.link, c.at, c.is_machine OR EXISTS (
               SELECT 1 FROM bursts b WHERE b.delivery_id = c.delivery_id
               AND c.at BETWEEN b.at AND b.at + %(window)s * interval '1 second') AS is_machine
           FROM clicks c)
"""  # noqa: S608 - constants of this package


JUDGED_CLICKS = judged_clicks()
_CLICKS = f"""
WITH {JUDGED_CLICKS}
SELECT link, count(DISTINCT delivery_id) FILTER (WHERE NOT is_machine), count(DISTINCT delivery_id),
       count(*) FILTER (WHERE NOT is_machine), count(*)
FROM judged GROUP BY GROUPING SETS ((), (link)) ORDER BY grouping(link) DESC, link
"""  # noqa: S608 - constants of this module
_OPENS = """
SELECT count(DISTINCT e.delivery_id) FILTER (WHERE NOT e.is_machine), count(DISTINCT e.delivery_id)
FROM tracking_event e JOIN campaigns_delivery d ON d.id = e.delivery_id AND d.state = 'sent'
WHERE e.campaign_id = %(campaign)s AND e.kind = 'open'
"""
_UNSUBSCRIBED = """
SELECT count(*) FROM (
  SELECT DISTINCT ON (e.delivery_id) e.kind FROM tracking_event e
  JOIN campaigns_delivery d ON d.id = e.delivery_id AND d.state = 'sent'
  WHERE e.campaign_id = %(campaign)s AND e.kind IN ('unsubscribe', 'resubscribe')
  ORDER BY e.delivery_id, e.id DESC) latest
WHERE kind = 'unsubscribe'
"""


@dataclass(frozen=True, slots=True)
class LinkStatistics:
    """One link of the content: how many people followed it, and how often, with and without machines."""

    number: int
    url: str
    people: int
    people_and_machines: int
    clicks: int
    clicks_and_machines: int

    @property
    def clicks_by_machines(self) -> int:
        """How often machines followed it."""
        return self.clicks_and_machines - self.clicks


@dataclass(frozen=True, slots=True)
class CampaignStatistics:
    """What came back for one campaign, counted in letters that the receiving server accepted (state sent)."""

    accepted: int
    opened: int
    opened_and_machines: int
    clicked: int
    clicked_and_machines: int
    unsubscribed: int
    links: tuple[LinkStatistics, ...]

    @property
    def opened_by_machines_only(self) -> int:
        """Letters that only machines opened."""
        return self.opened_and_machines - self.opened

    @property
    def opened_by_nobody(self) -> int:
        """Accepted letters that nobody and nothing opened yet."""
        return self.accepted - self.opened_and_machines

    @property
    def clicked_by_nobody(self) -> int:
        """Accepted letters of which no link was followed yet."""
        return self.accepted - self.clicked_and_machines

    @property
    def clicked_by_machines_only(self) -> int:
        """Letters of which only machines followed a link."""
        return self.clicked_and_machines - self.clicked


def campaign_statistics(campaign_id: int) -> CampaignStatistics:
    """Return what came back for a campaign's letters; test letters count nowhere.

    The denominator of every rate is `accepted`: letters in state sent.
    """
    values = {"campaign": campaign_id, "links": BURST_LINKS, "window": BURST_SECONDS}
    with connection.cursor() as cursor:
        cursor.execute(_OPENS, values)
        opened, opened_and_machines = cursor.fetchone()
        cursor.execute(_CLICKS, values)
        (_all, clicked, clicked_and_machines, _clicks, _machine_clicks), *per_link = cursor.fetchall()
        cursor.execute(_UNSUBSCRIBED, values)
        (unsubscribed,) = cursor.fetchone()
    accepted = Delivery.objects.filter(
        campaign_id=campaign_id, kind=DeliveryKind.CAMPAIGN, state=DeliveryState.SENT
    ).count()
    urls = _urls(campaign_id)
    counted = {number: counts for number, *counts in per_link if number is not None}
    links = tuple(LinkStatistics(n, url, *counted.get(n, (0, 0, 0, 0))) for n, url in enumerate(urls))
    return CampaignStatistics(accepted, opened, opened_and_machines, clicked, clicked_and_machines, unsubscribed, links)


def _urls(campaign_id: int) -> list[str]:
    content_id = Campaign.objects.values_list("content_id", flat=True).filter(pk=campaign_id).first()
    return ContentVersion.objects.values_list("links", flat=True).filter(pk=content_id or 0).first() or []


def last_opens(contact_ids: Collection[int]) -> dict[int, datetime]:
    """Return when each of some people last opened a letter themselves; machines do not count."""
    opened = Event.objects.filter(delivery__contact__in=list(contact_ids), kind=Event.Kind.OPEN, is_machine=False)
    return dict(opened.order_by().values_list("delivery__contact").annotate(last=Max("at")))
