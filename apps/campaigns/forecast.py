"""When a campaign will be done: the likely time, its worst case, and what holds it back."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from django.utils import formats
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from apps.campaigns.models import Campaign
from apps.campaigns.pace_graph import Graph, limit_of
from apps.campaigns.tally import Lane, Pace, Tally
from apps.smtp import mx_groups

MINUTE = dt.timedelta(minutes=1)
# Until then nobody can say anything: workers wake up, connections are opened.
EARLY = dt.timedelta(seconds=20)
FEW = 5
LONGEST = dt.timedelta(days=60)


@dataclass(frozen=True, slots=True)
class Forecast:
    """When it will be done, as far as its pace tells.

    `per_minute` is None while it is too early to say; `done_about` too where nothing moves.
    """

    per_minute: float | None
    done_about: dt.datetime | None
    no_later_than: dt.datetime | None
    held_back_by: str


def of(campaign: Campaign, tally: Tally, graph: Graph) -> Forecast:
    """Return what can be said about the end of a campaign that is being sent."""
    rate = _rate(tally.pace)
    likely = _done(tally, _over_long(campaign, tally, rate))
    slowest = min((one for one in (rate, graph.slowest, float(tally.pace.mean_per_minute)) if one), default=None)
    worst = _done(tally, _over_long(campaign, tally, slowest))
    if likely and worst and worst < likely + MINUTE:
        worst = None
    return Forecast(rate, likely, worst, _held_back_by(campaign, tally, rate) if rate else "")


def _rate(pace: Pace) -> float | None:
    """Return emails a minute: the last minute where it says something, else the mean."""
    if pace.going_for < EARLY:
        return None
    if pace.last_minute >= FEW:
        return pace.last_minute / (min(pace.going_for, MINUTE) / MINUTE)
    if pace.going_for >= MINUTE and pace.mean_per_minute:
        return float(pace.mean_per_minute)
    return float(pace.last_minute) if pace.going_for >= MINUTE and pace.last_minute else None


def _done(tally: Tally, per_minute: float | None) -> dt.datetime | None:
    """Return when the pending emails are through at a pace, not before the last of them may be tried again."""
    if not per_minute or not tally.account.pending:
        return None
    length = min(tally.account.pending / per_minute * MINUTE, LONGEST)
    return max(tally.pace.now + length, tally.pace.last_due_at or tally.pace.now)


def _over_long(campaign: Campaign, tally: Tally, per_minute: float | None) -> float | None:
    """Return the pace with the limits of an hour and a day, which may be used up at once and then hold everything."""
    if not per_minute or campaign.transport is None:
        return per_minute
    quotas = ((campaign.transport.per_hour, 60), (campaign.transport.per_day, 24 * 60))
    return min([per_minute, *(limit / minutes for limit, minutes in quotas if limit and tally.account.pending > limit)])


def _held_back_by(campaign: Campaign, tally: Tally, rate: float) -> str:
    transport, account = campaign.transport, tally.account
    lane = _slow_lane(tally)
    if lane is not None and account.waiting * 2 >= account.pending:
        who = mx_groups.NAMES.get(lane.mx_group, "") or _("Everyone else")
        waiting = ngettext("%(who)s, %(n)s email waits", "%(who)s, %(n)s emails wait", lane.account.waiting)
        return waiting % {"who": who, "n": _grouped(lane.account.waiting)}
    if transport is not None:
        limit = limit_of(transport.limits)
        if limit and rate >= limit * 0.8:
            return _("The limit of %(name)s, %(n)s a minute") % {"name": transport.name, "n": _grouped(limit)}
        if transport.per_hour and account.pending > transport.per_hour:
            return _("The limit of %(name)s, %(n)s an hour") % {
                "name": transport.name,
                "n": _grouped(transport.per_hour),
            }
        if transport.per_day and account.pending > transport.per_day:
            return _("The limit of %(name)s, %(n)s a day") % {"name": transport.name, "n": _grouped(transport.per_day)}
    return _("Nothing: it goes as fast as the workers do")


def _slow_lane(tally: Tally) -> Lane | None:
    waiting = [lane for lane in tally.lanes if lane.account.waiting]
    return max(waiting, key=lambda lane: lane.account.waiting, default=None)


def _grouped(count: float) -> str:
    return formats.number_format(int(count), force_grouping=True)
