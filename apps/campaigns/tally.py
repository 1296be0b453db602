"""One count of a campaign's letters from which the live page and the report take everything they show.

Account, pace, lanes, replies, retries and causes are sums over the same few groups, so that they are of one moment,
cannot contradict each other, and cost one pass over the letters instead of one each.
"""

from __future__ import annotations

import datetime as dt
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

from django.conf import settings
from django.db import connection

from apps.campaigns.models import Campaign
from apps.campaigns.selectors import PART_OF_STATE, PARTS, Account
from apps.campaigns.services.aging import STOOD

# Waiting letters are told together when their next tries lie this close.
RETRIES_WITHIN = dt.timedelta(minutes=5)

# Why a letter is in its part: what a person may filter by. Sent letters and those never tried have no cause.
CAUSE_OF_STATE = """CASE
  WHEN state IN ('cancelled', 'expired') THEN state
  WHEN state IN ('skipped', 'failed', 'unconfirmed') THEN coalesce(nullif(reason, ''), failure)
  WHEN state = 'queued' AND attempts > 0 THEN CASE reason WHEN 'second_try' THEN reason ELSE failure END
  ELSE '' END"""

_TALLY = f"""
SELECT coalesce(k.audience_size, 0), k.started_at, k.moved_at, now(), d.* FROM campaigns_campaign k LEFT JOIN (
  SELECT transport_id, mx_group, {PART_OF_STATE} AS part, {CAUSE_OF_STATE} AS cause,
         state IN ('leased', 'sending', 'committing') AS in_hand,
         CASE WHEN state = 'queued' AND reason = 'second_try' THEN reason ELSE failure END,
         coalesce(last_code, 0), last_enhanced,
         CASE WHEN state = 'queued' AND attempts > 0
              THEN date_bin(%(within)s * interval '1 second', due_at, 'epoch'::timestamptz) END AS try_bin,
         count(*), count(*) FILTER (WHERE tried),
         count(*) FILTER (WHERE tried AND moved_at > now() - interval '1 minute'),
         count(*) FILTER (WHERE state = 'queued' AND due_at <= now()), max(moved_at),
         min(due_at) FILTER (WHERE state = 'queued' AND due_at > now()), max(due_at) FILTER (WHERE state = 'queued'),
         max(expires_at) FILTER (WHERE state = 'queued')
           + (SELECT {STOOD} FROM campaigns_campaign k WHERE k.id = %(campaign)s),
         min(last_text COLLATE "C")
  FROM (SELECT *, state IN ('sent', 'failed', 'expired', 'unconfirmed') AS tried FROM campaigns_delivery
        WHERE campaign_id = %(campaign)s AND kind = 'campaign') letters
  GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9
) d ON true WHERE k.id = %(campaign)s
"""  # noqa: S608 - the fragments are constants


class _Group(NamedTuple):
    transport_id: int
    mx_group: str
    part: str
    cause: str
    in_hand: bool
    failure: str
    code: int
    enhanced: str
    try_bin: dt.datetime | None
    letters: int
    tried: int
    last_minute: int
    due: int
    moved_at: dt.datetime
    next_due_at: dt.datetime | None
    last_due_at: dt.datetime | None
    last_try_until: dt.datetime | None
    text: str


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast a campaign goes, and what it waits for; counted by the database's clock.

    `last_minute` is what met its end within the last minute, `going_for` how long the gate has been open since it was
    opened last, `due` are letters that could go now and do not, `next_due_at` is when the earliest of the others may.
    """

    last_minute: int
    tried: int
    due: int
    now: dt.datetime
    going_for: dt.timedelta
    quiet_for: dt.timedelta
    mean_per_minute: int
    next_due_at: dt.datetime | None
    last_due_at: dt.datetime | None
    last_try_until: dt.datetime | None


@dataclass(frozen=True, slots=True)
class Lane:
    """What goes through one account to one receiving provider; all lanes together make the account."""

    transport_id: int
    mx_group: str
    account: Account
    last_minute: int
    failure: str


@dataclass(frozen=True, slots=True)
class Said:
    """What servers said about so many letters: class and code are the same, the words are those of one of them."""

    part: str
    failure: str
    reply: str
    letters: int


@dataclass(frozen=True, slots=True)
class Retry:
    """Letters that are tried again at about the same time for the same reason."""

    at: dt.datetime
    mx_group: str
    failure: str
    letters: int


@dataclass(frozen=True, slots=True)
class Cause:
    """Why so many letters are in one part of the account."""

    part: str
    cause: str
    letters: int


@dataclass(frozen=True, slots=True)
class Tally:
    """Everything the pages of a campaign count."""

    account: Account
    pace: Pace
    lanes: tuple[Lane, ...]
    replies: tuple[Said, ...]
    retries: tuple[Retry, ...]
    causes: tuple[Cause, ...]


def of(campaign: Campaign) -> Tally:
    """Count a campaign's letters in one pass; test letters are not among them."""
    with connection.cursor() as cursor:
        cursor.execute(_TALLY, {"campaign": campaign.pk, "within": RETRIES_WITHIN.total_seconds()})
        rows = cursor.fetchall()
    total, started_at, opened_at, now = rows[0][:4]
    groups = [_Group(*row[4:]) for row in rows if row[4] is not None]
    return Tally(
        account=_account(groups, total),
        pace=_pace(groups, started_at=started_at, opened_at=opened_at, now=now),
        lanes=_lanes(groups),
        replies=_replies(groups),
        retries=_retries(groups),
        causes=_causes(groups),
    )


