"""How many letters an account may carry, and when the next one may go: arithmetic on its limits and its usage; pure.

Seconds and minutes are paced: letters leave evenly, because servers that limit them count in windows of their own and
answer a burst with a refusal. A letter that is late moves none of those behind it: they follow closer, but never so
close that a window would hold too many. Hours and days are quotas: they may be used up at once, and then there is
nothing until the oldest letters are an hour or a day old. No window of a limit's length, wherever it begins, ever holds
more letters than the limit says.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Final, TypedDict

# A letter reaches the server a little later than it was let go, one more than another: so much longer is the window
# that holds a full limit.
SLACK_SECONDS: Final = 0.01
# So many departures of a period are remembered; of a larger limit every second, third … one.
MARKS: Final = 50
# A letter later than this was not late, there was none: time without letters earns nothing.
LATE_SECONDS: Final = 2.0


class StoredRhythm(TypedDict, total=False):
    """A rhythm as it stands in the database."""

    due: float
    last: float
    step: int
    since: int
    marks: list[float]


class StoredUsage(TypedDict, total=False):
    """The usage as it stands in the database."""

    second: StoredRhythm
    minute: StoredRhythm
    hour: dict[str, int]
    day: dict[str, int]


@dataclass(frozen=True, slots=True)
class Limits:
    """How many letters an account may carry; None is no limit."""

    per_second: int | None = None
    per_minute: int | None = None
    per_hour: int | None = None
    per_day: int | None = None

    def __bool__(self) -> bool:
        """True when there is any limit."""
        return any(getattr(self, one.name) is not None for one in fields(self))


@dataclass(frozen=True, slots=True)
class Rhythm:
    """How letters left under one paced limit.

    Args:
        due: when the next letter is due.
        last: when the last one left.
        step: every how many letters one is marked.
        since: how many have left since the newest mark, it included.
        marks: when the marked letters left, the oldest first.
    """

    due: float = 0.0
    last: float = 0.0
    step: int = 1
    since: int = 0
    marks: tuple[float, ...] = ()

    @classmethod
    def of(cls, stored: StoredRhythm) -> Rhythm:
        """Read what `stored` wrote."""
        if not isinstance(stored, dict):  # a number in the first form of the row: nothing is known
            return cls()
        return cls(
            stored.get("due", 0.0),
            stored.get("last", 0.0),
            stored.get("step", 1),
            stored.get("since", 0),
            tuple(stored.get("marks", ())),
        )

    def stored(self) -> StoredRhythm:
        """Return it as the database keeps it."""
        return {
            "due": round(self.due, 6),
            "last": round(self.last, 6),
            "step": self.step,
            "since": self.since,
            "marks": [round(mark, 4) for mark in self.marks],
        }


@dataclass(frozen=True, slots=True)
class Pace:
    """A limit whose letters leave evenly."""

    name: str
    limit: int
    period: float

    @property
    def window(self) -> float:
        """Seconds that hold at most the limit."""
        return self.period + SLACK_SECONDS

    @property
    def interval(self) -> float:
        """Seconds from letter to letter."""
        return self.window / self.limit

    @property
    def step(self) -> int:
        """Every how many letters one is marked."""
        return math.ceil(self.limit / MARKS)

    def open_at(self, rhythm: Rhythm) -> float:
        """Return when the next letter may leave."""
        return max(rhythm.due, rhythm.last, self._window_opens(rhythm))

    def _window_opens(self, rhythm: Rhythm) -> float:
        if rhythm.step != self.step:  # the limit was changed: what was marked says too little
            return rhythm.last + self.window
        back = (self.limit - rhythm.since) // self.step
        return rhythm.marks[-1 - back] + self.window if 0 <= back < len(rhythm.marks) else 0.0

    def due(self, rhythm: Rhythm, moment: float) -> float:
        """Return since when a letter that leaves at the moment was due: a late one keeps its place in the rhythm."""
        return rhythm.due if moment - rhythm.due <= min(self.period, LATE_SECONDS) else moment

    def with_one_more(self, rhythm: Rhythm, at: float) -> Rhythm:
        """Return the rhythm after a letter that leaves at the moment."""
        marks, since = (rhythm.marks, rhythm.since + 1) if rhythm.step == self.step else ((), 0)
        if not marks or since > self.step:
            marks, since = (*marks, at), 1
        kept = (self.limit - 1) // self.step + 1
        return Rhythm(self.due(rhythm, at) + self.interval, at, self.step, since, marks[-kept:])

    def room(self, rhythm: Rhythm, now: float, until: float) -> int:
        """Return about how many letters may leave from now until a moment."""
        if rhythm.step != self.step and rhythm.last:
            return int(until >= self.open_at(rhythm))
        due = math.floor((until - self.due(rhythm, now)) / self.interval) + 1
        if until - now >= self.period:
            return due
        counting = sum(mark > until - self.window for mark in rhythm.marks)
        left = (counting - 1) * self.step + rhythm.since if counting else 0
        return min(due, self.limit - left)


@dataclass(frozen=True, slots=True)
class Quota:
    """A limit that may be used up at once; letters are counted in grains of time, and the oldest grain counts whole."""

    name: str
    limit: int
    period: float
    grain: float

    def counted(self, grains: Mapping[int, int], moment: float) -> dict[int, int]:
        """Return the grains that still count at a moment, the oldest first."""
        return {one: count for one, count in sorted(grains.items()) if self._free_at(one) > moment}

    def used(self, grains: Mapping[int, int], moment: float) -> int:
        """Return how many letters count at a moment."""
        return sum(self.counted(grains, moment).values())

    def open_at(self, grains: Mapping[int, int], moment: float) -> float:
        """Return when there is room for one more letter, at the earliest the moment."""
        counting = self.counted(grains, moment)
        used = sum(counting.values())
        for one, count in counting.items():
            if used < self.limit:
                break
            used -= count
            moment = self._free_at(one)
        return moment

    def _free_at(self, grain: int) -> float:
        return (grain + 1) * self.grain + self.period


HOUR: Final = (3600.0, 60.0)
DAY: Final = (86400.0, 900.0)


@dataclass(frozen=True, slots=True)
class Usage:
    """What an account has used; moments are seconds of the database's clock.

    Args:
        second, minute: the rhythm of the letters let go so far.
        hour, day: grain of time → letters.
    """

    second: Rhythm = field(default=Rhythm())
    minute: Rhythm = field(default=Rhythm())
    hour: Mapping[int, int] = field(default_factory=dict)
    day: Mapping[int, int] = field(default_factory=dict)

    @classmethod
    def of(cls, stored: StoredUsage) -> Usage:
        """Read what `stored` wrote."""
        return cls(
            Rhythm.of(stored.get("second", {})),
            Rhythm.of(stored.get("minute", {})),
            {int(one): count for one, count in stored.get("hour", {}).items()},
            {int(one): count for one, count in stored.get("day", {}).items()},
        )

    def stored(self) -> StoredUsage:
        """Return it as the database keeps it."""
        return {
            "second": self.second.stored(),
            "minute": self.minute.stored(),
            "hour": {str(one): count for one, count in self.hour.items()},
            "day": {str(one): count for one, count in self.day.items()},
        }


@dataclass(frozen=True, slots=True)
class Slot:
    """When one letter may leave, and the account's usage if it does."""

    at: float
    usage: Usage


