"""Geometry of the account: which segment stands where, and a refusal to draw what does not add up; pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

# Ends first, pending last: the same order in the bar, the reckoning, filters and tables.
ORDER = ("sent", "skipped", "failed", "unconfirmed", "waiting", "queued")
PENDING = frozenset({"waiting", "queued"})


@dataclass(frozen=True)
class Account:
    """An audience and where each of its emails stands."""

    counts: tuple[tuple[str, int], ...]
    total: int

    @classmethod
    def of(cls, counts: Mapping[str, int | None], total: int) -> Account:
        """Return the account of these counts; states that are not named count as nobody."""
        return cls(tuple((state, int(counts.get(state) or 0)) for state in ORDER), int(total))

    @property
    def missing(self) -> int:
        """How many emails the states do not explain; negative when they explain too many."""
        return self.total - sum(count for _, count in self.counts)

    @property
    def adds_up(self) -> bool:
        """True when the states sum to the audience and none is below zero."""
        return self.missing == 0 and all(count >= 0 for _, count in self.counts)

    @property
    def parts(self) -> tuple[tuple[str, int], ...]:
        """The states that hold anybody."""
        return tuple((state, count) for state, count in self.counts if count)

    @property
    def is_settled(self) -> bool:
        """True when no email is waiting or queued."""
        return not any(state in PENDING for state, _ in self.parts)


@dataclass(frozen=True)
class Segment:
    """One state's stretch of the bar, in percent of its width."""

    state: str
    start: float
    width: float

    @property
    def x(self) -> str:
        """Where it starts, as an SVG length."""
        return f"{self.start:.2f}%"

    @property
    def w(self) -> str:
        """How wide it is, as an SVG length."""
        return f"{self.width:.2f}%"


@dataclass(frozen=True)
class Bar:
    """A drawn bar: its segments, and the rule under it as far as emails have met their end."""

    height: int
    segments: tuple[Segment, ...]
    settled: str
    shown: str = ""

    @property
    def radius(self) -> str:
        """The rounding of its ends."""
        return "4" if self.height > 12 else "2.5"

    @property
    def rule_y(self) -> str:
        """Where the first rule lies."""
        return f"{self.height + (5.5 if self.height > 12 else 3.5)}"

    @property
    def second_rule_y(self) -> str:
        """Where the second rule lies, which closes the account."""
        return f"{self.height + (8.5 if self.height > 12 else 5.5)}"

    @property
    def svg_height(self) -> str:
        """The height of the drawing with both rules."""
        return f"{self.height + (9.5 if self.height > 12 else 6.5)}"

    @property
    def frame_height(self) -> int:
        """The height of the outline, which lies half a pixel inside."""
        return self.height - 1

    @property
    def strike_y(self) -> str:
        """Where failed is struck through."""
        return f"{self.height / 2 - 0.75}"


# size → (height in px, smallest share drawn in percent, on which screens); a share that is not zero never vanishes.
SIZES: dict[str, tuple[tuple[int, float, str], ...]] = {
    "sm": ((8, 5.0, ""),),
    "md": ((10, 3.2, ""),),
    "lg": ((18, 1.0, "hide-s"), (16, 2.2, "only-s")),
}


def _widths(account: Account, smallest: float) -> list[float]:
    widths = [max(smallest, count / account.total * 100) for _, count in account.parts]
    if widths:
        widths[widths.index(max(widths))] -= sum(widths) - 100
    return widths


def draw(account: Account, size: str) -> tuple[Bar, ...]:
    """Return the bars of one size; `lg` has one for wide screens and one for phones."""
    bars = []
    for height, smallest, shown in SIZES[size]:
        start, settled, segments = 0.0, 0.0, []
        for (state, _), width in zip(account.parts, _widths(account, smallest), strict=True):
            segments.append(Segment(state, start, width))
            start += width
            if state not in PENDING:
                settled = start
        bars.append(Bar(height, tuple(segments), f"{settled:.2f}%", shown))
    return tuple(bars)
