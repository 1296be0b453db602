"""The figures of the home page are those of the reports, added up."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from apps.accounts.models import Workspace
from apps.campaigns.came_back import CameBack
from apps.campaigns.models import Campaign, Delivery
from apps.tracking import selectors, summaries
from apps.tracking.models import Event
from core import clock

LIST = "/w/northlight/campaigns/"
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


def test_the_list_of_campaigns_says_people_and_machines_apart(owner_client: Client, answered: Campaign) -> None:
    Campaign.objects.update(audience_size=6)
    report = selectors.campaign_statistics(answered.pk)

    ((_campaign, counts, _step, back),) = owner_client.get(LIST).context["rows"]

    assert back == CameBack(opened=3, opened_and_machines=4, clicked=1, clicked_and_machines=2)
    assert (report.opened, report.opened_and_machines) == (back.opened, back.opened_and_machines)
    assert (report.clicked, report.clicked_and_machines) == (back.clicked, back.clicked_and_machines)
    words = " ".join(re.sub(r"<[^>]+>", " ", owner_client.get(LIST).content.decode()).split()).replace("\xa0", " ")
    assert counts.sent == 5 and "60.0 % 80.0 % including machines 20.0 % 40.0 % including machines" in words
    assert "the second figure includes such machines" in words


def test_the_list_speaks_of_a_second_figure_only_where_there_is_one(
    owner_client: Client, answered: Campaign, monkeypatch: pytest.MonkeyPatch
) -> None:
    Campaign.objects.update(audience_size=6)
    alone = CameBack(opened=3, opened_and_machines=3, clicked=1, clicked_and_machines=1)
    monkeypatch.setattr("apps.campaigns.came_back.of", lambda ids: dict.fromkeys(ids, alone))

    page = owner_client.get(LIST).content.decode()

    assert "shares of the accepted emails" in page and "second figure" not in page


def test_the_list_asks_once_however_many_campaigns(
    owner_client: Client, answered: Campaign, django_assert_num_queries: Callable[..., Any]
) -> None:
    with CaptureQueriesContext(connection) as one:
        owner_client.get(LIST)
    for number in range(5):
        Campaign.objects.create(
            workspace=answered.workspace, name=f"{number}", state="finished", started_at=clock.now(), audience_size=0
        )

    with django_assert_num_queries(len(one)):
        assert len(owner_client.get(LIST).context["rows"]) == 6


def test_the_list_is_there_when_its_figures_take_too_long(
    owner_client: Client, answered: Campaign, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(summaries, "_BY_CAMPAIGN", "SELECT pg_sleep(60)")
    monkeypatch.setattr(summaries, "PATIENCE_SECONDS", 1)

    page = owner_client.get(LIST)

    assert [row[3] for row in page.context["rows"]] == [None]
    assert "including machines" not in page.content.decode()
