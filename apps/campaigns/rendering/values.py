"""What a template may see: plain values without control characters, and their form as JSON."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, datetime, time
from decimal import Decimal

from apps.campaigns.rendering.errors import RenderError

Plain = str | int | float | bool | date | datetime | list["Plain"] | dict[str, "Plain"]

# C0 without TAB and LF, DEL, C1, the Unicode line ends: Excel's soft breaks (VT) end a header block in many mailers
CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029]")
_SURROGATES = re.compile("[\ud800-\udfff]")
MAX_FIELD_CHARS = 100_000
MAX_DEPTH = 4
MAX_ITEMS = 1_000


def clean_text(text: str) -> str:
    """Return the text as an exact `str` with LF line ends and no control characters."""
    if type(text) is not str:
        text = "".join((text,))  # drops a subclass that would call itself safe HTML
    if text.isprintable():
        return text
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return _SURROGATES.sub("\ufffd", CONTROLS.sub("", text))


def clean_line(text: str) -> str:
    """Return the text on one line, for a header."""
    if text.isprintable():
        return text.strip()
    return clean_text(text).replace("\n", " ").replace("\t", " ").strip()


def clean_fields(fields: Mapping[str, object]) -> dict[str, Plain]:
    """Return the fields a template may see; names it could not write, or that are ours (`_…`), are left out.

    Raises:
        RenderError: a value is neither text, number, date, list nor mapping of those, or is too large.
    """
    return {
        name: _clean(name, value) for name, value in fields.items() if not name.startswith("_") and name.isidentifier()
    }


def _clean(name: str, value: object, depth: int = 0) -> Plain:
    if isinstance(value, str):
        if len(value) > MAX_FIELD_CHARS:
            raise RenderError.of("field_too_long", detail=name)
        return clean_text(value)
    if value is None:
        return ""
    if type(value) in (bool, int, float, date, datetime):
        return value  # type: ignore[return-value]  # narrowed by exact type, which mypy does not follow
    if isinstance(value, Decimal | time):
        return str(value)
    if depth < MAX_DEPTH and isinstance(value, Mapping) and len(value) <= MAX_ITEMS:
        return {clean_text(str(key)): _clean(name, item, depth + 1) for key, item in value.items()}
    if depth < MAX_DEPTH and isinstance(value, list | tuple) and len(value) <= MAX_ITEMS:
        return [_clean(name, item, depth + 1) for item in value]
    raise RenderError.of("field_type", detail=name)


def to_json(value: Plain) -> object:
    """Return the value with its dates marked, so that JSON can carry it."""
    if isinstance(value, datetime):
        return {"__datetime__": value.isoformat()}
    if isinstance(value, date):
        return {"__date__": value.isoformat()}
    if isinstance(value, dict):
        return {"__dict__": {key: to_json(item) for key, item in value.items()}}
    if isinstance(value, list):
        return [to_json(item) for item in value]
    return value


def from_json(value: object) -> Plain:
    """Return what `to_json` was given."""
    match value:
        case {"__datetime__": str(moment)}:
            return datetime.fromisoformat(moment)
        case {"__date__": str(day)}:
            return date.fromisoformat(day)
        case {"__dict__": dict(items)}:
            return {str(key): from_json(item) for key, item in items.items()}
        case list(items):
            return [from_json(item) for item in items]
        case str() | bool() | int() | float():
            return value
    raise TypeError(f"unexpected {type(value).__name__}")
