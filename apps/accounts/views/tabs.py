"""The pages of a workspace's settings, as tabs; higher floors are named by route."""

from __future__ import annotations

from dataclasses import dataclass

from django.urls import NoReverseMatch, reverse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from apps.accounts.access import WorkspaceRequest

_PAGES: tuple[tuple[str, str | Promise, str], ...] = (
    ("accounts:workspace", _("Workspace"), "workspace.edit"),
    ("campaigns:look", _("Look"), "workspace.edit"),
    ("accounts:members", _("Members"), "workspace.view"),
    ("campaigns:senders", _("Senders"), "campaigns.view"),
    ("campaigns:domains", _("Domains"), "campaigns.view"),
    ("accounts:keys", _("API keys"), "keys.edit"),
    ("accounts:activity", _("Activity"), "audit.view"),
)


@dataclass(frozen=True, slots=True)
class Tab:
    """One page of the settings."""

    word: str | Promise
    url: str
    is_current: bool


def tabs(request: WorkspaceRequest, current: str) -> list[Tab]:
    """Return the pages that exist and that the member may see."""
    found = []
    for route, word, permission in _PAGES:
        if request.may(permission):
            try:
                url = reverse(route, kwargs={"workspace_slug": request.workspace.slug})
            except NoReverseMatch:
                continue
            found.append(Tab(word, url, route == current))
    return found
