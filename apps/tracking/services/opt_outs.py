"""A recipient's wish to stop, and to take that back: for every letter ever sent, effective on return."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import TypedDict

from django.db import transaction

from apps.campaigns.models import Campaign
from apps.contacts.models import Contact, ContactList, Subscription, Suppression
from apps.contacts.services import subscriptions
from apps.tracking.letters import Letter
from apps.tracking.machines import Fetch
from apps.tracking.models import Event
from apps.tracking.services import recording
from core import addresses

Subscribed = Subscription.State


class Scope(StrEnum):
    """How much a recipient wants to stop."""

    LIST = "list"
    EVERYTHING = "everything"


@dataclass(frozen=True, slots=True)
class Standing:
    """What this person gets and may stop, as the letter's page shows it."""

    lists: tuple[ContactList, ...]
    is_off_lists: bool
    is_off_everything: bool
    can_undo: bool

    @property
    def has_stopped(self) -> bool:
        """True when letters like this one no longer come."""
        return self.is_off_everything or (bool(self.lists) and self.is_off_lists)


class _Address(TypedDict, total=False):
    email: str
    email_hash: bytes


def standing(letter: Letter) -> Standing:
    """Return how things are; changes nothing."""
    lists = _lists_of(letter)
    off = set(
        Subscription.objects.filter(
            contact_id=letter.contact_id, contact_list__in=lists, state=Subscribed.UNSUBSCRIBED
        ).values_list("contact_list_id", flat=True)
        if letter.contact_id
        else ()
    )
    suppressed = Suppression.objects.filter(workspace_id=letter.workspace_id, email_hash=letter.email_hash).first()
    is_off_lists = bool(lists) and {each.pk for each in lists} <= off
    is_theirs = suppressed is not None and suppressed.reason == Suppression.Reason.UNSUBSCRIBED
    return Standing(
        lists=lists,
        is_off_lists=is_off_lists,
        is_off_everything=suppressed is not None,
        can_undo=not letter.is_test and (is_theirs or (suppressed is None and is_off_lists)),
    )


def stop(letter: Letter, scope: Scope, *, fetch: Fetch, how: str) -> None:
    """Stop this list's letters or all; on return no further letter will be offered.

    Where the list, the campaign or the person's record is gone, everything stops: the address is suppressed.

    Args:
        how: "one-click" or "page", kept as evidence.
    """
    if letter.is_test:
        return
    lists = _lists_of(letter) if scope is Scope.LIST else ()
    with transaction.atomic():
        if lists and letter.contact_id:
            changed = subscriptions.unsubscribe(letter.contact_id, [each.pk for each in lists], source=_source(letter))
            detail: dict[str, object] = {"scope": Scope.LIST.value, "lists": changed, "how": how}
        else:
            for address in _addresses(letter):
                subscriptions.unsubscribe_everything(letter.workspace_id, **address, source=_source(letter))
            detail = {"scope": Scope.EVERYTHING.value, "how": how}
        recording.record(letter, Event.Kind.UNSUBSCRIBE, fetch=fetch, detail=detail)


def undo(letter: Letter, *, fetch: Fetch) -> None:
    """Take back the last wish to stop: first that nothing comes at all, else that this list's letters do not."""
    now = standing(letter)
    if not now.can_undo:
        return
    with transaction.atomic():
        if now.is_off_everything:
            for address in _addresses(letter):
                subscriptions.undo_unsubscribe_everything(letter.workspace_id, **address, source=_source(letter))
            detail: dict[str, object] = {"scope": Scope.EVERYTHING.value}
        else:
            assert letter.contact_id is not None
            lists = [each.pk for each in now.lists]
            restored = subscriptions.resubscribe(letter.contact_id, lists, source=_source(letter))
            detail = {"scope": Scope.LIST.value, "lists": restored}
        recording.record(letter, Event.Kind.RESUBSCRIBE, fetch=fetch, detail=detail)


def _lists_of(letter: Letter) -> tuple[ContactList, ...]:
    """Return the lists through which this person was in the campaign's audience, as far as they still exist."""
    if letter.campaign_id is None or letter.contact_id is None:
        return ()
    audience = Campaign.objects.values_list("audience_list_ids", flat=True).filter(pk=letter.campaign_id).first() or []
    lists = ContactList.objects.filter(workspace_id=letter.workspace_id, pk__in=audience)
    theirs = lists.filter(subscriptions__contact_id=letter.contact_id)
    return tuple(theirs) or tuple(lists)


def _addresses(letter: Letter) -> Iterator[_Address]:
    """Yield the address the letter went to, and the person's present one where that has changed since."""
    yield _known(letter.email, letter.email_hash)
    contact = Contact.objects.filter(workspace_id=letter.workspace_id, pk=letter.contact_id or 0).first()
    if contact and bytes(contact.email_hash) != letter.email_hash:
        yield _known(contact.email, bytes(contact.email_hash))


def _known(email: str, email_hash: bytes) -> _Address:
    # The hash decides before the wire; the address is only for screens, and gone after an erasure.
    try:
        if email and addresses.fingerprint(addresses.parse(email).normalised) == email_hash:
            return {"email": email}
    except addresses.InvalidAddressError:
        pass
    return {"email_hash": email_hash}


def _source(letter: Letter) -> str:
    return f"link in email {letter.delivery_id}"