def next_slot(limits: Limits, usage: Usage, *, now: float) -> Slot:
    """Return the earliest moment at which one more letter may leave."""
    at = now
    for pace in _paces(limits):
        at = max(at, pace.open_at(_rhythm(usage, pace)))
    for quota in _quotas(limits):
        at = max(at, quota.open_at(getattr(usage, quota.name), at))
    return Slot(at, _with_one_more(limits, usage, at))


def room(limits: Limits, usage: Usage, *, now: float, horizon: float) -> int:
    """Return how many letters may leave from now until the horizon, in seconds."""
    paced = [pace.room(_rhythm(usage, pace), now, now + horizon) for pace in _paces(limits)]
    quotas = [quota.limit - quota.used(getattr(usage, quota.name), now) for quota in _quotas(limits)]
    return max(0, min([*paced, *quotas], default=0))


@dataclass(frozen=True, slots=True)
class Use:
    """How much of one limit is used: for screens."""

    name: str
    used: int
    limit: int


def uses(limits: Limits, usage: Usage, *, now: float) -> list[Use]:
    """Return how much of each limit of a minute or longer is used in the minute, hour and day that end now."""
    found = []
    if limits.per_minute is not None:
        grain = HOUR[1]
        found.append(Use("minute", min(usage.hour.get(int(now // grain), 0), limits.per_minute), limits.per_minute))
    for quota in _quotas(limits):
        found.append(Use(quota.name, min(quota.used(getattr(usage, quota.name), now), quota.limit), quota.limit))
    return found


def interval(limits: Limits) -> float:
    """Return the seconds from letter to letter at the account's even pace; 0 where it has none."""
    return max((pace.interval for pace in _paces(limits)), default=0.0)


def _rhythm(usage: Usage, pace: Pace) -> Rhythm:
    return usage.second if pace.name == "second" else usage.minute


def _paces(limits: Limits) -> Iterator[Pace]:
    if limits.per_second is not None:
        yield Pace("second", limits.per_second, 1.0)
    if limits.per_minute is not None:
        yield Pace("minute", limits.per_minute, 60.0)


def _quotas(limits: Limits) -> Iterator[Quota]:
    if limits.per_hour is not None:
        yield Quota("hour", limits.per_hour, *HOUR)
    if limits.per_day is not None:
        yield Quota("day", limits.per_day, *DAY)


def _with_one_more(limits: Limits, usage: Usage, at: float) -> Usage:
    for pace in _paces(limits):
        rhythm = pace.with_one_more(_rhythm(usage, pace), at)
        usage = replace(usage, second=rhythm) if pace.name == "second" else replace(usage, minute=rhythm)
    # Counted whether or not an hour or a day is limited: a limit that is set later finds what was sent before.
    return replace(usage, hour=_counted(usage.hour, at, HOUR), day=_counted(usage.day, at, DAY))


def _counted(grains: Mapping[int, int], at: float, unit: tuple[float, float]) -> dict[int, int]:
    period, grain = unit
    counting = Quota("", 0, period, grain).counted(grains, at)
    here = int(at // grain)
    counting[here] = counting.get(here, 0) + 1
    return counting
