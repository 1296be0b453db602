"""Real workers against a server that takes nothing: the campaign stops early, and no contact pays for it (F20)."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from apps.campaigns.models import Campaign, Delivery
from apps.campaigns.services import lifecycle
from apps.contacts.models import Suppression
from tests.chaos.conftest import Run
from tests.fault_server import Fault
from tests.workers import wait_until

pytestmark = [pytest.mark.serial, pytest.mark.django_db(transaction=True)]
Make = Callable[..., Run]
CONCURRENCY = 4


def wait_for_pause(one: Run) -> Campaign:
    wait_until(
        lambda: Campaign.objects.filter(pk=one.campaign.pk, state="paused").exists(), what="the campaign's pause"
    )
    in_hand = Delivery.objects.filter(state__in=["sending", "committing"])
    wait_until(lambda: not in_hand.exists(), what="all hands to be empty")
    return Campaign.objects.get(pk=one.campaign.pk)


def tried() -> int:
    return Delivery.objects.filter(attempts__gt=0).count()


def test_failing_authentication_stops_a_campaign_within_a_hundred_and_costs_no_contact(run: Make) -> None:
    one = run(400, concurrency=CONCURRENCY, script=(Fault("dot", "550 5.7.515 Access denied", times=200),))

    campaign = wait_for_pause(one)

    assert (campaign.state_reason, Suppression.objects.count()) == ("policy_auth", 0)
    assert 1 <= tried() <= 100 + CONCURRENCY
    assert one.states() == {"queued": 400}
    assert one.server.letters == []


def test_a_list_of_unknown_addresses_stops_a_campaign_within_a_hundred(run: Make) -> None:
    one = run(400, concurrency=CONCURRENCY, script=(Fault("rcpt", "550 5.1.1 No such user", times=200),))

    campaign = wait_for_pause(one)

    states = one.states()
    assert campaign.state_reason == "hard_bounces"
    assert 6 <= states["failed"] == Suppression.objects.count() <= 100 + CONCURRENCY
    assert states["failed"] + states["queued"] == 400

    lifecycle.cancel(campaign, by=None)
    one.wait_for_end()
    assert set(one.states()) == {"failed", "cancelled"}
