"""What a page says after a deed: a toast, with Undo where the deed can be undone by one POST."""

from __future__ import annotations

import json

from django.contrib import messages
from django.http import HttpRequest


def done(request: HttpRequest, text: str, *, undo: str = "", **fields: str) -> None:
    """Say that something was done.

    Args:
        undo: the address that takes it back when posted to; empty where there is no way back.
        fields: what is posted there.
    """
    messages.success(request, text, extra_tags=json.dumps({"url": undo, "fields": fields}) if fields else undo)


def undo_of(extra_tags: str) -> dict[str, object] | None:
    """Return where and what a message's Undo posts; None where it has none."""
    if extra_tags.startswith("/"):
        return {"url": extra_tags, "fields": {}}
    if not extra_tags.startswith("{"):
        return None
    found: dict[str, object] = json.loads(extra_tags)
    return found
