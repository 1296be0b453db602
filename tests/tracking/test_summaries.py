"""The figures of the home page are those of the reports, added up."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

import pytest

from apps.accounts.models import Workspace
from apps.campaigns.models import Campaign, Delivery
from apps.tracking import selectors, summaries
from apps.tracking.models import Event
from core import clock

MONTH = dt.timedelta(days=30)


@pytest.fixture
def answered(campaign: Campaign, make_delivery: Callable[..., Delivery]) -> Campaign:
    Campaign.objects.update(started_at=clock.now())
    letters = [make_delivery(f"reader{n}@orchard.example") for n in range(5)]
    make_delivery("gone@orchard.example", state="failed", sent_at=None)

    def event(letter: Delivery, kind: str, **fields: object) -> None:
        Event.objects.create(workspace=campaign.workspace, delivery=letter, campaign=campaign, kind=kind, **fields)

    for letter in letters[:3]:
        event(letter, "open")
    event(letters[0], "open")
    event(letters[3], "open", is_machine=True, machine_reason="agent")
    event(letters[0], "click", link=0)
    for link in range(3):  # a scanner that follows everything at once
        event(letters[1], "click", link=link)
    event(letters[2], "unsubscribe")
    event(letters[3], "unsubscribe")
    event(letters[3], "resubscribe")
    return campaign


def test_says_what_the_report_says(workspace: Workspace, answered: Campaign) -> None:
    report = selectors.campaign_statistics(answered.pk)

    found = summaries.since(workspace, MONTH)

    assert found == summaries.Summary(campaigns=1, audience=6, accepted=5, opened=3, clicked=1, left=1)
    assert (report.accepted, report.opened, report.clicked, report.unsubscribed) == (5, 3, 1, 1)
    assert summaries.opened_by_people([answered.pk]) == {answered.pk: 3}


def test_leaves_out_what_is_older_and_what_belongs_to_others(workspace: Workspace, answered: Campaign) -> None:
    nothing = summaries.Summary(0, 0, 0, 0, 0, 0)
    elsewhere = Workspace.objects.create(name="Elsewhere", slug="elsewhere")

    assert summaries.since(elsewhere, MONTH) == nothing
    Campaign.objects.update(started_at=clock.now() - MONTH - dt.timedelta(hours=1))
    assert summaries.since(workspace, MONTH) == nothing
