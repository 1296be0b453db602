"""The sidebar: which places there are, and which one the page belongs to."""

from __future__ import annotations

from dataclasses import dataclass

from django.urls import NoReverseMatch, reverse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from apps.accounts import roles


@dataclass(frozen=True)
class Place:
    """One entry as it is designed; it appears where its route exists and the role may see it."""

    route: str
    word: str | Promise
    icon: str
    permission: str
    # Pages of these routes belong here; the longest prefix wins.
    prefixes: tuple[str, ...]
    group: str | Promise = ""
    letter: str = ""


PEOPLE = _("People")
SENDING = _("Sending")

PLACES = (
    Place("web:dashboard", _("Home"), "house", "workspace.view", ("web:dashboard",), letter="h"),
    Place("campaigns:list", _("Campaigns"), "send", "campaigns.view", ("campaigns:", "tracking:export"), letter="c"),
    Place(
        "campaigns:templates",
        _("Templates"),
        "layout-template",
        "campaigns.view",
        ("campaigns:template", "campaigns:design", "campaigns:image"),
        letter="t",
    ),
    Place("contacts:list", _("Contacts"), "users", "contacts.view", ("contacts:",), PEOPLE, "p"),
    Place("contacts:lists", _("Lists"), "list", "contacts.view", ("contacts:lists", "contacts:list_"), PEOPLE, "l"),
    Place("contacts:imports", _("Imports"), "file-up", "imports.view", ("contacts:import",), PEOPLE, "i"),
    Place("contacts:suppressed", _("Suppressed"), "shield-ban", "contacts.view", ("contacts:suppress",), PEOPLE, "s"),
    Place("smtp:accounts", _("Sending accounts"), "server", "workspace.view", ("smtp:account",), SENDING, "a"),
    Place("smtp:inbox", _("Local inbox"), "inbox", "inbox.view", ("smtp:",), SENDING, "b"),
    Place("web:system", _("System"), "activity", "system.view", ("web:system",), SENDING, "y"),
)


# Pages of the settings that a higher floor gives.
SETTINGS = ("campaigns:look", "campaigns:sender")


@dataclass(frozen=True)
class Entry:
    """One link of the sidebar as it is drawn."""

    word: str | Promise
    icon: str
    url: str
    letter: str
    is_current: bool
    heading: str | Promise


def _current(view_name: str) -> str:
    """Return the route of the place that a page belongs to; the settings belong to none."""
    if view_name.startswith(SETTINGS):
        return ""
    matches = [
        (len(prefix), place.route) for place in PLACES for prefix in place.prefixes if view_name.startswith(prefix)
    ]
    return max(matches)[1] if matches else ""


def entries(workspace_slug: str, role: str, view_name: str) -> list[Entry]:
    """Return the places of a workspace which exist and which the role may see, the current one marked."""
    found: list[Entry] = []
    current, group = _current(view_name), ""
    for place in PLACES:
        if not roles.allows(role, place.permission):
            continue
        try:
            url = reverse(place.route, kwargs={"workspace_slug": workspace_slug})
        except NoReverseMatch:
            continue
        heading = place.group if str(place.group) != group else ""
        group = str(place.group)
        found.append(Entry(place.word, place.icon, url, place.letter, place.route == current, heading))
    return found
