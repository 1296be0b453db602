"""Lucide's icons as inline SVG; the front-end build writes them to `frontend/dist/icons.json`."""

from __future__ import annotations

import functools
import json

from django.conf import settings
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe

from core.errors import EspError


class UnknownIconError(EspError):
    """A template names an icon that the build does not have."""

    code = "unknown_icon"
    status = 500


@functools.cache
def _library() -> dict[str, str]:
    path = settings.BASE_DIR / "frontend" / "dist" / "icons.json"
    library: dict[str, str] = json.loads(path.read_text(encoding="utf-8"))
    return library


@functools.lru_cache(maxsize=512)
def svg(name: str, classes: str = "") -> SafeString:
    """Return the icon as inline SVG, hidden from screen readers: a word always stands beside it."""
    try:
        drawing = _library()[name]
    except KeyError:
        raise UnknownIconError(f"There is no icon “{name}” in lucide-static.") from None
    return format_html(
        '<svg class="icon{}" viewBox="0 0 24 24" aria-hidden="true">{}</svg>',
        f" {classes}" if classes else "",
        mark_safe(drawing),  # noqa: S308 - our own build output, no user's words
    )
