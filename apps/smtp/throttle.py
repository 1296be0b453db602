"""How many letters an account may carry, and when the next one may go: arithmetic on its limits and its usage; pure.

Seconds and minutes are paced: letters leave evenly, because servers that limit them count in windows of their own and
answer a burst with a refusal. Hours and days are quotas: they may be used up at once, and then there is nothing until
the oldest letters are an hour or a day old. No window of a limit's length, wherever it begins, ever holds more letters
than the limit says.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Final, TypedDict

# A letter reaches the server a little later than it was let go, one more than another: so much longer is the window
# that holds a full limit.
SLACK_SECONDS: Final = 0.01
# One more letter at once for every so many of the limit, so that fast accounts need no letter-by-letter timing.
LETTERS_PER_BURST: Final = 100


class StoredUsage(TypedDict, total=False):
    """The usage as it stands in the database."""

    second: float
    minute: float
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
class Pace:
    """A limit whose letters leave evenly (the generic cell rate algorithm)."""

    name: str
    limit: int
    period: float

    @property
    def burst(self) -> int:
        """How many letters may leave at once after a rest."""
        return 1 + self.limit // LETTERS_PER_BURST

    @property
    def interval(self) -> float:
        """Seconds from letter to letter: a burst and what follows it within one period are exactly the limit."""
        return (self.period + SLACK_SECONDS) / (self.limit - self.burst + 1)

    @property
    def tolerance(self) -> float:
        """How far ahead of the even pace a letter may be."""
        return (self.burst - 1) * self.interval


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
        second, minute: up to when the letters let go so far have used the pace up.
        hour, day: grain of time → letters.
    """

    second: float = 0.0
    minute: float = 0.0
    hour: Mapping[int, int] = field(default_factory=dict)
    day: Mapping[int, int] = field(default_factory=dict)

    @classmethod
    def of(cls, stored: StoredUsage) -> Usage:
        """Read what `stored` wrote."""
        return cls(
            stored.get("second", 0.0),
            stored.get("minute", 0.0),
            {int(one): count for one, count in stored.get("hour", {}).items()},
            {int(one): count for one, count in stored.get("day", {}).items()},
        )

    def stored(self) -> StoredUsage:
        """Return it as the database keeps it."""
        return {
            "second": round(self.second, 6),
            "minute": round(self.minute, 6),
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
        at = max(at, getattr(usage, pace.name) - pace.tolerance)
    for quota in _quotas(limits):
        at = max(at, quota.open_at(getattr(usage, quota.name), at))
    return Slot(at, _with_one_more(limits, usage, at))


def room(limits: Limits, usage: Usage, *, now: float, horizon: float) -> int:
    """Return how many letters may leave from now until the horizon, in seconds."""
    paced = [
        math.floor((now + horizon + pace.tolerance - max(now, getattr(usage, pace.name))) / pace.interval) + 1
        for pace in _paces(limits)
    ]
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
        used_until = max(getattr(usage, pace.name), at) + pace.interval
        usage = replace(usage, second=used_until) if pace.name == "second" else replace(usage, minute=used_until)
    # Counted whether or not an hour or a day is limited: a limit that is set later finds what was sent before.
    return replace(usage, hour=_counted(usage.hour, at, HOUR), day=_counted(usage.day, at, DAY))


def _counted(grains: Mapping[int, int], at: float, unit: tuple[float, float]) -> dict[int, int]:
    period, grain = unit
    counting = Quota("", 0, period, grain).counted(grains, at)
    here = int(at // grain)
    counting[here] = counting.get(here, 0) + 1
    return counting
