"""The made-up campaign of a drill: its people, its letter, its sending account; needs Django set up for the drill."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar

from django.core.management import call_command
from django.db import connection

from apps.accounts.models import Workspace
from apps.campaigns.drill.counting import PENDING, Row
from apps.campaigns.drill.place import DOMAIN
from apps.campaigns.drill.plan import Plan
from apps.campaigns.models import Campaign, Delivery
from apps.campaigns.rendering.sample import SAMPLE_ADDRESS, sample_source
from apps.campaigns.services import lifecycle, outcomes
from apps.contacts.models import Contact, ContactList, Subscription
from apps.contacts.services import lists
from apps.smtp.models import Transport
from core import addresses

_SLICE = 2000
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the campaign is: its state, whether it is closed, and how many letters are in which state."""

    state: str
    is_closed: bool
    states: dict[str, int]

    @property
    def settled(self) -> int:
        """How many letters have an end."""
        return sum(count for state, count in self.states.items() if state not in PENDING)

    @property
    def is_over(self) -> bool:
        """Whether nothing moves any more: closed, or stopped by itself with nothing in hand."""
        is_halted = self.state in ("paused", "stalled", "failed", "cancelled")
        return self.is_closed or (is_halted and not PENDING & self.states.keys() - {"queued"})


def make(plan: Plan, *, smtp_port: int) -> int:
    """Build the database, the people and a draft to all of them; return the campaign's id."""
    call_command("migrate", verbosity=0)
    workspace = Workspace.objects.create(name="Drill", slug="drill", postal_address=SAMPLE_ADDRESS)
    contact_list = lists.create(workspace, name="Everybody")
    _make_people(workspace, contact_list, plan.letters)
    transport = Transport.objects.create(
        workspace=workspace, name="Fault server", kind="smtp", host="127.0.0.1", port=smtp_port, tls="none"
    )
    source = sample_source(from_email=f"news@{DOMAIN}", site_url=f"https://{DOMAIN}")
    campaign = Campaign.objects.create(
        workspace=workspace,
        name="Drill",
        subject=source.subject,
        preheader=source.preheader,
        html=source.html,
        text=source.text,
        from_name=source.from_name,
        from_email=source.from_email,
        transport=transport,
        policy=plan.policy,
    )
    campaign.lists.add(contact_list)
    return campaign.pk


def _make_people(workspace: Workspace, contact_list: ContactList, count: int) -> None:
    people = _people(workspace, count)
    while some := list(islice(people, _SLICE)):
        made = Contact.objects.bulk_create(some)
        Subscription.objects.bulk_create(
            Subscription(contact=one, contact_list=contact_list, state="confirmed") for one in made
        )


def _people(workspace: Workspace, count: int) -> Iterator[Contact]:
    for number in range(count):
        email = f"reader{number}@{DOMAIN}"
        yield Contact(
            workspace=workspace,
            email=email,
            email_normalised=email,
            email_hash=addresses.fingerprint(email),
            first_name=f"Reader {number}",
        )


def schedule(campaign_id: int) -> None:
    """Hand the campaign to the workers, as a person would."""
    lifecycle.schedule(Campaign.objects.get(pk=campaign_id), by=None)


def steady(ask: Callable[[], T]) -> T | None:
    """Ask the database; None while it is away, and the next question uses a new connection."""
    try:
        return ask()
    except outcomes.DATABASE_AWAY:
        outcomes.drop_connection()
        return None


def workers_alive() -> int:
    """Return how many pool processes have signed on."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM core_workerprocess")
        return int(cursor.fetchone()[0])


def progress(campaign_id: int) -> Progress:
    """Return how far the campaign is."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT state, finished_at IS NOT NULL FROM campaigns_campaign WHERE id = %s",
            [campaign_id],
        )
        state, is_over = cursor.fetchone()
        cursor.execute(
            "SELECT state, count(*) FROM campaigns_delivery WHERE campaign_id = %s GROUP BY 1", [campaign_id]
        )
        return Progress(str(state), bool(is_over), dict(cursor.fetchall()))


def rows(campaign_id: int) -> list[Row]:
    """Return what the database says about every letter."""
    found = Delivery.objects.filter(campaign_id=campaign_id, kind="campaign").values_list(
        "message_id", "email", "state", "reason", "last_stage", "ambiguous_count"
    )
    return [Row(*one) for one in found.iterator()]


def audience_size(campaign_id: int) -> int:
    """Return how many people the campaign says it was frozen for."""
    return Campaign.objects.values_list("audience_size", flat=True).get(pk=campaign_id) or 0


def suppressed() -> list[str]:
    """Return the addresses that were suppressed."""
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT c.email FROM contacts_suppression s JOIN contacts_contact c USING (workspace_id, email_hash)"""
        )
        return [row[0] for row in cursor.fetchall()]
