"""A campaign as large as a picture needs it, put into any state without sending a letter."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.db.models.functions import Now

from apps.accounts.models import Workspace
from apps.campaigns.models import Campaign, ContentVersion, Delivery, PaceSample
from apps.contacts.models import Contact
from apps.smtp import mx_groups
from apps.smtp.models import Transport
from core import addresses, clock

LINKS = ["https://northlight.example/guide/filter", "https://northlight.example/shop/grinder"]
OK = {"state": "sent", "last_code": 250, "last_enhanced": "2.0.0", "last_text": "OK"}
NO_MAILBOX = {
    "state": "failed", "failure": "perm_recipient", "reason": "perm_recipient", "last_code": 550,
    "last_enhanced": "5.1.1", "last_text": "The email account that you tried to reach does not exist",
}  # fmt: skip
BUSY = {
    "state": "queued", "attempts": 1, "failure": "policy_rate", "reason": "policy_rate", "last_code": 451,
    "last_enhanced": "4.7.500", "last_text": "Server busy. Please try again later from [203.0.113.24]",
}  # fmt: skip
FULL = {
    "state": "expired", "attempts": 23, "failure": "quota", "reason": "expired", "last_code": 452,
    "last_enhanced": "4.2.2", "last_text": "The recipient's inbox is out of storage space",
}  # fmt: skip
REFUSED = {
    "state": "failed", "failure": "policy_reputation", "reason": "policy_reputation", "last_code": 550,
    "last_enhanced": "5.7.1", "last_text": "Message rejected by content policy (AS7714)",
}  # fmt: skip
SKIPPED = {"state": "skipped", "reason": "unsubscribed", "attempts": 0}
UNCONFIRMED = {"state": "unconfirmed", "reason": "no_reply", "failure": "ambiguous"}
FIRST = ("Anders", "Olena", "Priya", "Bea", "Claire", "Mara", "Ines", "Tom")
LAST = ("Lindqvist", "Shevchuk", "Raman", "Vale", "Fontaine", "Okafor", "Marlow", "Ito")


def campaign_of(workspace: Workspace, transport: Transport, **fields: Any) -> Campaign:
    content = ContentVersion.objects.create(workspace=workspace, content_hash="c", frozen={}, links=LINKS)
    values = {"name": "November roast: Kenya Gachatha", "subject": "Kenya Gachatha is here", "content": content}
    return Campaign.objects.create(workspace=workspace, transport=transport, **{**values, **fields})


def add(campaign: Campaign, count: int, domain: str = "example.com", *, named: int = 0, **fields: Any) -> None:
    """Add so many letters of one kind to the audience; the first of them to people with a contact."""
    assert campaign.transport is not None and campaign.content is not None
    base = Delivery.objects.count()
    made = []
    for number in range(count):
        first, last = FIRST[(base + number) % 8], LAST[(base // 8 + number) % 8]
        address = addresses.parse(f"{first}.{last}.{base + number}@{domain}".lower())
        digest = addresses.fingerprint(address.normalised)
        contact = None
        if number < named:
            contact = Contact.objects.create(
                workspace=campaign.workspace, email=address.email, email_normalised=address.normalised,
                email_hash=digest, first_name=first, last_name=last,
            )  # fmt: skip
        made.append(
            Delivery(
                **{
                    "workspace": campaign.workspace, "campaign": campaign, "contact": contact,
                    "content": campaign.content, "transport": campaign.transport, "email": address.email,
                    "email_hash": digest, "message_id": f"<{base + number}@northlight.example>", "attempts": 1,
                    "mx_group": mx_groups.of(address.email), "expires_at": clock.now() + dt.timedelta(hours=70),
                    **fields,
                }
            )
        )  # fmt: skip
    Delivery.objects.bulk_create(made)
    campaign.audience_size = (campaign.audience_size or 0) + count
    campaign.save(update_fields=["audience_size"])


def sample(campaign: Campaign, *, minutes: float, tried: int, **fields: Any) -> None:
    """Add what was measured so many minutes ago."""
    at = clock.now() - dt.timedelta(minutes=minutes)
    PaceSample.objects.create(campaign=campaign, slot=at, at=at, tried=tried, **fields)


def busy_campaign(workspace: Workspace, transport: Transport, **fields: Any) -> Campaign:
    """Return the campaign of the design's picture, a tenth of its size: half done, and Microsoft slowed it down."""
    begun = clock.now() - dt.timedelta(minutes=66)
    values = {"state": "sending", "started_at": begun, "moved_at": begun, **fields}
    campaign = campaign_of(workspace, transport, **values)
    long_ago = {"moved_at": begun, "sent_at": begun}
    for domain, sent, failed, busy, queued in (
        ("gmail.com", 1590, 6, 1, 548), ("outlook.com", 510, 4, 32, 417), ("yahoo.com", 342, 2, 4, 172),
        ("icloud.com", 287, 1, 1, 122), ("mail.ru", 60, 1, 2, 129), ("orchard.example", 395, 3, 1, 183),
    ):  # fmt: skip
        add(campaign, sent - sent // 55, domain, **OK, **long_ago)
        add(campaign, sent // 55, domain, **OK, sent_at=Now())
        add(campaign, failed, domain, **NO_MAILBOX, **long_ago)
        add(campaign, busy, domain, **BUSY, due_at=Now() + dt.timedelta(minutes=6 + busy % 9))
        add(campaign, queued, domain, attempts=0)
    add(campaign, 6, "gmail.com", **SKIPPED)
    add(campaign, 1, "outlook.com", **UNCONFIRMED, **long_ago)
    tried = 0
    for minute in range(66):
        pace = 12 + minute * 8 if minute < 6 else 57 + minute % 7
        pace = 34 if 34 < minute < 43 else pace
        waiting = {"microsoft:policy_rate": 5 + 4 * (minute - 34)} if 34 < minute < 43 else {}
        tried += pace
        sample(campaign, minutes=65.5 - minute, tried=tried, waiting=waiting)
    return campaign
