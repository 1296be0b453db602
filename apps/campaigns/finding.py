"""Which people of a campaign are wanted: the same words in an address, on a page and in an export."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from django.db.models import Q, QuerySet

from apps.campaigns import causes, selectors
from apps.campaigns.models import Campaign, Delivery

LONGEST_QUERY = 200


@dataclass(frozen=True, slots=True)
class Wanted:
    """A part of the account, a cause, and what is in somebody's name, address or reply; empty is everyone."""

    part: str = ""
    cause: str = ""
    query: str = ""

    @classmethod
    def of(cls, asked: Mapping[str, str]) -> Wanted:
        """Read what an address or a form asks for."""
        texts = (asked.get(name, "").replace("\x00", "").strip() for name in ("part", "why", "q"))
        part, cause, query = (text[:LONGEST_QUERY] for text in texts)
        return cls(part, cause, query)

    @property
    def kept(self) -> dict[str, str]:
        """The same as it is written into an address."""
        return {name: text for name, text in (("part", self.part), ("why", self.cause), ("q", self.query)) if text}


def deliveries(campaign: Campaign, wanted: Wanted) -> QuerySet[Delivery]:
    """Return the wanted letters of a campaign in order; an unknown part or cause has none."""
    found = selectors.deliveries_of(campaign)
    if wanted.part:
        found = selectors.in_part(found, wanted.part)
    if wanted.cause:
        found = causes.with_cause(found, wanted.cause)
    if wanted.query:
        found = found.filter(
            Q(email__icontains=wanted.query)
            | Q(contact__first_name__icontains=wanted.query)
            | Q(contact__last_name__icontains=wanted.query)
            | Q(last_text__icontains=wanted.query)
        )
    return found
