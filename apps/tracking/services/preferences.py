"""Which lists a person wants, chosen by themselves with the link in any letter they got."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from uuid import UUID

from django.db import transaction
from django.db.models import Q

from apps.campaigns.models import Campaign
from apps.contacts.models import Contact, ContactList, Subscription
from apps.contacts.services import subscriptions
from apps.tracking.letters import Letter
from apps.tracking.machines import Fetch
from apps.tracking.models import Event
from apps.tracking.services import recording

_ON = {Subscription.State.CONFIRMED, Subscription.State.UNCONFIRMED}


@dataclass(frozen=True, slots=True)
class Choice:
    """One list a person may leave or join."""

    contact_list: ContactList
    is_on: bool


def choices(letter: Letter) -> list[Choice]:
    """Return the public lists, and those others that this letter came through, with what the person gets now."""
    if letter.contact_id is None:
        return []
    audience = (
        Campaign.objects.values_list("audience_list_ids", flat=True).filter(pk=letter.campaign_id or 0).first() or []
    )
    states = dict(Subscription.objects.filter(contact_id=letter.contact_id).values_list("contact_list_id", "state"))
    offered = ContactList.objects.filter(workspace_id=letter.workspace_id).filter(
        Q(is_public=True) | Q(pk__in=[pk for pk in audience if pk in states])
    )
    return [Choice(each, states.get(each.pk) in _ON) for each in offered]


def choose(letter: Letter, wanted: Collection[UUID], *, fetch: Fetch) -> None:
    """Make the person's lists exactly the wanted ones among those offered; effective on return."""
    if letter.is_test or letter.contact_id is None:
        return
    source = f"preferences by letter {letter.delivery_id}"
    offered = choices(letter)
    leaving = [each.contact_list.pk for each in offered if each.is_on and each.contact_list.uuid not in wanted]
    joining = [each.contact_list for each in offered if not each.is_on and each.contact_list.uuid in wanted]
    with transaction.atomic():
        if leaving:
            left = subscriptions.unsubscribe(letter.contact_id, leaving, source=source)
            detail: dict[str, object] = {"scope": "list", "lists": left, "how": "preferences"}
            recording.record(letter, Event.Kind.UNSUBSCRIBE, fetch=fetch, detail=detail)
        if joining:
            contact = Contact.objects.get(pk=letter.contact_id)
            for contact_list in joining:
                subscriptions.subscribe(contact, contact_list, source=source, by_the_person=True)
            detail = {"scope": "list", "lists": [each.pk for each in joining], "how": "preferences"}
            recording.record(letter, Event.Kind.RESUBSCRIBE, fetch=fetch, detail=detail)
