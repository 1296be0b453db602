"""What the palette finds in a workspace: campaigns, people, and the pages where things are done."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from django.db.models import Q
from django.urls import NoReverseMatch, reverse
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.accounts import roles
from apps.accounts.models import Workspace
from apps.campaigns import selectors as campaigns
from apps.contacts.models import Contact
from apps.web import navigation

SHOWN = 6
LONGEST = 200

# Pages that are no places of the sidebar: route, word, icon, permission.
FURTHER: tuple[tuple[str, str | Promise, str, str], ...] = (
    ("campaigns:new", gettext_lazy("New campaign"), "plus", "campaigns.edit"),
    ("contacts:import_new", gettext_lazy("Import a CSV"), "file-up", "contacts.import"),
    ("contacts:add", gettext_lazy("Add a person"), "user-plus", "contacts.edit"),
    ("contacts:suppression_add", gettext_lazy("Suppress an address"), "shield-ban", "suppressions.edit"),
    ("smtp:account_new", gettext_lazy("Add a sending account"), "server", "transports.edit"),
    ("accounts:workspace", gettext_lazy("Settings: name, postal address, time zone"), "settings", "workspace.edit"),
    ("accounts:members", gettext_lazy("Members and invitations"), "users-round", "workspace.view"),
    ("campaigns:senders", gettext_lazy("Senders"), "at-sign", "campaigns.view"),
    ("campaigns:domains", gettext_lazy("Domains"), "globe-lock", "campaigns.view"),
    ("accounts:activity", gettext_lazy("Activity: who did what"), "history", "audit.view"),
)
OF_THE_PERSON: tuple[tuple[str, str | Promise, str], ...] = (
    ("accounts:profile", gettext_lazy("Your account: name, language, where you are signed in"), "user-round"),
    ("account_change_password", gettext_lazy("Change the password"), "key-round"),
)


@dataclass(frozen=True, slots=True)
class Hit:
    """One thing to go to."""

    word: str
    sub: str
    icon: str
    url: str
    state: str = ""


@dataclass(frozen=True, slots=True)
class Group:
    """Hits of one kind, under their heading."""

    name: str
    hits: list[Hit]


def find(workspace: Workspace, *, role: str, query: str) -> list[Group]:
    """Return what the words of a query name, in groups that are not empty; without words the latest and all pages."""
    words = query.casefold().split()[:5]
    groups = [
        Group(_("Campaigns"), _campaigns(workspace, words) if roles.allows(role, "campaigns.view") else []),
        Group(_("People"), _people(workspace, words) if words and roles.allows(role, "contacts.view") else []),
        Group(_("Pages"), _pages(workspace, role, words)),
    ]
    return [group for group in groups if group.hits]


def _campaigns(workspace: Workspace, words: Iterable[str]) -> list[Hit]:
    found = campaigns.campaigns_of(workspace)
    for word in words:
        found = found.filter(Q(name__icontains=word) | Q(subject__icontains=word))
    return [
        Hit(one.name, one.subject, "send", reverse("campaigns:detail", args=[workspace.slug, one.pk]), one.state)
        for one in found[:SHOWN]
    ]


def _people(workspace: Workspace, words: Iterable[str]) -> list[Hit]:
    found = Contact.objects.filter(workspace=workspace)
    for word in words:
        found = found.filter(Q(email__icontains=word) | Q(first_name__icontains=word) | Q(last_name__icontains=word))
    hits = []
    for one in found.order_by("-pk")[:SHOWN]:
        name = f"{one.first_name} {one.last_name}".strip()
        url = reverse("contacts:detail", args=[workspace.slug, one.uuid])
        hits.append(Hit(name or one.email, one.email if name else "", "user-round", url))
    return hits


def _pages(workspace: Workspace, role: str, words: Iterable[str]) -> list[Hit]:
    places = [(place.route, place.word, place.icon, place.permission) for place in navigation.PLACES]
    hits = [
        Hit(str(word), "", icon, url)
        for route, word, icon, permission in (*places, *FURTHER)
        if roles.allows(role, permission) and (url := _address(route, workspace.slug))
    ]
    hits += [Hit(str(word), "", icon, reverse(route)) for route, word, icon in OF_THE_PERSON]
    return [hit for hit in hits if all(word in hit.word.casefold() for word in words)]


def _address(route: str, slug: str) -> str:
    try:
        return reverse(route, kwargs={"workspace_slug": slug})
    except NoReverseMatch:
        return ""
