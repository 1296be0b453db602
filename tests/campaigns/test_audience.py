"""The audience: everyone once, everyone left out counted, restartable at every slice."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import Any

import pytest
from django.db import connection

from apps.accounts.models import Workspace
from apps.campaigns.models import Batch, Campaign, Delivery
from apps.campaigns.services import audience
from apps.contacts.models import ContactList, Subscription, Suppression
from settings.limits import REAL
from tests.campaigns.conftest import MakeCampaign, MakeContact


@pytest.fixture
def mixed(workspace: Workspace, contact_list: ContactList, make_contact: MakeContact) -> ContactList:
    """Ten people: five get a letter, one of them is on two lists; five are left out, each for a reason of their own."""
    second = ContactList.objects.create(workspace=workspace, name="Second")
    unwanted = ContactList.objects.create(workspace=workspace, name="Unwanted")
    people = [make_contact(f"reader{n}@example.com") for n in range(10)]
    Subscription.objects.create(contact=people[0], contact_list=second, state="confirmed")
    Subscription.objects.create(contact=people[5], contact_list=unwanted, state="confirmed")
    Subscription.objects.filter(contact=people[6]).update(state="unsubscribed")
    Subscription.objects.filter(contact=people[7]).update(state="unconfirmed")
    Suppression.objects.create(workspace=workspace, email_hash=people[8].email_hash, reason="manual")
    Suppression.objects.create(workspace=workspace, email_hash=people[9].email_hash, reason="complaint")
    Subscription.objects.filter(contact=people[9]).update(state="unsubscribed")
    return second


def prepare(campaign: Campaign) -> int:
    slices = 0
    while (made := audience.make_slice(campaign.pk)) is not None:
        slices += 1
        if made.is_last:
            break
    campaign.refresh_from_db()
    return slices


def test_everyone_left_out_is_counted_with_a_reason(
    mixed: ContactList, make_campaign: MakeCampaign, contact_list: ContactList, workspace: Workspace
) -> None:
    unwanted = ContactList.objects.get(name="Unwanted")
    campaign = make_campaign(audience_list_ids=[contact_list.pk, mixed.pk], excluded_list_ids=[unwanted.pk])

    prepare(campaign)

    assert campaign.audience_size == Delivery.objects.filter(campaign=campaign).count() == 5
    assert campaign.left_out == {
        "excluded": 1, "unsubscribed": 1, "unconfirmed": 1, "suppressed": 2, "duplicate": 1
    }  # fmt: skip
    forecast = audience.forecast(workspace.pk, list_ids=[contact_list.pk, mixed.pk], excluded_list_ids=[unwanted.pk])
    assert (forecast.on_lists, forecast.audience) == (10, 5)


def test_slices_restart_at_the_cursor_and_never_double(
    make_campaign: MakeCampaign, make_contact: MakeContact, settings: Any
) -> None:
    settings.LIMITS = replace(REAL, slice_size=3)
    for number in range(7):
        make_contact(f"reader{number}@example.com")
    campaign = make_campaign()

    assert prepare(campaign) == 3

    assert [batch.size for batch in Batch.objects.filter(campaign=campaign).order_by("number")] == [3, 3, 1]
    Campaign.objects.update(cursor=0)  # as if the cursor had been lost: the unique key holds
    prepare(campaign)
    assert Delivery.objects.count() == 7


def test_message_id_is_the_deliverys_own(make_campaign: MakeCampaign, make_contact: MakeContact) -> None:
    for number in range(3):
        make_contact(f"reader{number}@example.com")
    prepare(make_campaign())

    found = list(Delivery.objects.all())

    assert len({letter.uuid for letter in found}) == 3
    assert all(letter.message_id == f"<{letter.uuid}@northlight.example>" for letter in found)


def test_a_campaign_that_is_not_being_prepared_gets_no_slice(make_campaign: MakeCampaign) -> None:
    assert audience.make_slice(make_campaign(state="sending").pk) is None
    assert audience.make_slice(make_campaign(state="cancelled").pk) is None


@pytest.mark.django_db(transaction=True)
def test_rivals_make_different_slices(make_campaign: MakeCampaign, make_contact: MakeContact, settings: Any) -> None:
    settings.LIMITS = replace(REAL, slice_size=5)
    for number in range(40):
        make_contact(f"reader{number}@example.com")
    campaign = make_campaign()

    def rival() -> None:
        prepare(Campaign.objects.get(pk=campaign.pk))
        connection.close()

    threads = [threading.Thread(target=rival) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    campaign.refresh_from_db()
    assert Delivery.objects.count() == campaign.audience_size == 40
    assert Delivery.objects.values("contact_id").distinct().count() == 40
