"""On what people read, and which machines came alone."""

from __future__ import annotations

from datetime import timedelta

from django.db.models.functions import Now
from django.test import Client

from apps.campaigns.models import Campaign
from apps.contacts.services import suppression
from apps.tracking import readers
from tests.tracking.test_selectors import LONG_AGO, add

PHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) Mobile/15E148"
TABLET = "Mozilla/5.0 (Linux; Android 14; SM-X710) AppleWebKit/537.36"
DESK = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Firefox/140.0"
PROXY = "Mozilla/5.0 Firefox/11.0 (via ggpht.com GoogleImageProxy)"


def test_each_person_counts_once_by_the_first_device_that_shows(campaign, make_delivery):
    first, second, third, fourth, fifth = (make_delivery(f"p{n}@orchard.example") for n in range(5))
    add(first, "open", user_agent=PHONE)
    add(first, "open", at=60, user_agent=DESK)
    add(second, "open", user_agent=PROXY)
    add(second, "click", at=60, user_agent=DESK)
    add(third, "open", user_agent=PROXY)
    add(fourth, "click", user_agent=TABLET)
    add(fifth, "open", user_agent=DESK, is_machine=True, machine_reason="prefetch")

    found = readers.of(campaign.pk)

    assert [(str(device), count) for device, count in found.devices] == [
        ("Phone", 1), ("Computer", 1), ("Tablet", 1), ("Hidden by the mail provider", 1),
    ]  # fmt: skip
    assert (found.people, found.fetched_in_advance, found.scanned) == (4, 1, 0)


def test_complaints_are_counted_from_then_on(campaign, make_delivery, workspace):
    make_delivery("mara@orchard.example", sent_at=Now() - timedelta(hours=1))
    make_delivery("tom@orchard.example", sent_at=Now() - timedelta(hours=1))
    suppression.add(workspace.pk, email="mara@orchard.example", reason="complaint")
    suppression.add(workspace.pk, email="tom@orchard.example", reason="hard_bounce")

    assert readers.of(campaign.pk).complained == 1


def test_the_fragment_shows_all_of_it(owner_client: Client, campaign: Campaign, make_delivery, workspace):
    Campaign.objects.filter(pk=campaign.pk).update(started_at=LONG_AGO, audience_size=2)
    first, second = (make_delivery(f"p{n}@orchard.example", sent_at=LONG_AGO) for n in range(2))
    add(first, "open", at=60, user_agent=PHONE)
    add(second, "open", at=9000, is_machine=True, machine_reason="prefetch")
    suppression.add(workspace.pk, email="p0@orchard.example", reason="complaint")

    html = owner_client.get(f"/w/northlight/campaigns/{campaign.uuid}/statistics/").content.decode()

    for words in (
        "Hour by hour",
        "First opens by people: 1, most of them from start.",
        "Only by machines: 1, most of them from +2 h.",
        "No link was followed yet.",
        "opened by mail apps in advance 1, by scanners 0",
        "1 person who opened or clicked",
        "Phone",
        "0 of 2 accepted; 1 complained since",
        "1 of 2 accepted; 2 including machines",
    ):
        assert words in html
    assert " style=" not in html
