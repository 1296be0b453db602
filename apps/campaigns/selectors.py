"""What screens and commands read about campaigns: the account, what servers said, the letters of a report."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from django.conf import settings
from django.db import connection
from django.db.models import Count, Exists, Max, OuterRef, Q, QuerySet
from django.db.models.functions import Now

from apps.accounts.models import Workspace
from apps.campaigns.models import Campaign, CampaignEntry, Delivery
from apps.campaigns.states import CampaignState, DeliveryKind, DeliveryState
from apps.contacts.models import Contact, ContactList, Subscription, Suppression

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
        return self.letters == self.total

    @property
    def letters(self) -> int:
        """How many there are."""
        return self.settled + self.pending

    @property
    def is_closed(self) -> bool:
        """Whether nothing is pending and it adds up."""
        return self.pending == 0 and self.adds_up


def account(campaign: Campaign) -> Account:
    """Count a campaign's letters by part; test letters are not among them."""
    return accounts([campaign]).get(campaign.pk, Account())


def accounts(campaigns: list[Campaign]) -> dict[int, Account]:
    """Count several campaigns' letters in one statement, so that parts and audience are of the same moment."""
    if not campaigns:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(
            f"""SELECT k.id, coalesce(k.audience_size, 0), d.part, d.in_hand, d.letters
                FROM campaigns_campaign k LEFT JOIN (
                  SELECT campaign_id, {PART_OF_STATE} AS part,
                         state IN ('leased', 'sending', 'committing') AS in_hand, count(*) AS letters
                  FROM campaigns_delivery WHERE campaign_id = ANY(%(ids)s) AND kind = 'campaign' GROUP BY 1, 2, 3
                ) d ON d.campaign_id = k.id WHERE k.id = ANY(%(ids)s)""",  # noqa: S608
            {"ids": [campaign.pk for campaign in campaigns]},
        )
        rows = cursor.fetchall()
    found: dict[int, dict[str, int]] = {}
    for campaign_id, total, part, is_in_hand, letters in rows:
        counts = found.setdefault(campaign_id, {"total": total})
        if part is None:
            continue
        counts[part] = counts.get(part, 0) + letters
        if is_in_hand:
            counts["in_hand"] = counts.get("in_hand", 0) + letters
    return {campaign_id: Account(**counts) for campaign_id, counts in found.items()}


def ends(campaign: Campaign) -> list[tuple[str, str, str, int]]:
    """Count a campaign's letters by part, state and reason, the most first within a part."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""SELECT {PART_OF_STATE} AS part, state, reason, count(*) FROM campaigns_delivery
                WHERE campaign_id = %s AND kind = 'campaign' GROUP BY 1, 2, 3""",  # noqa: S608
            [campaign.pk],
        )
        rows: list[tuple[str, str, str, int]] = cursor.fetchall()
    return sorted(rows, key=lambda row: (PARTS.index(row[0]), -row[3], row[1:3]))


def campaigns_of(workspace: Workspace) -> QuerySet[Campaign]:
    """Return a workspace's campaigns, newest first."""
    return Campaign.objects.filter(workspace=workspace).select_related("transport").order_by("-pk")


def with_lists(campaigns: Sequence[Campaign]) -> set[int]:
    """Return the numbers of those campaigns for which at least one list is chosen."""
    chosen = Campaign.lists.through.objects.filter(campaign__in=campaigns)
    return set(chosen.values_list("campaign_id", flat=True)) if campaigns else set()


def deliveries_of(campaign: Campaign) -> QuerySet[Delivery]:
    """Return a campaign's letters, without test letters, in order."""
    return (
        Delivery.objects.filter(campaign=campaign, kind=DeliveryKind.CAMPAIGN).select_related("contact").order_by("pk")
    )


def part_of(delivery: Delivery) -> str:
    """Return the part of the account that a letter belongs to, as the database counts it."""
    match delivery.state:
        case "sent" | "unconfirmed":
            return delivery.state
        case "skipped" | "cancelled":
            return "skipped"
        case "failed" | "expired":
            return "failed"
        case "queued" if delivery.attempts > 0:
            return "waiting"
        case _:
            return "queued"


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


def sending_now(workspace: Workspace) -> Campaign | None:
    """Return the campaign that is being sent, the newest of several."""
    return campaigns_of(workspace).filter(state__in=[CampaignState.PREPARING, CampaignState.SENDING]).first()


def asking(workspace: Workspace) -> QuerySet[Campaign]:
    """Return the campaigns that missed the time they were appointed for, and wait for a person."""
    patience = dt.timedelta(seconds=settings.LIMITS.late)
    missed = campaigns_of(workspace).filter(state=CampaignState.SCHEDULED, is_appointed=True)
    return missed.filter(scheduled_at__lt=Now() - patience)


def latest(workspace: Workspace, *, limit: int = 5) -> list[Campaign]:
    """Return the campaigns that moved last."""
    return list(campaigns_of(workspace).filter(archived_at=None).order_by("-moved_at", "-pk")[:limit])


def counts_by_state(campaigns: QuerySet[Campaign]) -> dict[str, int]:
    """Count campaigns by state."""
    return dict(campaigns.order_by().values_list("state").annotate(Count("pk")))


def tests_of(campaign: Campaign, *, limit: int = 10) -> list[Delivery]:
    """Return a campaign's test letters, newest first."""
    tests = Delivery.objects.filter(campaign=campaign, kind=DeliveryKind.TEST).select_related("contact")
    return list(tests.order_by("-pk")[:limit])


def entries_of(campaign: Campaign) -> QuerySet[CampaignEntry]:
    """Return a campaign's history, newest first."""
    return CampaignEntry.objects.filter(campaign=campaign).select_related("by").order_by("-at", "-pk")


def members_by_list(workspace: Workspace) -> QuerySet[ContactList]:
    """Return a workspace's lists, each with how many people are `on_it` and how many of them `confirmed`."""
    lists = ContactList.objects.filter(workspace=workspace).annotate(
        on_it=Count("subscriptions"),
        confirmed=Count("subscriptions", filter=Q(subscriptions__state=Subscription.State.CONFIRMED)),
    )
    return lists.order_by("name", "pk")


def readers(workspace: Workspace, *, list_ids: list[int], excluded_list_ids: list[int]) -> QuerySet[Contact]:
    """Return the people who would get a letter to these lists if it were sent now, as `audience.make_slice` judges."""
    on = Subscription.objects.filter(contact=OuterRef("pk"), state=Subscription.State.CONFIRMED)
    suppressed = Suppression.objects.filter(workspace=workspace, email_hash=OuterRef("email_hash"))
    return Contact.objects.filter(
        Exists(on.filter(contact_list__in=list_ids)),
        ~Exists(on.filter(contact_list__in=excluded_list_ids)),
        ~Exists(suppressed),
        workspace=workspace,
    ).order_by("pk")


def last_emails(contact_ids: Collection[int]) -> dict[int, dt.datetime]:
    """Return when the last letter to each of some people was accepted; tests do not count."""
    sent = Delivery.objects.filter(
        contact__in=list(contact_ids), kind=DeliveryKind.CAMPAIGN, state=DeliveryState.SENT, sent_at__isnull=False
    )
    return dict(sent.order_by().values_list("contact").annotate(last=Max("sent_at")))
