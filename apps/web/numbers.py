"""Numbers as people read them, in the reader's language."""

from __future__ import annotations

from django.utils import formats

NBSP = "\u00a0"


def whole(value: int | float | str | None) -> str:
    """Return a count with grouped thousands; a dash for nothing known."""
    if value is None or value == "":
        return "–"
    return formats.number_format(int(value), force_grouping=True)


def share(part: int | None, of: int | None) -> str:
    """Return a percentage with one decimal, two under one percent; a dash when there is nobody to divide by."""
    if not of or part is None:
        return "–"
    value = part / of * 100
    decimals = 2 if 0 < value < 1 else 1
    rounded = round(value, decimals)
    if value > 0 and rounded == 0:
        return "< " + formats.number_format(0.01, 2) + NBSP + "%"
    if part < of:
        # One missing in a million is not everybody.
        rounded = min(rounded, 99.9)
    return formats.number_format(rounded, decimals) + NBSP + "%"


def size(value_bytes: int | None) -> str:
    """Return a size in bytes, KB or MB."""
    if value_bytes is None:
        return "–"
    for unit, factor in (("MB", 1024 * 1024), ("KB", 1024)):
        if value_bytes >= factor:
            return formats.number_format(value_bytes / factor, 1 if value_bytes < 10 * factor else 0) + NBSP + unit
    return whole(value_bytes) + NBSP + "B"
