"""The merge fields a letter may ask for, as the insert menu offers them, with fallbacks where people may lack one."""

from __future__ import annotations

from dataclasses import dataclass

from django.db import connection
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from apps.accounts.models import Workspace

# Enough people to know what was imported, few enough to be asked on every opening of a page.
PEOPLE_ASKED = 2_000
MAX_OWN = 30


@dataclass(frozen=True, slots=True)
class Insert:
    """One thing the menu puts in: its word, and what is written into the HTML and into the plain text."""

    word: str | Promise
    html: str
    text: str


def of_people(workspace: Workspace) -> list[Insert]:
    """Return what is known about a person: the standard fields, then the workspace's own."""
    standard = [
        Insert(_("First name"), '{{ first_name or "there" }}', '{{ first_name or "there" }}'),
        Insert(_("Last name"), "{{ last_name }}", "{{ last_name }}"),
        Insert(_("Address"), "{{ email }}", "{{ email }}"),
    ]
    own = (f'{{{{ {name} or "…" }}}}' for name in own_names(workspace))
    return [*standard, *(Insert(code.split()[1], code, code) for code in own)]


def of_letter() -> list[Insert]:
    """Return what belongs to each letter: its way out, its page in a browser, and a condition."""
    return [
        Insert(_("Unsubscribe link"), _anchor("unsubscribe_url", _("Unsubscribe")), "{{ unsubscribe_url }}"),
        Insert(
            _("Link to choose what one gets"),
            _anchor("preferences_url", _("Choose what you get")),
            "{{ preferences_url }}",
        ),
        Insert(_("Link to the browser version"), _anchor("view_url", _("View in browser")), "{{ view_url }}"),
        Insert(_("Only for some people"), *(2 * ["{% if first_name %}…{% else %}…{% endif %}"])),
    ]


def own_names(workspace: Workspace) -> list[str]:
    """Return the names of the columns that were imported, as the latest people have them."""
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT DISTINCT jsonb_object_keys(attributes) AS name FROM (
                 SELECT attributes FROM contacts_contact
                 WHERE workspace_id = %s AND jsonb_typeof(attributes) = 'object' ORDER BY id DESC LIMIT %s
               ) latest ORDER BY name LIMIT %s""",
            [workspace.pk, PEOPLE_ASKED, MAX_OWN],
        )
        names = [name for (name,) in cursor.fetchall()]
    return [name for name in names if name.isidentifier() and not name.startswith("_")]


def _anchor(name: str, words: str | Promise) -> str:
    return f'<a href="{{{{ {name} }}}}">{words}</a>'
