"""The three-way theme: the system's, light or dark; kept in a cookie, so that the first byte already knows it."""

from __future__ import annotations

from dataclasses import dataclass

from django.http import HttpRequest
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

COOKIE = "theme"


@dataclass(frozen=True)
class Theme:
    """A choice in the user menu; `attribute` is what <html data-theme> says, nothing for the system's."""

    key: str
    attribute: str
    word: str | Promise
    icon: str


THEMES = (
    Theme("system", "", _("System"), "monitor"),
    Theme("light", "vash", _("Light"), "sun"),
    Theme("dark", "vash-dark", _("Dark"), "moon"),
)
KEYS = {theme.key: theme for theme in THEMES}


def of(request: HttpRequest) -> Theme:
    """Return the theme that this browser chose; on a new browser the one of the account, if it is known already."""
    # Asking who it is would need the database, which public pages must do without.
    account = getattr(getattr(request, "_cached_user", None), "theme", "")
    return KEYS.get(request.COOKIES.get(COOKIE, account), THEMES[0])
