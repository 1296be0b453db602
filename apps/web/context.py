"""What the shell of every page knows; nothing here asks the database unless the page draws it."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from apps.accounts.models import User, Workspace
from apps.web import navigation, themes


def _entries(request: HttpRequest) -> list[navigation.Entry]:
    workspace = getattr(request, "workspace", None)
    membership = getattr(request, "membership", None)
    match = request.resolver_match
    if workspace is None or membership is None:
        return []
    return navigation.entries(workspace.slug, membership.role, match.view_name if match else "")


def _workspaces(request: HttpRequest) -> list[Workspace]:
    user = getattr(request, "user", None)
    return list(user.workspaces.order_by("name")) if isinstance(user, User) else []


def shell(request: HttpRequest) -> dict[str, Any]:
    """Return what the sidebar, the user menu and the theme need."""
    return {
        "workspace": getattr(request, "workspace", None),
        "nav": SimpleLazyObject(lambda: _entries(request)),
        "workspaces": SimpleLazyObject(lambda: _workspaces(request)),
        "theme": themes.of(request),
        "themes": themes.THEMES,
    }
