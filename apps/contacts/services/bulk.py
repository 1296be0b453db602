"""One deed for many chosen people, and its undo: what was changed stands in the consent events of the deed."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from django.db import connection, transaction
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from apps.accounts import audit
from apps.accounts.models import User, Workspace
from apps.contacts.models import BulkDeed, ConsentEvent, Contact, ContactList
from apps.contacts.services import consent
from core.errors import EspError, InvalidTransitionError, NotFoundError

MAX_PEOPLE = 100_000
Kind = BulkDeed.Kind

_RECORD = f"""
INSERT INTO contacts_consentevent ({consent.COLUMNS})
SELECT %(workspace)s, contact_id, %(list)s::bigint, %(list_name)s, %(kind)s, before, %(source)s, '', NULL, %(deed)s,
       {consent.WHO} FROM changed ORDER BY contact_id
"""  # noqa: S608 - constants

# Who is on the list in any state stays as they are: nobody is revived, nobody confirmed in passing.
_ADD = f"""
WITH changed AS (
  INSERT INTO contacts_subscription (contact_id, contact_list_id, state, source, created_at, changed_at)
  SELECT id, %(list)s, 'confirmed', left(%(source)s, 200), now(), now() FROM contacts_contact
   WHERE workspace_id = %(workspace)s AND id = ANY(%(people)s) ORDER BY id
  ON CONFLICT (contact_id, contact_list_id) DO NOTHING RETURNING contact_id, '' AS before)
{_RECORD}"""  # noqa: S608 - constants
# Whoever left by their own wish stays in the list as that: the wish must outlive our tidying.
_REMOVE = f"""
WITH changed AS (
  DELETE FROM contacts_subscription
   WHERE contact_list_id = %(list)s AND contact_id = ANY(%(people)s) AND state <> 'unsubscribed'
  RETURNING contact_id, state AS before)
{_RECORD}"""  # noqa: S608 - constants
# Who has asked to stop is suppressed by hand beside that: taking the wish back must not lift what a member did.
_SUPPRESS = f"""
WITH new AS (
  INSERT INTO contacts_suppression AS kept
         (workspace_id, email, email_hash, reason, source, asked_to_stop, by_hand, created_at)
  SELECT workspace_id, email, email_hash, 'manual', %(source)s, false, %(source)s, now() FROM contacts_contact
   WHERE workspace_id = %(workspace)s AND id = ANY(%(people)s) ORDER BY email_hash
  ON CONFLICT (workspace_id, email_hash) DO UPDATE SET by_hand = excluded.by_hand
   WHERE kept.reason = 'unsubscribed' AND kept.by_hand IS NULL
  RETURNING email_hash),
changed AS (
  SELECT person.id AS contact_id, '' AS before FROM contacts_contact person JOIN new USING (email_hash)
   WHERE person.workspace_id = %(workspace)s AND person.id = ANY(%(people)s))
{_RECORD}"""  # noqa: S608 - constants
_DEEDS = {Kind.ADD: (_ADD, "joined"), Kind.REMOVE: (_REMOVE, "removed"), Kind.SUPPRESS: (_SUPPRESS, "suppressed")}

_TOUCHED = "SELECT e.contact_id, e.before FROM contacts_consentevent e WHERE e.deed_id = %(undone)s"
_UNDO_ADD = f"""
WITH touched AS ({_TOUCHED}), changed AS (
  DELETE FROM contacts_subscription s USING touched t
   WHERE s.contact_id = t.contact_id AND s.contact_list_id = %(list)s AND s.state = 'confirmed'
  RETURNING s.contact_id, s.state AS before)
{_RECORD}"""  # noqa: S608 - constants
_UNDO_REMOVE = f"""
WITH touched AS ({_TOUCHED}), changed AS (
  INSERT INTO contacts_subscription (contact_id, contact_list_id, state, source, created_at, changed_at)
  SELECT person.id, %(list)s, t.before, left(%(source)s, 200), now(), now()
    FROM touched t JOIN contacts_contact person ON person.id = t.contact_id ORDER BY person.id
  ON CONFLICT (contact_id, contact_list_id) DO NOTHING RETURNING contact_id, '' AS before)
{_RECORD}"""  # noqa: S608 - constants
_UNDO_SUPPRESS = f"""
WITH touched AS ({_TOUCHED}), lifted AS (
  DELETE FROM contacts_suppression s USING touched t JOIN contacts_contact person ON person.id = t.contact_id
   WHERE s.workspace_id = %(workspace)s AND s.email_hash = person.email_hash
     AND s.reason = 'manual' AND NOT s.asked_to_stop
  RETURNING person.id AS contact_id),
