"""Charts as template tags; each is drawn twice, for a wide screen and for a phone."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

from django import template

from apps.web import charts

register = template.Library()

WIDE, PHONE = "hide-s", "only-s"


@register.inclusion_tag("components/chart.html")
def line_chart(
    points: Sequence[tuple[dt.datetime, float]],
    say: str,
    limit: float | None = None,
    limit_words: tuple[str, str] = ("", ""),
    marks: Sequence[tuple[dt.datetime, dt.datetime, str]] = (),
) -> dict[str, Any]:
    """Draw a pace over time; `limit_words` are what stands on the dotted line, wide and on a phone."""
    drawn = [
        (look, charts.line(points, size=size, limit=(limit, words) if limit else None, marks=marks))
        for look, size, words in ((WIDE, (720, 290), limit_words[0]), (PHONE, (326, 190), limit_words[1]))
    ]
    return {"drawings": drawn, "say": say}


@register.inclusion_tag("components/chart.html")
def bar_chart(
    values: Sequence[Sequence[int]], labels: Sequence[tuple[int, str]], say: str, looks: str = "b1 b2", tall: int = 236
) -> dict[str, Any]:
    """Draw groups of bars; `looks` are the classes of the bars of one group."""
    drawn = [
        (look, charts.bars(values, labels, size=size, classes=looks.split()))
        for look, size in ((WIDE, (720, tall)), (PHONE, (326, min(tall, 190))))
    ]
    return {"drawings": drawn, "say": say}
