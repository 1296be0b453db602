"""What the shell of every page knows."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest


def shell(request: HttpRequest) -> dict[str, Any]:
    """Return the workspace of the page, if it is within one."""
    return {"workspace": getattr(request, "workspace", None)}
