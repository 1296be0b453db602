"""When letters left, were first opened and first followed: counted by stretches of time since sending began."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from django.db import connection
from django.utils import formats
from django.utils.translation import gettext as _

from apps.campaigns.models import Campaign
from apps.tracking.machines import BURST_LINKS, BURST_SECONDS
from apps.tracking.selectors import JUDGED_CLICKS

HOUR = dt.timedelta(hours=1)
SHORT = 2 * HOUR  # all of it within so long: told by five minutes
LONG = 48 * HOUR  # sending itself took longer: told by days
STRETCHES = {dt.timedelta(minutes=5): 24, HOUR: 48, 24 * HOUR: 60}

# Of each letter the first open and click by a person; a machine's only where no person came.
_TIMELINE = f"""
WITH {JUDGED_CLICKS},
sent AS (SELECT id, sent_at FROM campaigns_delivery
         WHERE campaign_id = %(campaign)s AND kind = 'campaign' AND state = 'sent'),
opened AS (SELECT e.delivery_id, min(e.at) FILTER (WHERE NOT e.is_machine) AS person, min(e.at) AS anything
           FROM tracking_event e JOIN sent ON sent.id = e.delivery_id
           WHERE e.campaign_id = %(campaign)s AND e.kind = 'open' GROUP BY 1),
clicked AS (SELECT delivery_id, min(at) FILTER (WHERE NOT is_machine) AS person, min(at) AS anything
            FROM judged GROUP BY 1),
moments AS (
  SELECT 'sent' AS what, sent_at AS at FROM sent WHERE sent_at IS NOT NULL
  UNION ALL SELECT CASE WHEN person IS NULL THEN 'opened_by_machines' ELSE 'opened' END, coalesce(person, anything)
            FROM opened
  UNION ALL SELECT CASE WHEN person IS NULL THEN 'clicked_by_machines' ELSE 'clicked' END, coalesce(person, anything)
            FROM clicked)
SELECT what, greatest(floor(extract(epoch FROM at - %(start)s) / 300), 0)::int, count(*) FROM moments GROUP BY 1, 2
"""  # noqa: S608 - constants of this package

WHAT = ("sent", "opened", "opened_by_machines", "clicked", "clicked_by_machines")


@dataclass(frozen=True, slots=True)
class Stretch:
    """What happened within one stretch of time."""

    start: dt.datetime
    end: dt.datetime
    sent: int = 0
    opened: int = 0
    opened_by_machines: int = 0
    clicked: int = 0
    clicked_by_machines: int = 0


@dataclass(frozen=True, slots=True)
class Timeline:
    """Stretches of one length from the start on, and what came later than the last of them."""

    step: dt.timedelta
    stretches: tuple[Stretch, ...]
    later: Stretch | None

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to draw."""
        return not self.stretches


def of(campaign: Campaign) -> Timeline:
    """Return a campaign's timeline; the sums are those of `selectors.campaign_statistics`."""
    if campaign.started_at is None:
        return Timeline(HOUR, (), None)
    fine = _fine(campaign, campaign.started_at)
    if not fine:
        return Timeline(HOUR, (), None)
    step = _step(fine)
    width = int(step / dt.timedelta(minutes=5))
    last = max(slot for _what, slot in fine)
    length = min(last // width + 1, STRETCHES[step])
    counts: dict[int, dict[str, int]] = {}
    for (what, slot), number in fine.items():
        place = counts.setdefault(min(slot // width, length), {})
        place[what] = place.get(what, 0) + number
    start = campaign.started_at
    stretches = tuple(
        Stretch(start + number * step, start + (number + 1) * step, **counts.get(number, {}))
        for number in range(length)
    )
    later = counts.get(length)
    return Timeline(step, stretches, Stretch(start + length * step, start + length * step, **later) if later else None)


def _fine(campaign: Campaign, start: dt.datetime) -> dict[tuple[str, int], int]:
    values: dict[str, int | float | dt.datetime] = {
        "campaign": campaign.pk,
        "start": start,
        "links": BURST_LINKS,
        "window": BURST_SECONDS,
    }
    with connection.cursor() as cursor:
        cursor.execute(_TIMELINE, values)
        return {(what, slot): number for what, slot, number in cursor.fetchall()}


def _step(fine: dict[tuple[str, int], int]) -> dt.timedelta:
    five = dt.timedelta(minutes=5)
    last_sent = max((slot for what, slot in fine if what == "sent"), default=0) * five
    if last_sent > LONG:
        return 24 * HOUR
    return five if max(slot for _what, slot in fine) * five < SHORT else HOUR


def labelled(found: Timeline) -> list[int]:
    """Return which stretches bear words: about four."""
    length = len(found.stretches)
    every = max(length // 4, 1)
    if found.step == HOUR and length > 12:
        every = 6 * max(length // 24, 1)
    return list(range(0, length, every))


def label(found: Timeline, number: int) -> str:
    """Return what stands under a stretch: how long after the beginning it begins."""
    if not number:
        return _("start")
    if found.step < HOUR:
        return _("+%(n)d min") % {"n": number * found.step // dt.timedelta(minutes=1)}
    if found.step == HOUR:
        return _("+%(n)d h") % {"n": number}
    return _("+%(n)d d") % {"n": number}


def sentences(found: Timeline) -> dict[str, str]:
    """Say each drawing in words: how many, and when most."""
    if found.is_empty:
        return {}
    return {
        "sent": _said(found, _("Sent: %(n)s, most of them from %(when)s."), "sent"),
        "opens": " ".join(
            (
                _said(found, _("First opens by people: %(n)s, most of them from %(when)s."), "opened"),
                _said(found, _("Only by machines: %(n)s, most of them from %(when)s."), "opened_by_machines"),
            )
        ).strip(),
        "clicks": " ".join(
            (
                _said(found, _("First clicks by people: %(n)s, most of them from %(when)s."), "clicked"),
                _said(found, _("Only by machines: %(n)s, most of them from %(when)s."), "clicked_by_machines"),
            )
        ).strip(),
    }


def _said(found: Timeline, words: str, what: str) -> str:
    counts = [getattr(one, what) for one in found.stretches]
    if not sum(counts):
        return ""
    when = label(found, counts.index(max(counts)))
    return words % {"n": formats.number_format(sum(counts), force_grouping=True), "when": when}
