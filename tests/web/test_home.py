"""Home and the foot of the sidebar: what is being sent, with an account that adds up."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from playwright.sync_api import Page, expect

from apps.accounts.models import User, Workspace
from apps.campaigns.models import Campaign, ContentVersion, Delivery
from apps.smtp.models import Transport
from apps.web import navigation
from tests.web.conftest import Complaints, OpenPage
from tests.web.test_screens import SIZES, check

STATES = {"sent": 60, "skipped": 4, "failed": 6, "unconfirmed": 1, "queued": 29}
MakeCampaign = Callable[..., Campaign]


@pytest.fixture
def make_campaign(workspace: Workspace, transport: Transport) -> MakeCampaign:
    def make(name: str, state: str, counts: dict[str, int], **fields: Any) -> Campaign:
        content = ContentVersion.objects.create(workspace=workspace, content_hash="0" * 64, frozen={})
        now = timezone.now()
        campaign = Campaign.objects.create(
            workspace=workspace,
            name=name,
            state=state,
            transport=transport,
            content=content,
            **{"audience_size": sum(counts.values()), "started_at": now, **fields},
        )
        Delivery.objects.bulk_create(
            Delivery(
                workspace=workspace,
                campaign=campaign,
                content=content,
                transport=transport,
                email=f"{letter_state}{number}@readers.example",
                email_hash=b"0" * 32,
                state=letter_state,
                expires_at=now + dt.timedelta(hours=72),
            )
            for letter_state, count in counts.items()
            for number in range(count)
        )
        return campaign

    return make


def test_home_shows_what_is_being_sent(owner_client: Client, make_campaign: MakeCampaign) -> None:
    make_campaign("November roast", "sending", STATES)

    html = owner_client.get("/w/northlight/").content.decode()

    assert "Audience 100: 60 sent, 4 skipped, 6 failed, 1 unconfirmed, 29 queued." in html
    assert "Bring your people" not in html


def test_home_lists_what_was_sent(owner_client: Client, make_campaign: MakeCampaign) -> None:
    make_campaign("Autumn guide", "finished", {"sent": 98, "failed": 2})

    assert "Closed, it adds up." in owner_client.get("/w/northlight/").content.decode()


def test_an_audience_that_is_still_being_made_is_no_wrong_account(
    owner_client: Client, make_campaign: MakeCampaign
) -> None:
    make_campaign("November roast", "preparing", {"queued": 40}, audience_size=None)

    html = owner_client.get("/w/northlight/").content.decode()

    assert "Audience 40: 40 queued." in html
    assert "does not add up" not in html


def test_home_shows_no_wrong_bar(owner_client: Client, make_campaign: MakeCampaign) -> None:
    make_campaign("November roast", "sending", STATES, audience_size=103)

    assert "This account does not add up: 3 emails are missing." in owner_client.get("/w/northlight/").content.decode()


def test_the_sidebar_asks_again_only_while_something_is_being_sent(
    owner_client: Client, make_campaign: MakeCampaign
) -> None:
    idle = owner_client.get("/w/northlight/sending-now/").content.decode()
    make_campaign("November roast", "sending", STATES)
    busy = owner_client.get("/w/northlight/sending-now/").content.decode()

    assert "data-live" not in idle
    assert "data-live" in busy
    assert "71.0\u00a0%" in busy


def test_a_stranger_does_not_see_what_is_being_sent(
    workspace: Workspace, stranger_client: Client, make_campaign: MakeCampaign
) -> None:
    make_campaign("November roast", "sending", STATES)

    assert stranger_client.get("/w/northlight/sending-now/").status_code == 404


def test_every_place_exists_and_marks_its_own_pages(workspace: Workspace) -> None:
    for place in navigation.PLACES:
        found = navigation.entries(workspace.slug, "owner", place.route)

        assert len(found) == len(navigation.PLACES)
        assert [entry.word for entry in found if entry.is_current] == [place.word]


@pytest.mark.parametrize(
    ("view_name", "word"),
    [
        ("contacts:detail", "Contacts"),
        ("contacts:list_edit", "Lists"),
        ("contacts:import_detail", "Imports"),
        ("contacts:suppression_add", "Suppressed"),
        ("campaigns:person", "Campaigns"),
        ("smtp:letter", "Local inbox"),
        ("account_change_password", None),
    ],
)
def test_a_page_belongs_to_its_place(view_name: str, word: str | None) -> None:
    current = [str(entry.word) for entry in navigation.entries("northlight", "owner", view_name) if entry.is_current]

    assert current == ([word] if word else [])


def test_the_letters_of_the_places_differ() -> None:
    letters = [place.letter for place in navigation.PLACES]

    assert len(set(letters)) == len(letters)


def test_a_viewer_is_offered_nothing_they_may_not_do(colleague: User) -> None:
    client = Client()
    client.force_login(colleague)

    html = client.get("/w/northlight/").content.decode()

    assert "Import a CSV" not in html
    assert "New campaign" not in html


@pytest.mark.browser
@pytest.mark.django_db(transaction=True)
def test_home_in_both_themes_and_on_a_phone(
    open_page: OpenPage,
    owner: User,
    make_campaign: MakeCampaign,
    complaints: Complaints,
    take_picture: Callable[[Page, str], None],
) -> None:
    make_campaign("November roast: Kenya Gachatha", "sending", STATES)
    make_campaign("Autumn brewing guide", "finished", {"sent": 98, "skipped": 1, "failed": 2})
    make_campaign("Roastery open day, Porto", "cancelled", {"sent": 12, "cancelled": 24})

    for theme, width in SIZES:
        page = open_page("/w/northlight/", user=owner, theme=theme, width=width)
        if width > 500:
            expect(page.locator("#sending-now .bar")).to_be_visible()
        take_picture(page, f"dashboard-{theme if width > 500 else width}")
        check(page, complaints)
