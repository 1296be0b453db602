"""A workspace as it looks after some weeks: campaigns in every state, answers, imports, trouble; for pages to show."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any

from django.utils import timezone

from apps.accounts import audit
from apps.accounts.models import Membership, User, Workspace
from apps.campaigns import rendering
from apps.campaigns.models import Campaign, ContentVersion, Delivery
from apps.contacts.models import Contact, ContactList, ImportJob, ImportReject, Subscription, Suppression
from apps.smtp.models import Throttle, Transport
from apps.tracking.models import Event
from core import addresses
from core.secretbox import Secret
from tests.conftest import make_user

NAMES = [
    "Claire Fontaine",
    "Олена Шевчук",
    "Rui Almeida",
    "Наталья Константинопольская-Верхнеудинская",
    "",
    "Ng",
    "José",
]
REPLY = "550 5.1.1 <{email}>: Recipient address rejected: User unknown in virtual mailbox table"
CAMPAIGNS: dict[str, tuple[str, dict[str, int]]] = {
    "November roast: Kenya Gachatha": (
        "sending", {"sent": 60, "skipped": 4, "failed": 6, "unconfirmed": 1, "queued": 29}
    ),
    "Subscribers: your December box": ("paused", {"sent": 12, "queued": 20}),
    "Autumn brewing guide": ("finished", {"sent": 88, "skipped": 3, "failed": 7, "unconfirmed": 2}),
    "Roastery open day, Porto": ("cancelled", {"sent": 12, "cancelled": 24}),
    "A name so long that no table has room for it: the year in coffee, told month by month": ("scheduled", {}),
    "Spring": ("draft", {}),
}  # fmt: skip


def furnish(workspace: Workspace, owner: User) -> None:
    """Fill a workspace; whoever was there stays first."""
    contact_list = ContactList.objects.filter(workspace=workspace).first()
    transport = Transport.objects.filter(workspace=workspace).first()
    assert contact_list and transport
    people = list(_people(workspace, contact_list))
    _accounts(workspace)
    _imports(workspace, contact_list, owner)
    for number, (name, (state, counts)) in enumerate(CAMPAIGNS.items()):
        campaign = _campaign(workspace, transport, contact_list, name, state, counts, ago=number)
        _letters(campaign, people, counts)
    for person in people[3:6]:
        Suppression.objects.create(
            workspace=workspace, email=person.email, email_hash=person.email_hash, reason="hard_bounce", source=REPLY
        )
    colleague = make_user("olena@northlight.example", name="Олена Шевчук")
    Membership.objects.create(user=colleague, workspace=workspace, role="marketer")
    audit.note("campaign_sent", workspace=workspace, by=owner, target="Autumn brewing guide")


def _people(workspace: Workspace, contact_list: ContactList) -> Iterator[Contact]:
    for number in range(60):
        address = addresses.parse(f"reader{number}@orchard.example")
        first, _space, last = NAMES[number % len(NAMES)].partition(" ")
        contact = Contact.objects.create(
            workspace=workspace, email=address.email, email_normalised=address.normalised, first_name=first,
            last_name=last, email_hash=addresses.fingerprint(address.normalised), attributes={"town": "Porto"},
        )  # fmt: skip
        state = "unsubscribed" if number % 9 == 4 else "confirmed"
        Subscription.objects.create(contact=contact, contact_list=contact_list, state=state, source="trade-fair.csv")
        yield contact


def _accounts(workspace: Workspace) -> None:
    values: dict[str, Any] = {"workspace": workspace, "kind": "smtp"}
    Transport.objects.create(name="Own relay", host="mail.northlight.example", per_minute=110, per_day=8000, **values)
    trouble = Transport.objects.create(
        name="Receipts", host="smtp.receipts.example", username="ines", password=Secret("x"), **values
    )
    Throttle.objects.create(
        transport=trouble, closed_until="2040-01-01T00:00:00Z", trouble_since="2026-11-20T14:48:00Z",
        trouble_stage="auth", trouble_text="535 5.7.8 Authentication credentials invalid",
    )  # fmt: skip


def _imports(workspace: Workspace, contact_list: ContactList, owner: User) -> None:
    job = ImportJob.objects.create(
        workspace=workspace, contact_list=contact_list, created_by=owner, file_name="trade-fair-lisbon.csv",
        size_bytes=40_000, encoding="utf-8", delimiter=",",
        columns=[{"name": "email", "sample": "", "suggested": "email"}],
        mapping={"0": "email"}, state="finished", rows_total=500, rows_done=500, finished_at=timezone.now(),
        counts={"new": 480, "updated": 0, "unchanged": 8, "rejected": 12},
    )  # fmt: skip
    for line in range(12):
        ImportReject.objects.create(
            job=job, line=line * 40 + 2, code="no_at", reason="There is no @ sign", row=["reader.orchard.example"]
        )


def _campaign(
    workspace: Workspace, transport: Transport, contact_list: ContactList, name: str, state: str,
    counts: dict[str, int], *, ago: int,
) -> Campaign:  # fmt: skip
    now = timezone.now()
    fields: dict[str, Any] = {}
    if counts:
        fields = {"started_at": now - dt.timedelta(days=ago, hours=1), "audience_size": sum(counts.values())}
        fields["content"] = _content(workspace)
    if state in ("finished", "cancelled"):
        fields["finished_at"] = now - dt.timedelta(days=ago)
    if state == "scheduled":
        fields["scheduled_at"] = now + dt.timedelta(days=2)
    campaign = Campaign.objects.create(
        workspace=workspace, name=name, state=state, transport=transport, subject="The Kenyan is in", html=HTML,
        from_name="Northlight Coffee", from_email="hello@northlight.example", audience_list_ids=[contact_list.pk],
        **fields,
    )  # fmt: skip
    campaign.lists.add(contact_list)
    return campaign


HTML = (
    "<html><body><h1>Hello {{ first_name }}</h1><p><a href='https://northlight.example/shop'>Shop</a></p>"
    "<a href='{{ unsubscribe_url }}'>Unsubscribe</a></body></html>"
)


def _content(workspace: Workspace) -> ContentVersion:
    source = rendering.Source(
        subject="The Kenyan is in", preheader="", html=HTML, text="", from_name="Northlight Coffee",
        from_email="hello@northlight.example", reply_to="", postal_address=workspace.postal_address,
    )  # fmt: skip
    frozen = rendering.freeze(source)
    return ContentVersion.objects.create(
        workspace=workspace, content_hash=frozen.content_hash, frozen=frozen.to_json(), links=list(frozen.links)
    )


def _letters(campaign: Campaign, people: list[Contact], counts: dict[str, int]) -> None:
    now = timezone.now()
    states = [state for state, count in counts.items() for _ in range(count)]
    for number, state in enumerate(states):
        person = people[number % len(people)]
        email = person.email if number < len(people) else f"more{number}@orchard.example"
        letter = Delivery.objects.create(
            workspace=campaign.workspace, campaign=campaign, content=campaign.content, transport=campaign.transport,
            contact=person if number < len(people) else None, email=email, state=state, attempts=1,
            email_hash=addresses.fingerprint(email), message_id=f"<{campaign.pk}.{number}@northlight.example>",
            expires_at=now + dt.timedelta(hours=72), sent_at=now if state == "sent" else None,
            due_at=now + dt.timedelta(minutes=14),
        )  # fmt: skip
        if state == "sent" and number % 3 == 0:
            Event.objects.create(workspace=campaign.workspace, delivery=letter, campaign=campaign, kind="open")
        if state == "sent" and number % 12 == 0:
            Event.objects.create(workspace=campaign.workspace, delivery=letter, campaign=campaign, kind="click", link=0)
