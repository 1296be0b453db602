"""What came back for campaigns, in accepted letters: a higher floor knows, and registers how to ask it."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CameBack:
    """How many accepted letters were opened, and of how many a link was followed: by people, and by anything."""

    opened: int = 0
    opened_and_machines: int = 0
    clicked: int = 0
    clicked_and_machines: int = 0

    @property
    def has_machines(self) -> bool:
        """Whether machines make a second figure beside that of people."""
        return self.opened_and_machines > self.opened or self.clicked_and_machines > self.clicked


Find = Callable[[Collection[int]], dict[int, CameBack] | None]
_sources: list[Find] = []


def add_source(source: Find) -> Find:
    """Register how to count what came back, by campaign id; None when it cannot be told in time.

    Call it from an app's `ready()`; registering twice does nothing.
    """
    if source not in _sources:
        _sources.append(source)
    return source


def of(campaign_ids: Collection[int]) -> dict[int, CameBack]:
    """Return what came back for each campaign; empty when nobody could tell in time."""
    counts: dict[int, CameBack] = {}
    for source in _sources if campaign_ids else ():
        found = source(campaign_ids)
        if found is None:
            return {}
        counts |= found
    return {pk: counts.get(pk, CameBack()) for pk in campaign_ids}
