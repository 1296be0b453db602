"""Who is on which list: every change is effective when the function returns, whatever a rival does."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.db import connection
from django.utils.translation import gettext as _

from apps.contacts.models import Contact, ContactList, Subscription, Suppression
from apps.contacts.services import suppression
from core.errors import NotFoundError

# "As" the person: only then may a row that says unsubscribed come back.
_SUBSCRIBE = """
INSERT INTO contacts_subscription AS kept (contact_id, contact_list_id, state, source, created_at, changed_at)
VALUES (%(contact)s, %(list)s, 'confirmed', %(source)s, now(), now())
ON CONFLICT (contact_id, contact_list_id) DO UPDATE
   SET state = 'confirmed', source = excluded.source, changed_at = now()
 WHERE kept.state = 'unconfirmed' OR (kept.state = 'unsubscribed' AND %(by_the_person)s)
"""

# A row is written even where there was none: an address that left must not come back with the next import.
_UNSUBSCRIBE = """
INSERT INTO contacts_subscription AS kept (contact_id, contact_list_id, state, source, created_at, changed_at)
SELECT person.id, list.id, 'unsubscribed', %(source)s, now(), now()
  FROM contacts_contact person JOIN contacts_contactlist list ON list.workspace_id = person.workspace_id
 WHERE person.id = %(contact)s AND list.id = ANY(%(lists)s)
 ORDER BY list.id
ON CONFLICT (contact_id, contact_list_id) DO UPDATE
   SET state = 'unsubscribed', source = excluded.source, changed_at = now()
 WHERE kept.state <> 'unsubscribed'
RETURNING contact_list_id
"""

_RESUBSCRIBE = """
UPDATE contacts_subscription SET state = 'confirmed', source = %(source)s, changed_at = now()
 WHERE contact_id = %(contact)s AND contact_list_id = ANY(%(lists)s) AND state = 'unsubscribed'
RETURNING contact_list_id
"""


def subscribe(
    contact: Contact, contact_list: ContactList, *, source: str, by_the_person: bool = False
) -> Subscription.State:
    """Put a person on a list and return the state as it stands now.

    Whoever unsubscribed stays unsubscribed, unless the person does this (`by_the_person`).

    Raises:
        NotFoundError: the list belongs to another workspace.
    """
    if contact.workspace_id != contact_list.workspace_id:
        raise NotFoundError(_("There is no such list in this workspace."))
    values: dict[str, Any] = {
        "contact": contact.pk,
        "list": contact_list.pk,
        "source": source[:200],
        "by_the_person": by_the_person,
    }
    with connection.cursor() as cursor:
        cursor.execute(_SUBSCRIBE, values)
    found = Subscription.objects.get(contact=contact, contact_list=contact_list)
    return Subscription.State(found.state)


def unsubscribe(contact_id: int, list_ids: Iterable[int], *, source: str) -> list[int]:
    """Take a person off lists of their workspace; return the lists where this changed something, for the undo."""
    return _move(_UNSUBSCRIBE, contact_id, list_ids, source)


def resubscribe(contact_id: int, list_ids: Iterable[int], *, source: str) -> list[int]:
    """Undo `unsubscribe`, by the person; return the lists where this changed something."""
    return _move(_RESUBSCRIBE, contact_id, list_ids, source)


def unsubscribe_everything(
    workspace_id: int, *, contact_id: int | None = None, email: str = "", email_hash: bytes = b"", source: str
) -> Suppression:
    """Stop all letters of a workspace to a person, known by id, address or hash; subscriptions stay for the undo.

    Raises:
        NotFoundError: there is no such contact in this workspace.
    """
    email, email_hash = _address(workspace_id, contact_id, email, email_hash)
    return suppression.add(
        workspace_id, email=email, email_hash=email_hash, reason=Suppression.Reason.UNSUBSCRIBED, source=source
    )


def undo_unsubscribe_everything(
    workspace_id: int, *, contact_id: int | None = None, email: str = "", email_hash: bytes = b""
) -> bool:
    """Undo `unsubscribe_everything`, by the person; return whether anything was lifted. Bounces and complaints stay."""
    email, email_hash = _address(workspace_id, contact_id, email, email_hash)
    return suppression.lift_by_the_person(workspace_id, email=email, email_hash=email_hash)


def _move(statement: str, contact_id: int, list_ids: Iterable[int], source: str) -> list[int]:
    values: dict[str, Any] = {"contact": contact_id, "lists": sorted(set(list_ids)), "source": source[:200]}
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return sorted(row[0] for row in cursor.fetchall())


def _address(workspace_id: int, contact_id: int | None, email: str, email_hash: bytes) -> tuple[str, bytes]:
    if contact_id is None:
        return email, email_hash
    contact = Contact.objects.filter(workspace_id=workspace_id, pk=contact_id).first()
    if contact is None:
        raise NotFoundError(_("There is no such person in this workspace."))
    return contact.email, b""
