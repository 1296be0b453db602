"""What of a browser's console a person would call wrong."""

from __future__ import annotations

# htmx writes these two when a newer request takes the place of one under way (hx-sync="this:replace"), which is
# what it was told to do. A request that fails or runs out of time says so in a line of its own besides.
REPLACED = ("htmx:sendAbort", "htmx:afterRequest")


def is_wrong(text: str) -> bool:
    """Say whether an error or a warning of the console tells of a fault of the page."""
    return not text.startswith(REPLACED)