unmarked AS (
  UPDATE contacts_suppression s SET by_hand = NULL
    FROM touched t JOIN contacts_contact person ON person.id = t.contact_id
   WHERE s.workspace_id = %(workspace)s AND s.email_hash = person.email_hash
     AND s.reason = 'unsubscribed' AND s.by_hand IS NOT NULL
  RETURNING person.id AS contact_id),
changed AS (SELECT contact_id, '' AS before FROM lifted UNION ALL SELECT contact_id, '' FROM unmarked)
{_RECORD}"""  # noqa: S608 - constants
_UNDOS = {Kind.ADD: _UNDO_ADD, Kind.REMOVE: _UNDO_REMOVE, Kind.SUPPRESS: _UNDO_SUPPRESS}


class TooManyPeopleError(EspError):
    """More people than one deed may change at once."""

    code = "too_many_people"


def ids_of(people: QuerySet[Contact]) -> list[int]:
    """Return the ids of the people that a filter finds.

    Raises:
        TooManyPeopleError: there are more than one deed may change.
    """
    ids = list(people.order_by("pk").values_list("pk", flat=True)[: MAX_PEOPLE + 1])
    if len(ids) > MAX_PEOPLE:
        raise TooManyPeopleError(_("Change at most 100,000 people at once. Narrow the filter."))
    return ids


def do(
    workspace: Workspace,
    kind: BulkDeed.Kind,
    contact_ids: Collection[int],
    *,
    contact_list: ContactList | None = None,
    by: User,
) -> BulkDeed:
    """Add people to a list, take them off it, or suppress them; return the deed with how many it changed.

    Raises:
        NotFoundError: the list is missing or belongs to another workspace.
    """
    if kind != Kind.SUPPRESS and (contact_list is None or contact_list.workspace_id != workspace.pk):
        raise NotFoundError(_("There is no such list in this workspace."))
    with transaction.atomic():
        deed = BulkDeed.objects.create(workspace=workspace, kind=kind, contact_list=contact_list, actor=by)
        statement, event = _DEEDS[Kind(kind)]
        deed.people = _run(statement, deed, event, people=sorted(set(contact_ids)))
        deed.save(update_fields=["people"])
        if kind == Kind.SUPPRESS:
            audit.note("contacts_suppressed", workspace=workspace, people=deed.people)
    return deed


def undo(deed: BulkDeed) -> int:
    """Take a deed back where nothing happened to the people since; return for how many.

    Raises:
        InvalidTransitionError: it was taken back before, or its list is gone.
    """
    with transaction.atomic():
        moved = BulkDeed.objects.filter(pk=deed.pk, undone_at=None).update(undone_at=Now())
        if not moved or (deed.kind != Kind.SUPPRESS and deed.contact_list_id is None):
            raise InvalidTransitionError(_("This was taken back already, or its list is gone."))
        count = _run(_UNDOS[Kind(deed.kind)], deed, ConsentEvent.Kind.UNDONE, undone=deed.pk)
        if deed.kind == Kind.SUPPRESS:
            audit.note("suppression_lifted", workspace=deed.workspace_id, people=count)
    return count


def _run(statement: str, deed: BulkDeed, event: str, **more: Any) -> int:
    values = {
        "workspace": deed.workspace_id,
        "list": deed.contact_list_id,
        "list_name": deed.contact_list.name if deed.contact_list else "",
        "kind": event,
        "source": _("by hand, %(who)s") % {"who": deed.actor},
        "deed": None if "undone" in more else deed.pk,
        **consent.who(),
        **more,
    }
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return int(cursor.rowcount)
