"""What screens and commands read about campaigns: the account, what servers said, the letters of a report."""

from __future__ import annotations

from dataclasses import dataclass

from django.db import connection
from django.db.models import QuerySet

from apps.accounts.models import Workspace
from apps.campaigns.models import Campaign, Delivery
from apps.campaigns.states import DeliveryKind

# The six parts of an account in their fixed order, with the query that counts each. Cancelled people count as
# skipped, expired letters as failed: so six parts cover every state.
PARTS = ("sent", "skipped", "failed", "unconfirmed", "waiting", "queued")

# A letter that was tried and waits for its next try is waiting; one never tried, or in hand, is queued.
PART_OF_STATE = """CASE
  WHEN state = 'sent' THEN 'sent'
  WHEN state IN ('skipped', 'cancelled') THEN 'skipped'
  WHEN state IN ('failed', 'expired') THEN 'failed'
  WHEN state = 'unconfirmed' THEN 'unconfirmed'
  WHEN state = 'queued' AND attempts > 0 THEN 'waiting'
  ELSE 'queued' END"""


@dataclass(frozen=True, slots=True)
class Account:
    """Where a campaign's letters stand; the parts always sum to the total that was counted with them.

    `total` is the audience the campaign was frozen with, so `adds_up` compares two independent numbers.
    """

    sent: int = 0
    skipped: int = 0
    failed: int = 0
    unconfirmed: int = 0
    waiting: int = 0
    queued: int = 0
    in_hand: int = 0
    total: int = 0

    @property
    def settled(self) -> int:
        """How many have met their end."""
        return self.sent + self.skipped + self.failed + self.unconfirmed

    @property
    def pending(self) -> int:
        """How many have not."""
        return self.waiting + self.queued

    @property
    def adds_up(self) -> bool:
        """Whether the parts make the audience."""
        return self.settled + self.pending == self.total

    @property
    def is_closed(self) -> bool:
        """Whether nothing is pending and it adds up."""
        return self.pending == 0 and self.adds_up


def account(campaign: Campaign) -> Account:
    """Count a campaign's letters by part; test letters are not among them."""
    return accounts([campaign]).get(campaign.pk, Account())


def accounts(campaigns: list[Campaign]) -> dict[int, Account]:
    """Count several campaigns' letters in one query."""
    if not campaigns:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(
            f"""SELECT campaign_id, {PART_OF_STATE} AS part, state IN ('leased', 'sending', 'committing') AS in_hand,
                       count(*)
                FROM campaigns_delivery WHERE campaign_id = ANY(%s) AND kind = 'campaign' GROUP BY 1, 2, 3""",  # noqa: S608
            [[campaign.pk for campaign in campaigns]],
        )
        rows = cursor.fetchall()
    found: dict[int, dict[str, int]] = {campaign.pk: {"total": campaign.audience_size or 0} for campaign in campaigns}
    for campaign_id, part, is_in_hand, count in rows:
        counts = found[campaign_id]
        counts[part] = counts.get(part, 0) + count
        if is_in_hand:
            counts["in_hand"] = counts.get("in_hand", 0) + count
    return {campaign_id: Account(**counts) for campaign_id, counts in found.items()}


def campaigns_of(workspace: Workspace) -> QuerySet[Campaign]:
    """Return a workspace's campaigns, newest first."""
    return Campaign.objects.filter(workspace=workspace).select_related("transport").order_by("-pk")


def deliveries_of(campaign: Campaign) -> QuerySet[Delivery]:
    """Return a campaign's letters, without test letters, in order."""
    return (
        Delivery.objects.filter(campaign=campaign, kind=DeliveryKind.CAMPAIGN).select_related("contact").order_by("pk")
    )


def in_part(deliveries: QuerySet[Delivery], part: str) -> QuerySet[Delivery]:
    """Return the letters of one part of the account; an unknown part has none."""
    match part:
        case "sent" | "unconfirmed":
            return deliveries.filter(state=part)
        case "skipped":
            return deliveries.filter(state__in=["skipped", "cancelled"])
        case "failed":
            return deliveries.filter(state__in=["failed", "expired"])
        case "waiting":
            return deliveries.filter(state="queued", attempts__gt=0)
        case "queued":
            return deliveries.exclude(state="queued", attempts__gt=0).filter(
                state__in=["queued", "leased", "sending", "committing"]
            )
        case _:
            return deliveries.none()


def replies_of(campaign: Campaign, *, limit: int = 20) -> list[tuple[str, str, int]]:
    """Return what servers said, grouped: part, reply, how many; most frequent first."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""SELECT {PART_OF_STATE}, trim(concat_ws(' ', last_code, last_enhanced, last_text)), count(*)
                FROM campaigns_delivery
                WHERE campaign_id = %s AND kind = 'campaign' AND last_text <> ''
                GROUP BY 1, 2 ORDER BY 3 DESC LIMIT %s""",  # noqa: S608
            [campaign.pk, limit],
        )
        return [(part, reply, count) for part, reply, count in cursor.fetchall()]
