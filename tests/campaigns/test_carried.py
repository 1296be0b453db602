"""What an account carried lately, as its page asks for it."""

from __future__ import annotations

from collections.abc import Callable

from django.db.models.functions import Now
from django.test import Client
from django.urls import reverse

from apps.campaigns import carried
from apps.campaigns.models import Campaign, Delivery
from apps.smtp.models import Transport
from tests.campaigns.conftest import letters


def test_counts_what_was_taken_and_what_was_refused(sending: Callable[..., Campaign], owner_client: Client) -> None:
    campaign = sending(5)
    ids = [letter.pk for letter in letters(campaign)]
    Delivery.objects.filter(pk__in=ids[:3]).update(state="sent", sent_at=Now(), moved_at=Now())
    Delivery.objects.filter(pk=ids[3]).update(state="failed", failure="perm_recipient", moved_at=Now())
    Delivery.objects.filter(pk=ids[4]).update(state="failed", failure="render", moved_at=Now())
    account = Transport.objects.get()

    address = reverse("campaigns:account_week", kwargs={"workspace_slug": "northlight", "transport_uuid": account.uuid})
    page = owner_client.get(address).content.decode()

    assert carried.week(account) == carried.Week(sent=3, failed=1, last_minute=3)
    assert "1 of 4" in page and "3 a minute" in page


def test_what_is_older_than_a_week_is_left_out(sending: Callable[..., Campaign]) -> None:
    campaign = sending(2)
    Delivery.objects.filter(campaign=campaign).update(state="sent", sent_at=Now(), moved_at="2026-01-01T00:00:00Z")

    assert carried.week(Transport.objects.get()) == carried.Week()
