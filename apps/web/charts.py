"""Charts as inline drawings: geometry here, markup in `components/`, colours by class."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Sequence
from dataclasses import dataclass

from django.utils import timezone

from apps.web import numbers

LEFT = 40
BOTTOM = 22
TOP = 14
CLOSE_TO_THE_EDGE = 90


@dataclass(frozen=True, slots=True)
class Text:
    """Words on a drawing."""

    x: str
    y: str
    anchor: str
    words: str


@dataclass(frozen=True, slots=True)
class Drawing:
    """One chart at one width."""

    width: int
    height: int
    left: int
    ticks: tuple[Text, ...]
    times: tuple[Text, ...]
    path: str = ""
    area: str = ""
    limit_y: str = ""
    limit: Text | None = None
    end: tuple[str, str] | None = None
    marks: tuple[Text, ...] = ()
    bars: tuple[tuple[str, str, str, str, str], ...] = ()


def nice_top(value: float) -> float:
    """Return a round number at or above a value, which halves to another round one."""
    if value <= 2:
        return 2.0
    size = 10.0 ** math.floor(math.log10(value))
    return float(next(step * size for step in (1, 2, 3, 4, 5, 6, 8, 10) if step * size >= value))


def _f(value: float) -> str:
    return f"{value:.1f}"


def _ticks(top: float, y: Scale) -> tuple[Text, ...]:
    return tuple(Text("0", _f(y.at(value)), "start", numbers.whole(value)) for value in (0, top / 2, top))


@dataclass(frozen=True, slots=True)
class Scale:
    """A straight scale from values to places."""

    start: float
    length: float
    span: float

    def at(self, value: float) -> float:
        """Return the place of a value."""
        return self.start + (value / self.span * self.length if self.span else 0)


def line(
    points: Sequence[tuple[dt.datetime, float]],
    *,
    size: tuple[int, int],
    limit: tuple[float, str] | None = None,
    marks: Sequence[tuple[dt.datetime, dt.datetime, str]] = (),
) -> Drawing:
    """Draw a pace over time: at least two points."""
    width, height = size
    first, last = points[0][0], points[-1][0]
    floor = height - BOTTOM
    highest = max([value for _at, value in points] + ([limit[0]] if limit else []))
    top = nice_top(highest)
    y = Scale(floor, -(floor - TOP), top)
    x = Scale(LEFT, (width - LEFT) * 0.97, (last - first).total_seconds())
    places = [(x.at((at - first).total_seconds()), y.at(value)) for at, value in points]
    path = "".join(f"{'L' if number else 'M'}{_f(px)} {_f(py)}" for number, (px, py) in enumerate(places))
    return Drawing(
        width,
        height,
        LEFT,
        ticks=_ticks(top, y),
        times=_times(first, last, x, height),
        path=path,
        area=f"{path}L{_f(places[-1][0])} {floor}L{_f(places[0][0])} {floor}Z",
        limit_y=_f(y.at(limit[0])) if limit else "",
        limit=Text(str(width), _f(y.at(limit[0]) - 5), "end", limit[1]) if limit else None,
        end=(_f(places[-1][0]), _f(places[-1][1])),
        marks=tuple(_mark(mark, points, x, y, size) for mark in marks),
    )


def _mark(
    mark: tuple[dt.datetime, dt.datetime, str],
    points: Sequence[tuple[dt.datetime, float]],
    x: Scale,
    y: Scale,
    size: tuple[int, int],
) -> Text:
    start, end, words = mark
    first = points[0][0]
    lowest = min((value for at, value in points if start <= at <= end), default=0.0)
    place = x.at(((start + (end - start) / 2) - first).total_seconds())
    below = min(y.at(lowest) + 18, size[1] - BOTTOM - 6)
    anchor = "middle"
    if place < LEFT + CLOSE_TO_THE_EDGE:
        place, anchor = max(place, LEFT + 4), "start"
    elif place > size[0] - CLOSE_TO_THE_EDGE:
        place, anchor = min(place, size[0] - 4), "end"
    return Text(_f(place), _f(below), anchor, words)


def _times(first: dt.datetime, last: dt.datetime, x: Scale, height: int, count: int = 4) -> tuple[Text, ...]:
    style = "%H:%M:%S" if last - first < dt.timedelta(minutes=count) else "%H:%M"
    found = []
    for number in range(count):
        at = first + (last - first) * number / (count - 1)
        anchor = "start" if number == 0 else "end" if number == count - 1 else "middle"
        place = x.at((at - first).total_seconds())
        found.append(Text(_f(place), str(height - 4), anchor, timezone.localtime(at).strftime(style)))
    return tuple(found)


def bars(
    values: Sequence[Sequence[int]],
    labels: Sequence[tuple[int, str]],
    *,
    size: tuple[int, int],
    classes: Sequence[str],
) -> Drawing:
    """Draw groups of bars side by side.

    Args:
        values: for each group the heights of its bars.
        labels: words under some of the groups, by number.
        size: width and height.
        classes: the look of each bar of a group.
    """
    width, height = size
    floor = height - BOTTOM
    top = nice_top(max((value for group in values for value in group), default=0))
    y = Scale(floor, -(floor - TOP), top)
    room = (width - LEFT) / max(len(values), 1)
    gap = min(3.0, room * 0.15)
    each = max((room - 2 * gap) / len(classes), 0.8)
    drawn = [
        (look, _f(LEFT + number * room + gap + place * each), _f(each * 0.92), _f(y.at(value)), _f(floor - y.at(value)))
        for number, group in enumerate(values)
        for place, (look, value) in enumerate(zip(classes, group, strict=True))
        if value
    ]
    times = tuple(Text(_f(LEFT + number * room + gap), str(height - 4), "start", words) for number, words in labels)
    return Drawing(width, height, LEFT, ticks=_ticks(top, y), times=times, bars=tuple(drawn))
