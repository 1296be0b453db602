"""The record of who agreed to what: one added row for each change, in the statement that makes the change."""

from __future__ import annotations

from typing import Any

from django.db import connection

from apps.accounts import origin
from apps.accounts.models import User
from apps.contacts.models import ConsentEvent, Contact

Kind = ConsentEvent.Kind

# The columns every statement fills, and the values that are the same for all rows of one deed.
COLUMNS = (
    "workspace_id, contact_id, contact_list_id, list_name, kind, before, source, file_sha256, import_job_id, deed_id, "
    "actor_id, actor_name, ip, at"
)
WHO = "%(actor)s::bigint, %(actor_name)s, %(ip)s::inet, now()"

_OF_ADDRESS = f"""
INSERT INTO contacts_consentevent ({COLUMNS})
SELECT person.workspace_id, person.id, NULL, '', %(kind)s, '', %(source)s, '', NULL, NULL, {WHO}
  FROM contacts_contact person
 WHERE person.workspace_id = %(workspace)s AND person.email_normalised = %(normalised)s
"""  # noqa: S608 - constants of this module


def who() -> dict[str, Any]:
    """Return who is doing this, and from where, as far as a request is in hand; a worker is nobody."""
    request = origin.request_in_hand.get()
    user = getattr(request, "user", None)
    member = user if isinstance(user, User) else None
    return {
        "actor": member.pk if member else None,
        "actor_name": member.email if member else "",
        "ip": origin.ip_of(request),
    }


def note_address(workspace_id: int, normalised: str, kind: ConsentEvent.Kind, *, source: str) -> None:
    """Write down what concerns all letters to an address, where a person of the workspace has it."""
    values = {"workspace": workspace_id, "normalised": normalised, "kind": str(kind), "source": source[:300], **who()}
    with connection.cursor() as cursor:
        cursor.execute(_OF_ADDRESS, values)


def note(contact: Contact, kind: ConsentEvent.Kind, *, source: str) -> None:
    """Write down what concerns all letters to a person."""
    note_address(contact.workspace_id, contact.email_normalised, kind, source=source)
