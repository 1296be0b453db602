"""The bar under the sum of an import: one segment for each part of the rows, none of them too thin to see."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

PARTS = ("new", "updated", "unchanged", "rejected")
SMALLEST = 1.1  # percent of the bar
GAP = 0.4


@dataclass(frozen=True, slots=True)
class Segment:
    """One part of the bar: which, where it begins and how wide it is, in percent of the bar."""

    part: str
    x: str
    width: str


def draw(counts: Mapping[str, int]) -> list[Segment]:
    """Return the segments of the parts that are not empty; nothing where the parts are not the whole."""
    parts = {part: counts.get(part, 0) for part in PARTS}
    total = sum(parts.values())
    if not total or total != counts.get("rows"):
        return []
    widths = {part: max(100 * number / total, SMALLEST) for part, number in parts.items() if number}
    widest = max(widths, key=lambda part: widths[part])
    widths[widest] -= sum(widths.values()) - 100
    segments, at = [], 0.0
    for number, (part, width) in enumerate(widths.items()):
        is_last = number == len(widths) - 1
        segments.append(Segment(part, f"{at:.2f}%", f"{width - (0 if is_last else GAP):.2f}%"))
        at += width
    return segments