# Counts of large campaigns, as (when, how long it took, what was found).
_recent: dict[int, tuple[float, float, Tally]] = {}
_REST = 5.0  # times as long as a count took, the next one waits
_KEPT = 20


def recent(campaign: Campaign) -> Tally:
    """Count for a page that asks every two seconds: a large campaign is counted again only after a rest.

    However many people look, a process keeps the database busy with it for a sixth of the time at most.
    """
    if (campaign.audience_size or 0) <= settings.LIMITS.large:
        return of(campaign)
    begun = time.monotonic()
    counted_at, cost, found = _recent.get(campaign.pk, (0.0, 0.0, None))
    if found is not None and begun - counted_at < cost * _REST:
        return found
    found = of(campaign)
    if len(_recent) >= _KEPT:
        _recent.clear()
    _recent[campaign.pk] = (time.monotonic(), time.monotonic() - begun, found)
    return found


def _account(groups: Iterable[_Group], total: int | None) -> Account:
    counts = dict.fromkeys(PARTS, 0)
    in_hand = 0
    for group in groups:
        counts[group.part] += group.letters
        in_hand += group.letters if group.in_hand else 0
    return Account(**counts, in_hand=in_hand, total=sum(counts.values()) if total is None else total)


def _pace(groups: list[_Group], *, started_at: dt.datetime | None, opened_at: dt.datetime, now: dt.datetime) -> Pace:
    tried = sum(group.tried for group in groups)
    minutes = max((now - (started_at or now)) / dt.timedelta(minutes=1), 1)
    return Pace(
        last_minute=sum(group.last_minute for group in groups),
        tried=tried,
        due=sum(group.due for group in groups),
        now=now,
        going_for=max(now - opened_at, dt.timedelta(0)),
        quiet_for=max(now - max([opened_at, *(group.moved_at for group in groups)]), dt.timedelta(0)),
        mean_per_minute=round(tried / minutes),
        next_due_at=min((group.next_due_at for group in groups if group.next_due_at), default=None),
        last_due_at=max((group.last_due_at for group in groups if group.last_due_at), default=None),
        last_try_until=max((group.last_try_until for group in groups if group.last_try_until), default=None),
    )


def _lanes(groups: list[_Group]) -> tuple[Lane, ...]:
    lanes = []
    for (transport_id, mx_group), members in _by(groups, lambda one: (one.transport_id, one.mx_group)).items():
        waiting = [one for one in members if one.part == "waiting"]
        failure = max(waiting, key=lambda one: one.letters).failure if waiting else ""
        last_minute = sum(one.last_minute for one in members)
        lanes.append(Lane(transport_id, mx_group, _account(members, None), last_minute, failure))
    # Everyone else stands last, whatever their number.
    return tuple(sorted(lanes, key=lambda one: (not one.mx_group, -one.account.total, one.mx_group)))


def _replies(groups: list[_Group], *, limit: int = 20) -> tuple[Said, ...]:
    said = []
    for (part, failure, code, enhanced), members in _by(
        [one for one in groups if one.text], lambda one: (one.part, one.failure, one.code, one.enhanced)
    ).items():
        words = (str(code) if code else "", enhanced, min(one.text for one in members))
        said.append(Said(part, failure, " ".join(word for word in words if word), _letters(members)))
    return tuple(sorted(said, key=lambda one: (-one.letters, one.reply))[:limit])


def _retries(groups: list[_Group], *, limit: int = 6) -> tuple[Retry, ...]:
    found = []
    waiting = [one for one in groups if one.try_bin is not None]
    for (_bin, mx_group, failure), members in _by(
        waiting, lambda one: (one.try_bin, one.mx_group, one.failure)
    ).items():
        moments = [one.next_due_at or one.last_due_at for one in members]
        at = min(moment for moment in moments if moment is not None)
        found.append(Retry(at, mx_group, failure, _letters(members)))
    return tuple(sorted(found, key=lambda one: (one.at, one.mx_group, one.failure))[:limit])


def _causes(groups: list[_Group]) -> tuple[Cause, ...]:
    caused = [one for one in groups if one.cause]
    causes = [
        Cause(part, cause, _letters(members))
        for (part, cause), members in _by(caused, lambda one: (one.part, one.cause)).items()
    ]
    return tuple(sorted(causes, key=lambda one: (PARTS.index(one.part), -one.letters, one.cause)))


def _letters(groups: Iterable[_Group]) -> int:
    return sum(group.letters for group in groups)


def _by(groups: Iterable[_Group], key: Callable[[_Group], tuple[Any, ...]]) -> dict[tuple[Any, ...], list[_Group]]:
    found: dict[tuple[Any, ...], list[_Group]] = defaultdict(list)
    for group in groups:
        found[key(group)].append(group)
    return found
