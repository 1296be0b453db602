"""What was written to one person, and what came back from them: people and machines apart."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from apps.campaigns import fates
from apps.campaigns.fates import Fate
from apps.campaigns.models import Delivery
from apps.campaigns.states import DeliveryKind
from apps.contacts.models import Contact
from apps.tracking.machines import BURST_LINKS, BURST_SECONDS
from apps.tracking.models import Event

LETTERS = 20
_EVENTS = 5000  # of one page of letters; a scanner in a loop must not fill the memory
Kind = Event.Kind


@dataclass(frozen=True, slots=True)
class Came:
    """How often something came back for one letter, by people and by machines, and when a person last did it."""

    people: int = 0
    machines: int = 0
    last_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class PersonLetter:
    """One letter to a person: what became of it, and what came back."""

    delivery: Delivery
    fate: Fate
    opens: Came
    clicks: Came

    @property
    def is_test(self) -> bool:
        """True for a test letter, which counts in no report."""
        return self.delivery.kind == DeliveryKind.TEST


def letters(contact: Contact, *, before: int = 0, shown: int = LETTERS) -> tuple[list[PersonLetter], int | None]:
    """Return one page of a person's letters, newest first, and the id that the next page comes before."""
    found = Delivery.objects.filter(contact=contact).select_related("campaign").order_by("-pk")
    rows = list((found.filter(pk__lt=before) if before else found)[: shown + 1])
    page = rows[:shown]
    events: dict[int, list[Event]] = defaultdict(list)
    came_back = Event.objects.filter(delivery__in=page, kind__in=[Kind.OPEN, Kind.CLICK]).order_by("-pk")
    for event in came_back[:_EVENTS]:
        events[event.delivery_id].append(event)
    return (
        [_letter(delivery, events[delivery.pk]) for delivery in page],
        page[-1].pk if len(rows) > shown else None,
    )


def _letter(delivery: Delivery, events: Sequence[Event]) -> PersonLetter:
    opens = [event for event in events if event.kind == Kind.OPEN]
    clicks = [event for event in events if event.kind == Kind.CLICK]
    bursts = _burst_times(clicks)
    judged = [(event, event.is_machine or _is_in(event.at, bursts)) for event in clicks]
    return PersonLetter(
        delivery, fates.of(delivery), _came((event, event.is_machine) for event in opens), _came(judged)
    )


def _came(judged: Iterable[tuple[Event, bool]]) -> Came:
    people: list[Event] = []
    machines = 0
    for event, is_machine in judged:
        if is_machine:
            machines += 1
        else:
            people.append(event)
    return Came(len(people), machines, max((event.at for event in people), default=None))


def _burst_times(clicks: Sequence[Event]) -> list[datetime]:
    """Return when three different links began to be followed at once: the first of them looked like a person's."""
    window = timedelta(seconds=BURST_SECONDS)
    return [
        first.at
        for first in clicks
        if len({other.link for other in clicks if first.at <= other.at <= first.at + window}) >= BURST_LINKS
    ]


def _is_in(at: datetime, bursts: Sequence[datetime]) -> bool:
    return any(begins <= at <= begins + timedelta(seconds=BURST_SECONDS) for begins in bursts)
