"""The pace of a campaign as a line with words on its dips, from the samples that `measuring` took."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

from django.db import connection
from django.utils import formats, timezone
from django.utils.translation import gettext as _

from apps.campaigns.models import Campaign, CampaignEntry
from apps.campaigns.tally import Pace
from apps.smtp import mx_groups
from apps.smtp.models import Transport
from apps.smtp.outcome import FailureClass
from apps.smtp.throttle import Limits

POINTS = 80
LONGEST = dt.timedelta(hours=6)
FINEST = dt.timedelta(seconds=15)
# A dip is told in words when the pace falls below this share of what is usual.
DIP = 0.7
MARKS = 3
MINUTE = dt.timedelta(minutes=1)

# One sample per stretch, the last of it; the one before the first gives its difference.
_SAMPLES = """
SELECT DISTINCT ON (date_bin(%(stretch)s * interval '1 second', s.at, 'epoch'::timestamptz))
       s.at, s.tried, s.waiting, s.held_by
FROM campaigns_pacesample s WHERE s.campaign_id = %(campaign)s AND s.at > %(since)s
ORDER BY date_bin(%(stretch)s * interval '1 second', s.at, 'epoch'::timestamptz), s.at DESC
"""


@dataclass(frozen=True, slots=True)
class Point:
    """How many emails a minute met their end, up to this moment."""

    at: dt.datetime
    per_minute: float


@dataclass(frozen=True, slots=True)
class Mark:
    """What slowed it down, in words."""

    at: dt.datetime
    until: dt.datetime
    words: str


@dataclass(frozen=True, slots=True)
class Graph:
    """A line, the limit above it, and the words on it."""

    points: tuple[Point, ...]
    marks: tuple[Mark, ...]
    limit: float | None
    usual: float
    slowest: float

    @property
    def is_empty(self) -> bool:
        """Whether there is too little to draw."""
        return len(self.points) < 3


@dataclass(frozen=True, slots=True)
class _Sample:
    at: dt.datetime
    tried: int
    waiting: dict[str, int]
    held_by: str


def limit_of(limits: Limits) -> float | None:
    """Return how many emails a minute an account may carry at an even pace; None where there is no such limit."""
    steady = [limits.per_second * 60.0] if limits.per_second else []
    steady += [float(limits.per_minute)] if limits.per_minute else []
    return min(steady, default=None)


def of(campaign: Campaign, pace: Pace) -> Graph:
    """Return a campaign's graph up to now."""
    since = max(campaign.started_at or pace.now, pace.now - LONGEST)
    stretch = max((pace.now - since) / POINTS, FINEST)
    samples = [*_samples(campaign.pk, since, stretch), _Sample(pace.now, pace.tried, {}, "")]
    points = _points(samples, stretch)
    if points and pace.going_for >= MINUTE:
        # The last stretch is only begun; what the line ends with is what the page says beside it.
        points[-1] = Point(pace.now, float(pace.last_minute))
    moving = [point.per_minute for point in points if point.per_minute > 0]
    usual = median(moving) if moving else 0.0
    return Graph(
        points=tuple(points),
        marks=tuple(_marks(campaign, samples, points, usual)),
        limit=limit_of(campaign.transport.limits) if campaign.transport else None,
        usual=usual,
        slowest=min(moving[1:-1] or moving, default=0.0),
    )


def _samples(campaign_id: int, since: dt.datetime, stretch: dt.timedelta) -> list[_Sample]:
    with connection.cursor() as cursor:
        cursor.execute(_SAMPLES, {"campaign": campaign_id, "since": since, "stretch": stretch.total_seconds()})
        return [
            _Sample(at, tried, waiting if isinstance(waiting, dict) else json.loads(waiting), held_by)
            for at, tried, waiting, held_by in cursor.fetchall()
        ]


def _points(samples: list[_Sample], stretch: dt.timedelta) -> list[Point]:
    points: list[Point] = []
    for before, after in pairwise(samples):
        length = after.at - before.at
        if length < FINEST / 3:
            continue  # the moment just now, hardly after the last sample
        if length > 4 * max(stretch, MINUTE) and after.tried == before.tried:
            points += [Point(before.at, 0.0), Point(after.at, 0.0)]  # it stood still
            continue
        points.append(Point(after.at, max(after.tried - before.tried, 0) / (length / MINUTE)))
    return points


def _marks(campaign: Campaign, samples: list[_Sample], points: list[Point], usual: float) -> list[Mark]:
    paused = _pauses(campaign, samples)
    marks: list[Mark] = []
    by_moment = {sample.at: sample for sample in samples}
    dip: list[Point] = []
    for point in [*points, Point(samples[-1].at, usual)]:
        if usual and point.per_minute < usual * DIP:
            dip.append(point)
            continue
        if dip and (words := _words(dip, by_moment, samples, paused)):
            marks.append(Mark(dip[0].at, dip[-1].at, words))
        dip = []
    marks.sort(key=lambda mark: mark.at - mark.until)
    return sorted(marks[:MARKS], key=lambda mark: mark.at)


