"""What the shell of every page knows; nothing here asks the database unless the page draws it."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from apps.accounts import roles
from apps.accounts.models import Membership, Role, User, Workspace
from apps.accounts.sessions import SEEN_EVERY
from apps.web import navigation, themes


def _membership(request: HttpRequest) -> Membership | None:
    """Return the membership of the page's workspace; elsewhere (the password page) the user's first one."""
    membership = getattr(request, "membership", None) or getattr(request, "_first_membership", None)
    user = getattr(request, "user", None)
    if membership is None and isinstance(user, User):
        membership = user.memberships.select_related("workspace").order_by("created_at").first()
        request._first_membership = membership  # type: ignore[attr-defined]  # asked for twice on one page
    return membership


def _entries(request: HttpRequest) -> list[navigation.Entry]:
    membership = _membership(request)
    if membership is None:
        return []
    match = request.resolver_match
    return navigation.entries(membership.workspace.slug, membership.role, match.view_name if match else "")


def _workspaces(request: HttpRequest) -> list[Workspace]:
    user = getattr(request, "user", None)
    return list(user.workspaces.order_by("name")) if isinstance(user, User) else []


def _may_create(request: HttpRequest) -> bool:
    user = getattr(request, "user", None)
    if not isinstance(user, User):
        return False
    membership = _membership(request)
    owns_this = membership is not None and membership.role == Role.OWNER
    return user.is_instance_admin or owns_this


def _sees_system(request: HttpRequest) -> bool:
    membership = _membership(request)
    return membership is not None and roles.allows(membership.role, "system.view")


def _own_mail() -> str:
    """Return where the product's own letters go: "inbox", "nowhere", or "out" by another backend."""
    if not settings.EMAIL_BACKEND.endswith("SystemMailBackend"):
        return "out"
    return "inbox" if settings.INBOX_ADDRESS else "nowhere"


def shell(request: HttpRequest) -> dict[str, Any]:
    """Return what the sidebar, the user menu and the theme need."""
    return {
        "workspace": getattr(request, "workspace", None),
        "here": SimpleLazyObject(lambda: _membership(request)),
        "sees_system": SimpleLazyObject(lambda: _sees_system(request)),
        "nav": SimpleLazyObject(lambda: _entries(request)),
        "may_create_workspace": SimpleLazyObject(lambda: _may_create(request)),
        "workspaces": SimpleLazyObject(lambda: _workspaces(request)),
        "show_setup_hint": SimpleLazyObject(lambda: not User.objects.exists()),
        "theme": themes.of(request),
        "themes": themes.THEMES,
        "own_mail": _own_mail(),
        # What a page that nobody touches has at most; it asks again before it says so.
        "session_seconds": settings.SESSION_COOKIE_AGE - int(SEEN_EVERY.total_seconds()),
    }
