"""Removes people for good: names, address, fields, notes and consent; what higher floors count stays, without them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

from django.db import connection, transaction
from django.db.models import Value
from django.utils.translation import gettext as _

from apps.contacts.models import ConsentEvent, Contact, Subscription, Suppression
from apps.contacts.services import suppression

ForgetPeople = Callable[[Collection[int]], None]
FindPeople = Callable[[Collection[int]], set[int]]
_forget: list[ForgetPeople] = []
_have_letters: list[FindPeople] = []

# Refused rows of imports hold the address as somebody typed it.
_FORGET_REJECTS = """
UPDATE contacts_importreject SET row = '[]'::jsonb
  FROM contacts_importjob job
 WHERE job.id = job_id AND job.workspace_id = %s AND strpos(lower(row::text), %s) > 0
"""


def before_erasing(hook: ForgetPeople) -> ForgetPeople:
    """Register what a higher floor forgets of people, given their ids, within the same transaction.

    Call it from an app's `ready()`; registering twice does nothing.
    """
    if hook not in _forget:
        _forget.append(hook)
    return hook


def people_with_letters(hook: FindPeople) -> FindPeople:
    """Register how a higher floor tells which of some people, given by id, were written to."""
    if hook not in _have_letters:
        _have_letters.append(hook)
    return hook


def written_to(contact_ids: Collection[int]) -> set[int]:
    """Return those of some people to whom a letter was made."""
    found: set[int] = set()
    for hook in _have_letters:
        found |= hook(contact_ids)
    return found


def erase(workspace_id: int, contact_ids: Collection[int]) -> int:
    """Remove people of a workspace and return how many; a suppression keeps only the fingerprint of the address."""
    with transaction.atomic():
        people = Contact.objects.filter(workspace_id=workspace_id, pk__in=list(contact_ids)).order_by("pk")
        found = list(people.select_for_update().values_list("pk", "email_hash", "email"))
        ids = [pk for pk, _hash, _email in found]
        for hook in _forget:
            hook(ids)
        hashes = [bytes(email_hash) for _pk, email_hash, _email in found]
        _keep_wishes(workspace_id, {pk: bytes(email_hash) for pk, email_hash, _email in found})
        Suppression.objects.filter(workspace_id=workspace_id, email_hash__in=hashes).update(email=Value(""))
        _forget_rejects(workspace_id, [email.casefold() for _pk, _hash, email in found])
        _delete_consent(ids)
        people.filter(pk__in=ids).delete()
    return len(ids)


def delete_untouched(contact_ids: Collection[int]) -> None:
    """Remove people nobody ever wrote to, with the record of the consent that is being taken back."""
    _delete_consent(list(contact_ids))
    Contact.objects.filter(pk__in=list(contact_ids)).delete()


def _keep_wishes(workspace_id: int, hashes: Mapping[int, bytes]) -> None:
    """Suppress the fingerprints of those who left a list: their consent goes, and an import may bring them again."""
    left = Subscription.objects.filter(contact__in=hashes, state=Subscription.State.UNSUBSCRIBED)
    for pk in left.order_by("contact").values_list("contact", flat=True).distinct():
        suppression.add(
            workspace_id,
            email_hash=hashes[pk],
            reason=Suppression.Reason.UNSUBSCRIBED,
            source=_("had left a list when they were deleted"),
        )


def _forget_rejects(workspace_id: int, typed: list[str]) -> None:
    with connection.cursor() as cursor:
        for address in typed:
            cursor.execute(_FORGET_REJECTS, [workspace_id, address])


def _delete_consent(contact_ids: list[int]) -> None:
    """Delete under the one flag that lets the append-only trigger pass a deletion, and only for this statement."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('vashsender.erasing', 'on', true)")
        ConsentEvent.objects.filter(contact__in=contact_ids).delete()
        cursor.execute("SELECT set_config('vashsender.erasing', '', true)")
