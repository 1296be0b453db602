"""The audience as a subtraction a person can follow: what is on the lists, less everyone who is left out, and why."""

from __future__ import annotations

from dataclasses import dataclass

from apps.campaigns import selectors
from apps.campaigns.models import Campaign
from apps.campaigns.services import audience
from apps.contacts.models import ContactList


@dataclass(frozen=True, slots=True)
class Subtraction:
    """Lines that add up: members of every list, less who is counted twice, less who is left out."""

    lists: tuple[tuple[str, int], ...]
    excluded_names: tuple[str, ...]
    forecast: audience.Forecast

    @property
    def on_several(self) -> int:
        """Memberships that are counted once."""
        return sum(count for _name, count in self.lists) - self.forecast.on_lists

    @property
    def people(self) -> int:
        """How many people are on the lists."""
        return self.forecast.on_lists

    @property
    def left_out(self) -> int:
        """How many of them get nothing."""
        return self.forecast.on_lists - self.forecast.audience


def now(campaign: Campaign) -> Subtraction:
    """Count a draft's audience as it is chosen now."""
    chosen = set(campaign.lists.values_list("pk", flat=True))
    excluded = list(campaign.excluded_lists.order_by("name"))
    members: list[ContactList] = list(selectors.members_by_list(campaign.workspace).filter(pk__in=chosen))
    forecast = audience.forecast(
        campaign.workspace_id, list_ids=sorted(chosen), excluded_list_ids=[each.pk for each in excluded]
    )
    return Subtraction(
        # annotated by `members_by_list`
        lists=tuple((each.name, each.on_it) for each in members),  # type: ignore[attr-defined]
        excluded_names=tuple(each.name for each in excluded),
        forecast=forecast,
    )


@dataclass(frozen=True, slots=True)
class Frozen:
    """Who was left out when the audience was frozen."""

    excluded: int
    unsubscribed: int
    unconfirmed: int
    suppressed: int
    duplicate: int
    audience: int

    @property
    def people(self) -> int:
        """How many people were on the lists."""
        return self.audience + self.left_out

    @property
    def left_out(self) -> int:
        """How many of them got no email."""
        return self.excluded + self.unsubscribed + self.unconfirmed + self.suppressed


def frozen(campaign: Campaign, *, audience_size: int) -> Frozen:
    """Return what preparing wrote down."""
    counts = {reason: int(campaign.left_out.get(reason, 0)) for reason in audience.LEFT_OUT_REASONS}
    return Frozen(**counts, audience=audience_size)
