"""On what people read, and which machines came: told from what their programs say of themselves."""

from __future__ import annotations

from dataclasses import dataclass

from django.db import connection
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

DEVICES: dict[str, str | Promise] = {
    "phone": _("Phone"),
    "computer": _("Computer"),
    "tablet": _("Tablet"),
    "hidden": _("Hidden by the mail provider"),
}
# Each person once, by the first open or click. Providers that fetch pictures for their readers hide the device.
_DEVICES = """
SELECT device, count(*) FROM (
  SELECT DISTINCT ON (e.delivery_id) CASE
    WHEN e.user_agent = '' OR e.user_agent ~* 'imageproxy|mailproxy|ggpht' THEN 'hidden'
    WHEN e.user_agent ~* 'ipad|tablet|kindle|silk' OR (e.user_agent ~* 'android' AND e.user_agent !~* 'mobile')
      THEN 'tablet'
    WHEN e.user_agent ~* 'iphone|ipod|mobile|windows phone' THEN 'phone'
    ELSE 'computer' END AS device
  FROM tracking_event e JOIN campaigns_delivery d ON d.id = e.delivery_id AND d.state = 'sent'
  WHERE e.campaign_id = %s AND e.kind IN ('open', 'click') AND NOT e.is_machine
  ORDER BY e.delivery_id, e.user_agent ~* 'imageproxy|mailproxy|ggpht', e.at) firsts
GROUP BY 1
"""
# Letters that only machines opened: was one of them a mail app that fetches in advance?
_MACHINES = """
SELECT count(*) FILTER (WHERE fetched), count(*) FILTER (WHERE NOT fetched) FROM (
  SELECT bool_or(e.machine_reason = 'prefetch') AS fetched
  FROM tracking_event e JOIN campaigns_delivery d ON d.id = e.delivery_id AND d.state = 'sent'
  WHERE e.campaign_id = %s AND e.kind = 'open' GROUP BY e.delivery_id HAVING bool_and(e.is_machine)) letters
"""
# Nobody tells us which letter somebody complained of; these did after they got this one.
_COMPLAINED = """
SELECT count(*) FROM contacts_suppression s JOIN campaigns_delivery d
  ON d.email_hash = s.email_hash AND d.workspace_id = s.workspace_id AND s.created_at >= d.sent_at
WHERE d.campaign_id = %s AND d.kind = 'campaign' AND d.state = 'sent' AND s.reason = 'complaint'
"""


@dataclass(frozen=True, slots=True)
class Readers:
    """Who and what read: people by device, and the machines that came alone."""

    devices: tuple[tuple[str | Promise, int], ...]
    fetched_in_advance: int
    scanned: int
    complained: int

    @property
    def people(self) -> int:
        """How many people opened or clicked."""
        return sum(count for _device, count in self.devices)


def of(campaign_id: int) -> Readers:
    """Return who and what read a campaign's letters."""
    with connection.cursor() as cursor:
        cursor.execute(_DEVICES, [campaign_id])
        counts = dict(cursor.fetchall())
        cursor.execute(_MACHINES, [campaign_id])
        fetched, scanned = cursor.fetchone()
        cursor.execute(_COMPLAINED, [campaign_id])
        (complained,) = cursor.fetchone()
    devices = tuple((DEVICES[name], counts[name]) for name in DEVICES if counts.get(name))
    return Readers(devices, fetched, scanned, complained)
