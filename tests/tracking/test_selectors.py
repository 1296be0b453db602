"""The numbers of a campaign, and the fragment that shows them."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from django.urls import reverse

from apps.campaigns.models import Delivery
from apps.tracking import selectors
from apps.tracking.models import Event
from apps.tracking.selectors import LinkStatistics
from apps.tracking.services import effects
from tests.tracking.conftest import LINKS

LONG_AGO = dt.datetime(2026, 11, 1, 12, 0, tzinfo=dt.UTC)


def add(delivery: Delivery, kind: str, *, at: float = 0, **fields: Any) -> Event:
    return Event.objects.create(
        workspace=delivery.workspace,
        delivery=delivery,
        campaign=delivery.campaign,
        kind=kind,
        at=LONG_AGO + dt.timedelta(seconds=at),
        **fields,
    )


def test_counts_people_once_and_machines_apart(campaign, make_delivery):
    first, second, third = (make_delivery(f"p{n}@orchard.example") for n in range(3))
    make_delivery("failed@orchard.example", state="failed")
    add(first, "open")
    add(first, "open", at=60)
    add(second, "open", is_machine=True)
    add(third, "click", link=1)
    add(third, "click", link=1, at=60)
    add(second, "click", link=0, is_machine=True)

    found = selectors.campaign_statistics(campaign.pk)

    assert (found.accepted, found.opened, found.opened_and_machines, found.opened_by_nobody) == (3, 1, 2, 1)
    assert (found.clicked, found.clicked_and_machines, found.clicked_by_machines_only) == (1, 2, 1)
    assert found.links == (
        LinkStatistics(0, LINKS[0], 0, 1, 0, 1),
        LinkStatistics(1, LINKS[1], 1, 1, 2, 2),
        LinkStatistics(2, LINKS[2], 0, 0, 0, 0),
    )


def test_takes_all_clicks_of_a_burst_for_a_machines_and_the_later_one_for_a_persons(campaign, make_delivery):
    scanned, reader = make_delivery("s@orchard.example"), make_delivery("r@orchard.example")
    for link in (0, 1, 2):
        add(scanned, "click", link=link, at=link * 0.5)
        add(reader, "click", link=link, at=link * 5)
    add(scanned, "click", link=1, at=600)

    found = selectors.campaign_statistics(campaign.pk)

    assert (found.clicked, found.clicked_and_machines) == (2, 2)
    assert [(each.people, each.clicks, each.clicks_and_machines) for each in found.links] == [
        (1, 1, 2),
        (2, 2, 3),
        (1, 1, 2),
    ]
    assert Event.objects.filter(is_machine=True).count() == 0


def test_counts_who_left_and_did_not_come_back(campaign, make_delivery):
    left, returned = make_delivery("l@orchard.example"), make_delivery("b@orchard.example")
    add(left, "unsubscribe")
    add(left, "unsubscribe", at=1)
    add(returned, "unsubscribe")
    add(returned, "resubscribe", at=1)

    assert selectors.campaign_statistics(campaign.pk).unsubscribed == 1


def test_says_nothing_came_back_for_a_campaign_without_letters(campaign):
    found = selectors.campaign_statistics(campaign.pk)

    assert (found.accepted, found.opened, found.clicked, found.unsubscribed) == (0, 0, 0, 0)


def test_asks_the_same_few_questions_however_much_came_back(campaign, make_delivery, django_assert_num_queries):
    for number in range(3):
        add(make_delivery(f"p{number}@orchard.example"), "click", link=0)

    with django_assert_num_queries(6):
        selectors.campaign_statistics(campaign.pk)


def test_closes_a_letter_that_was_opened_before_it_became_unconfirmed(make_delivery):
    opened = make_delivery("o@orchard.example", state="unconfirmed")
    scanned = make_delivery("s@orchard.example", state="unconfirmed")
    add(opened, "open")
    left = make_delivery("l@orchard.example", state="unconfirmed")
    add(scanned, "click", link=0, is_machine=True, machine_reason="agent")
    add(left, "unsubscribe", is_machine=True, machine_reason="agent")

    assert effects.prove_arrivals() == 2
    left.refresh_from_db()
    assert (left.state, left.reason) == ("sent", "proven_by_unsubscribe")
    opened.refresh_from_db()
    scanned.refresh_from_db()
    assert (opened.state, scanned.state) == ("sent", "unconfirmed")


@pytest.fixture
def address(campaign) -> str:
    return reverse("tracking:campaign_statistics", args=["northlight", campaign.uuid])


def test_the_fragment_names_its_denominator(owner_client, address, make_delivery):
    add(make_delivery(), "open")

    page = owner_client.get(address).content.decode()

    assert "1 of 1 accepted" in page
    assert LINKS[0] in page


def test_the_fragment_is_not_there_for_a_stranger(stranger_client, address):
    assert stranger_client.get(address).status_code == 404


def test_the_fragment_finds_a_campaign_only_within_its_workspace(owner_client, campaign, stranger):
    from apps.accounts.models import Workspace
    from apps.campaigns.models import Campaign

    Campaign.objects.filter(pk=campaign.pk).update(workspace=Workspace.objects.get(slug="elsewhere"))

    response = owner_client.get(reverse("tracking:campaign_statistics", args=["northlight", campaign.uuid]))

    assert response.status_code == 404