def _words(dip: list[Point], by_moment: dict[dt.datetime, _Sample], samples: list[_Sample], paused: list[Mark]) -> str:
    """Say why it went slowly: a person paused it, the account stood still, or a provider put emails off."""
    for pause in paused:
        if pause.at <= dip[-1].at and pause.until >= dip[0].at - FINEST * 2:
            return pause.words
    within = [by_moment[point.at] for point in dip if point.at in by_moment]
    if held := next((sample.held_by for sample in within if sample.held_by), ""):
        return {
            "account": _("The account was in trouble"),
            "off": _("The account was switched off"),
            "limit": _("The account’s limit was used up"),
        }.get(held, "")
    before = next((sample for sample in reversed(samples) if sample.at < dip[0].at), None)
    grown: dict[str, int] = {}
    for sample in within:
        for why, letters in sample.waiting.items():
            more = letters - (before.waiting.get(why, 0) if before else 0)
            grown[why] = max(grown.get(why, 0), more)
    most = max(grown, key=lambda why: grown[why], default="")
    return slowed_by(most) if most and grown[most] > 0 else ""


def slowed_by(why: str) -> str:
    """Return in words what "provider:failure class" means for the pace."""
    group, _colon, failure = why.partition(":")
    return waiting_because(group, failure)


def waiting_because(mx_group: str, failure: str) -> str:
    """Return in a few words why letters to a provider wait for another try."""
    who = mx_groups.NAMES.get(mx_group, "")
    match failure:
        case "second_try":
            return _("Somebody asked for a second try")
        case FailureClass.POLICY_RATE:
            return _("%(who)s asked to slow down") % {"who": who} if who else _("Servers asked to slow down")
        case FailureClass.TRANSIENT_DEST:
            return _("%(who)s was busy") % {"who": who} if who else _("Receiving servers were busy or out of reach")
        case FailureClass.QUOTA:
            return _("Mailboxes were full")
        case FailureClass.ACCOUNT:
            return _("The sending account could not send")
        case FailureClass.AMBIGUOUS:
            return _("The connection broke at the last moment")
        case FailureClass.TRANSIENT_RECIPIENT:
            return _("%(who)s wants us to come back later") % {"who": who} if who else _("Asked to come back later")
        case FailureClass.PROTOCOL:
            return _("The server’s answer made no sense")
        case _:
            return _("Asked to come back later")


def _pauses(campaign: Campaign, samples: list[_Sample]) -> list[Mark]:
    """Return when the campaign stood still because its gate was closed."""
    entries = CampaignEntry.objects.filter(
        campaign=campaign, kind__in=["paused", "resumed", "stalled", "cancelled"], at__gte=samples[0].at - LONGEST
    ).order_by("at", "pk")
    pauses: list[Mark] = []
    since: tuple[dt.datetime, str] | None = None
    for entry in entries:
        if entry.kind in ("paused", "stalled"):
            since = (entry.at, _("Paused") if entry.kind == "paused" else _("It stopped"))
        elif since:
            pauses.append(Mark(since[0], entry.at, since[1]))
            since = None
    return [*pauses, Mark(since[0], samples[-1].at, since[1])] if since else pauses


def limit_words(transport: Transport, limit: float | None) -> tuple[str, str]:
    """Return what stands on the dotted line: on a wide screen and on a phone."""
    if limit is None:
        return "", ""
    values = {"name": transport.name, "n": _grouped(limit)}
    return _("limit of %(name)s: %(n)s a minute") % values, _("limit %(n)s") % values


def sentence(graph: Graph) -> str:
    """Say the drawing in words."""
    if graph.is_empty:
        return ""
    begun = {"at": _clock(graph.points[0].at), "usual": _grouped(graph.usual)}
    said = [_("Emails a minute since %(at)s: about %(usual)s.") % begun]
    if graph.limit:
        said.append(_("The limit is %(n)s.") % {"n": _grouped(graph.limit)})
    for mark in graph.marks:
        values = {"from": _clock(mark.at), "until": _clock(mark.until), "why": mark.words}
        said.append(_("From %(from)s to %(until)s it went more slowly: %(why)s.") % values)
    return " ".join(said)


def table(graph: Graph) -> list[tuple[Point, str]]:
    """Return the drawing as rows, the newest first, with what slowed it down."""
    rows = []
    for point in reversed(graph.points):
        words = next((mark.words for mark in graph.marks if mark.at <= point.at <= mark.until), "")
        rows.append((point, words))
    return rows


def _clock(at: dt.datetime) -> str:
    return timezone.localtime(at).strftime("%H:%M")


def _grouped(count: float) -> str:
    return formats.number_format(round(count), force_grouping=True)
