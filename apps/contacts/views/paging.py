"""Keyset paging of this app's tables: where the next rows begin stands in the address."""

from __future__ import annotations

from urllib.parse import urlencode

from django.http import HttpRequest


def number(request: HttpRequest, name: str) -> int:
    """Return a count or id of the query string; 0 for anything else."""
    text = request.GET.get(name, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0


def url(**query: str | int) -> str:
    """Return a relative address with what is not empty."""
    return f"?{urlencode({name: value for name, value in query.items() if value})}"
