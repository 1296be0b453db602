"""What the screens of people, lists, imports and suppressions show; the number of queries does not grow with rows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from django.db.models import Count, Exists, OuterRef, Prefetch, Q, QuerySet

from apps.accounts.models import Workspace
from apps.contacts.models import (
    ConsentEvent,
    Contact,
    ContactList,
    ContactNote,
    ImportJob,
    ImportReject,
    Subscription,
    Suppression,
)

PAGE = 50
State = Subscription.State


@dataclass(frozen=True, slots=True)
class Person:
    """A contact with what decides whether they can be written to."""

    contact: Contact
    subscriptions: list[Subscription]
    suppression: Suppression | None

    @property
    def verdict(self) -> str:
        """One of yes, complaint, hard_bounce, unsubscribed, manual, unconfirmed, left, no_list."""
        if self.suppression is not None:
            return self.suppression.reason
        states = {subscription.state for subscription in self.subscriptions}
        if State.CONFIRMED in states:
            return "yes"
        if State.UNCONFIRMED in states:
            return "unconfirmed"
        return "left" if states else "no_list"

    @property
    def lists(self) -> list[ContactList]:
        """The lists the person is on, confirmed or not yet."""
        return [one.contact_list for one in self.subscriptions if one.state != State.UNSUBSCRIBED]


@dataclass(frozen=True, slots=True)
class Filter:
    """Which people a screen asks for."""

    query: str = ""
    contact_list: ContactList | None = None
    state: str = ""

    @property
    def is_empty(self) -> bool:
        """True when it asks for everybody."""
        return not (self.query or self.contact_list or self.state)


@dataclass(frozen=True, slots=True)
class Page:
    """Some people, how many there are in all, and where the next ones begin (None at the end)."""

    people: list[Person]
    found: int
    next_after: int | None
    filter: Filter = field(default_factory=Filter)


@dataclass(frozen=True, slots=True)
class Totals:
    """How many people there are, and how many of them can be written to."""

    people: int
    writable: int


def people(workspace: Workspace, wanted: Filter, *, after: int = 0, shown: int = PAGE) -> Page:
    """Return one page of people, newest first; `after` is the id of the last person of the page before."""
    everybody = matching(workspace, wanted)
    rows = everybody.filter(pk__lt=after) if after else everybody
    found = list(rows.order_by("-pk").prefetch_related(_subscriptions())[: shown + 1])
    more = len(found) > shown
    found = found[:shown]
    return Page(_with_suppressions(workspace, found), everybody.count(), found[-1].pk if more else None, wanted)


def matching(workspace: Workspace, wanted: Filter) -> QuerySet[Contact]:
    """Return the people a filter asks for."""
    found = Contact.objects.filter(workspace=workspace)
    for word in wanted.query.split()[:5]:
        found = found.filter(Q(email__icontains=word) | Q(first_name__icontains=word) | Q(last_name__icontains=word))
    on_list = Subscription.objects.filter(contact=OuterRef("pk"))
    if wanted.contact_list is not None:
        on_list = on_list.filter(contact_list=wanted.contact_list)
        found = found.filter(Exists(on_list))
    match wanted.state:
        case "yes":
            found = found.filter(_is_writable(on_list))
        case "suppressed":
            found = found.filter(_is_suppressed())
        case State.UNCONFIRMED | State.UNSUBSCRIBED:
            found = found.filter(Exists(on_list.filter(state=wanted.state)))
    return found


def chunk_of(workspace: Workspace, people: QuerySet[Contact], *, after: int, size: int) -> list[Person]:
    """Return the next people of a filter behind an id, oldest first, with all that decides about them."""
    found = people.filter(pk__gt=after).order_by("pk").prefetch_related(_subscriptions())[:size]
    return _with_suppressions(workspace, found)


def person(workspace: Workspace, contact: Contact) -> Person:
    """Return a contact with all subscriptions and the suppression of the address."""
    found = Contact.objects.filter(pk=contact.pk).prefetch_related(_subscriptions())
    return _with_suppressions(workspace, list(found))[0]


def consent_history(contact: Contact) -> QuerySet[ConsentEvent]:
    """Return what a person agreed to and took back, newest first."""
    return ConsentEvent.objects.filter(contact=contact).order_by("-pk")


def notes(contact: Contact) -> QuerySet[ContactNote]:
    """Return what members wrote down about a person, newest first."""
    return ContactNote.objects.filter(contact=contact).order_by("-pk")


def totals(workspace: Workspace) -> Totals:
    """Return how many people the workspace has, and how many of them can be written to."""
    everybody = Contact.objects.filter(workspace=workspace)
    return Totals(everybody.count(), everybody.filter(_is_writable()).count())


def lists(workspace: Workspace) -> QuerySet[ContactList]:
    """Return the workspace's lists with `confirmed`, `unconfirmed` and `unsubscribed` counts."""
    counts = {state.value: Count("subscriptions", filter=Q(subscriptions__state=state)) for state in State}
    return ContactList.objects.filter(workspace=workspace).annotate(**counts)


def suppressed(workspace: Workspace, *, query: str = "", after: int = 0) -> QuerySet[Suppression]:
    """Return suppressions, newest first, behind the one with id `after`."""
    found = Suppression.objects.filter(workspace=workspace).order_by("-pk")
    if query:
        found = found.filter(email__icontains=query)
    return found.filter(pk__lt=after) if after else found


def imports(workspace: Workspace) -> QuerySet[ImportJob]:
    """Return the workspace's imports, newest first."""
    return ImportJob.objects.filter(workspace=workspace).select_related("contact_list").order_by("-pk")


def rejects(job: ImportJob, *, after: int = 0) -> QuerySet[ImportReject]:
    """Return the refused rows of an import in the file's order, behind a line."""
    return ImportReject.objects.filter(job=job, line__gt=after).order_by("line")


def _is_suppressed() -> Exists:
    return Exists(Suppression.objects.filter(workspace=OuterRef("workspace"), email_hash=OuterRef("email_hash")))


def _is_writable(on_list: QuerySet[Subscription] | None = None) -> Q:
    if on_list is None:
        on_list = Subscription.objects.filter(contact=OuterRef("pk"))
    return Q(Exists(on_list.filter(state=State.CONFIRMED))) & ~Q(_is_suppressed())


def _subscriptions() -> Prefetch[str, QuerySet[Subscription], str]:
    return Prefetch("subscriptions", Subscription.objects.select_related("contact_list").order_by("contact_list__name"))


def _with_suppressions(workspace: Workspace, contacts: Iterable[Contact]) -> list[Person]:
    contacts = list(contacts)
    hashes = [bytes(contact.email_hash) for contact in contacts]
    found = {
        bytes(one.email_hash): one for one in Suppression.objects.filter(workspace=workspace, email_hash__in=hashes)
    }
    return [
        Person(contact, list(contact.subscriptions.all()), found.get(bytes(contact.email_hash))) for contact in contacts
    ]
