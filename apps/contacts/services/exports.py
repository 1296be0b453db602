"""People as CSV: every cell is text to a spreadsheet, and an import takes the file as it is."""

from __future__ import annotations

import csv
from collections.abc import Iterator

from django.db import connection
from django.db.models import QuerySet

from apps.accounts import audit
from apps.accounts.models import Workspace
from apps.contacts import selectors
from apps.contacts.csv.columns import OURS
from apps.contacts.models import Contact
from core import spreadsheets

CHUNK = 1000
MAX_FIELDS = 150
FIELDS = ["email", "first_name", "last_name"]
STANDING = [OURS + name for name in ("lists", "state", "consent", "added")]


class _Echo:
    """Lets `csv.writer` give its lines back instead of writing them."""

    def write(self, line: str) -> str:
        return line


def begin(workspace: Workspace, wanted: selectors.Filter) -> Iterator[str]:
    """Write down who exports what, and return the lines of the file.

    Every cell is in quotation marks: a cell must not fall in two where a program parts at semicolons.
    """
    people = selectors.matching(workspace, wanted)
    audit.note("exported", workspace=workspace, target="contacts.csv", people=people.count())
    return _lines(workspace, people)


def _lines(workspace: Workspace, people: QuerySet[Contact]) -> Iterator[str]:
    writer = csv.writer(_Echo(), quoting=csv.QUOTE_ALL)
    keys = attribute_keys(workspace)
    # Excel reads UTF-8 only behind a byte order mark.
    yield "\ufeff" + writer.writerow([*FIELDS, *keys, *STANDING])
    after = 0
    while chunk := selectors.chunk_of(workspace, people, after=after, size=CHUNK):
        for person in chunk:
            yield writer.writerow([spreadsheets.guarded(cell) for cell in _cells(person, keys)])
        after = chunk[-1].contact.pk


def attribute_keys(workspace: Workspace) -> list[str]:
    """Return the names of the fields that the workspace's people have."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT DISTINCT jsonb_object_keys(attributes) AS key FROM contacts_contact WHERE workspace_id = %s"
            " ORDER BY key LIMIT %s",
            [workspace.pk, MAX_FIELDS],
        )
        return [key for (key,) in cursor.fetchall()]


def _cells(person: selectors.Person, keys: list[str]) -> list[str]:
    contact = person.contact
    values = contact.attributes
    consents = [f"{one.contact_list.name}: {one.source}" for one in person.subscriptions if one.source]
    return [
        contact.email,
        contact.first_name,
        contact.last_name,
        *("" if values.get(key) is None else str(values[key]) for key in keys),
        ", ".join(contact_list.name for contact_list in person.lists),
        person.verdict,
        "; ".join(consents),
        contact.created_at.isoformat(timespec="seconds"),
    ]
