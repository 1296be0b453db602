"""Who is on which list: every change is effective when the function returns, whatever a rival does."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.db import connection, transaction
from django.utils.translation import gettext as _

from apps.contacts.models import ConsentEvent, Contact, ContactList, Subscription, Suppression
from apps.contacts.services import consent, suppression
from core import addresses
from core.errors import NotFoundError

Kind = ConsentEvent.Kind

_WITH_EARLIER = """
WITH earlier AS (
  SELECT contact_list_id, state FROM contacts_subscription
   WHERE contact_id = %(contact)s AND contact_list_id = ANY(%(lists)s)),
changed AS ({change} RETURNING contact_list_id)
INSERT INTO contacts_consentevent ({columns})
SELECT list.workspace_id, %(contact)s, list.id, list.name,
       CASE WHEN %(kind)s = 'joined' AND earlier.state = 'unsubscribed' THEN 'came_back' ELSE %(kind)s END,
       coalesce(earlier.state, ''), %(source)s, '', NULL, NULL, {who}
  FROM changed JOIN contacts_contactlist list ON list.id = changed.contact_list_id
  LEFT JOIN earlier ON earlier.contact_list_id = list.id
 ORDER BY list.id
RETURNING contact_list_id
"""

# "As" the person: only then may a row that says unsubscribed come back.
_SUBSCRIBE = """
INSERT INTO contacts_subscription AS kept (contact_id, contact_list_id, state, source, created_at, changed_at)
SELECT %(contact)s, list, 'confirmed', left(%(source)s, 200), now(), now() FROM unnest(%(lists)s) AS list
ON CONFLICT (contact_id, contact_list_id) DO UPDATE
   SET state = 'confirmed', source = excluded.source, changed_at = now()
 WHERE kept.state = 'unconfirmed' OR (kept.state = 'unsubscribed' AND %(by_the_person)s)
"""

# A row is written even where there was none: an address that left must not come back with the next import.
_UNSUBSCRIBE = """
INSERT INTO contacts_subscription AS kept (contact_id, contact_list_id, state, source, created_at, changed_at)
SELECT person.id, list.id, 'unsubscribed', left(%(source)s, 200), now(), now()
  FROM contacts_contact person JOIN contacts_contactlist list ON list.workspace_id = person.workspace_id
 WHERE person.id = %(contact)s AND list.id = ANY(%(lists)s)
 ORDER BY list.id
ON CONFLICT (contact_id, contact_list_id) DO UPDATE
   SET state = 'unsubscribed', source = excluded.source, changed_at = now()
 WHERE kept.state <> 'unsubscribed'
"""

_RESUBSCRIBE = """
UPDATE contacts_subscription SET state = 'confirmed', source = left(%(source)s, 200), changed_at = now()
 WHERE contact_id = %(contact)s AND contact_list_id = ANY(%(lists)s) AND state = 'unsubscribed'
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
    _move(_SUBSCRIBE, contact.pk, [contact_list.pk], source, Kind.JOINED, by_the_person=by_the_person)
    found = Subscription.objects.get(contact=contact, contact_list=contact_list)
    return Subscription.State(found.state)


def unsubscribe(contact_id: int, list_ids: Iterable[int], *, source: str) -> list[int]:
    """Take a person off lists of their workspace; return the lists where this changed something, for the undo."""
    return _move(_UNSUBSCRIBE, contact_id, list_ids, source, Kind.LEFT)


def resubscribe(contact_id: int, list_ids: Iterable[int], *, source: str) -> list[int]:
    """Undo `unsubscribe`, by the person; return the lists where this changed something."""
    return _move(_RESUBSCRIBE, contact_id, list_ids, source, Kind.CAME_BACK)


def unsubscribe_everything(
    workspace_id: int, *, contact_id: int | None = None, email: str = "", email_hash: bytes = b"", source: str
) -> Suppression:
    """Stop all letters of a workspace to a person, known by id, address or hash; subscriptions stay for the undo.

    Raises:
        NotFoundError: there is no such contact in this workspace.
    """
    email, email_hash = _address(workspace_id, contact_id, email, email_hash)
    with transaction.atomic():
        if email and not suppression.has_asked_to_stop(workspace_id, email=email):
            consent.note_address(workspace_id, addresses.parse(email).normalised, Kind.STOPPED, source=source)
        return suppression.add(
            workspace_id, email=email, email_hash=email_hash, reason=Suppression.Reason.UNSUBSCRIBED, source=source
        )


def undo_unsubscribe_everything(
    workspace_id: int, *, contact_id: int | None = None, email: str = "", email_hash: bytes = b"", source: str = ""
) -> bool:
    """Undo `unsubscribe_everything`, by the person; return whether anything was lifted. Bounces and complaints stay."""
    email, email_hash = _address(workspace_id, contact_id, email, email_hash)
    with transaction.atomic():
        lifted = suppression.lift_by_the_person(workspace_id, email=email, email_hash=email_hash)
        if lifted and email:
            consent.note_address(workspace_id, addresses.parse(email).normalised, Kind.RESUMED, source=source)
    return lifted


def _move(
    change: str, contact_id: int, list_ids: Iterable[int], source: str, kind: ConsentEvent.Kind, **more: bool
) -> list[int]:
    values: dict[str, Any] = {
        "contact": contact_id,
        "lists": sorted(set(list_ids)),
        "source": source[:300],
        "kind": str(kind),
        **consent.who(),
        **more,
    }
    statement = _WITH_EARLIER.format(change=change, columns=consent.COLUMNS, who=consent.WHO)
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
