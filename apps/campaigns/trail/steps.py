"""A trail and its steps; higher floors add what came back later through `add_source`."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from apps.campaigns.fates import Verdict
from apps.campaigns.models import Delivery


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that decided or happened; `reply` is the server's, verbatim.

    Args:
        at: when; None stands for a moment nobody can name.
        until: its end, where it lasted.
        is_expected: it has not happened yet.
    """

    at: dt.datetime | None
    what: str
    how: str = ""
    reply: str = ""
    style: str = "draft"
    icon: str = "circle-dashed"
    until: dt.datetime | None = None
    is_expected: bool = False


@dataclass(frozen=True, slots=True)
class Trail:
    """The answer first, then how it came about, oldest to newest."""

    verdict: Verdict
    sentence: str
    steps: tuple[Step, ...]


Source = Callable[[Delivery], Iterable[Step]]
_sources: list[Source] = []


def add_source(source: Source) -> None:
    """Let a higher floor tell what it knows about a letter."""
    if source not in _sources:
        _sources.append(source)


def later(delivery: Delivery) -> list[Step]:
    """Return what higher floors know."""
    return [step for source in _sources for step in source(delivery)]


def in_order(steps: Iterable[Step]) -> tuple[Step, ...]:
    """Return steps oldest to newest; what is only expected stands last, equals keep their order."""
    never = dt.datetime.min.replace(tzinfo=dt.UTC)
    return tuple(sorted(steps, key=lambda step: (step.is_expected, step.at or never)))
