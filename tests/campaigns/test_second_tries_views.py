"""Trying again from the report: asked with numbers and warnings, done by those who may, left to the service."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from apps.accounts.models import User, Workspace
from apps.campaigns.models import Campaign, Delivery
from apps.contacts.services import suppression
from apps.smtp.models import Transport
from core import clock
from tests.campaigns import scene


@pytest.fixture
def finished(workspace: Workspace, transport: Transport) -> Campaign:
    campaign = scene.campaign_of(
        workspace, transport, state="finished", started_at=clock.now(), finished_at=clock.now()
    )
    scene.add(campaign, 3, "lindqvist.example", named=3, **scene.NO_MAILBOX)
    scene.add(campaign, 2, "sadok.example", named=2, **scene.FULL)
    scene.add(campaign, 4, "ashdown.example", named=4, **scene.REFUSED)
    scene.add(campaign, 6, "gmail.com", named=6, **scene.UNCONFIRMED)
    scene.add(campaign, 5, "orchard.example", named=5, **scene.OK)
    return campaign


def at(campaign: Campaign, page: str = "") -> str:
    return f"/w/northlight/campaigns/{campaign.pk}/{page}"


def states(campaign: Campaign) -> list[str]:
    return sorted(Delivery.objects.filter(campaign=campaign).values_list("state", flat=True))


def test_the_report_offers_what_may_be_tried_and_says_who_stays(owner_client: Client, finished: Campaign) -> None:
    html = owner_client.get(at(finished, "?part=failed")).content.decode()
    assert "Try 6 again…" in html and "Left as they are: 3 no such mailbox." in html
    assert 'value="policy_reputation" checked' in html and 'value="expired" checked' in html
    assert "Resend" not in html.split('id="people"')[1].split("<dialog")[0]

    html = owner_client.get(at(finished, "?part=unconfirmed")).content.decode()
    assert "Resend 6 unconfirmed…" in html
    assert "Send again to 6 people?" in html and "It may be their second copy" in html


def test_one_reason_is_chosen_where_the_table_shows_one(owner_client: Client, finished: Campaign) -> None:
    html = owner_client.get(at(finished, "?part=failed&why=expired")).content.decode()

    assert 'value="expired" checked' in html and 'value="policy_reputation" checked' not in html


@pytest.mark.parametrize(
    ("classes", "queued"), [(["expired"], 2), (["policy_reputation"], 4), (["expired", "policy_reputation"], 6)]
)
def test_only_the_chosen_go_out_again(
    owner_client: Client, finished: Campaign, classes: list[str], queued: int
) -> None:
    reply = owner_client.post(at(finished, "retry/"), {"class": classes}, follow=True)

    assert states(finished).count("queued") == queued
    assert f"{queued} emails go out again." in reply.content.decode()
    finished.refresh_from_db()
    assert finished.state == "sending"
    assert "a second try that somebody asked for" in owner_client.get(at(finished, "people/")).content.decode()


def test_nothing_chosen_is_nothing_done(owner_client: Client, finished: Campaign) -> None:
    before = states(finished)

    html = owner_client.post(at(finished, "retry/"), follow=True).content.decode()
    assert "Choose at least one reason." in html
    assert owner_client.post(at(finished, "retry/"), {"class": "nonsense"}).status_code == 400
    assert states(finished) == before


def test_the_unconfirmed_are_sent_again_after_asking(owner_client: Client, finished: Campaign) -> None:
    asked = owner_client.get(at(finished, "resend/")).content.decode()
    assert "Send again to 6 people?" in asked and "It may be their second copy" in asked
    assert "queued" not in states(finished)

    owner_client.post(at(finished, "resend/"))
    again = owner_client.post(at(finished, "resend/"), follow=True).content.decode()

    assert states(finished).count("queued") == 6
    assert "There was nothing left to try again." in again


def test_who_is_suppressed_since_is_left_out(owner_client: Client, finished: Campaign, workspace: Workspace) -> None:
    letter = Delivery.objects.filter(campaign=finished, state="unconfirmed").first()
    assert letter is not None
    suppression.add(workspace.pk, email=letter.email, reason="complaint")

    asked = owner_client.get(at(finished, "resend/")).content.decode()

    assert "Send again to 5 people?" in asked and "Left as they are: 1 suppressed." in asked


def test_a_viewer_is_offered_nothing(colleague: User, finished: Campaign) -> None:
    client = Client()
    client.force_login(colleague)

    html = client.get(at(finished)).content.decode()

    assert "again…" not in html and "<dialog" not in html.split("<main", 1)[1].split("</main>")[0]
    assert client.post(at(finished, "retry/"), {"class": "expired"}).status_code == 403


@pytest.mark.parametrize("page", ["retry/", "resend/"])
def test_where_nothing_can_be_tried_the_page_leads_back(
    owner_client: Client, finished: Campaign, page: str, django_assert_max_num_queries: Any
) -> None:
    Campaign.objects.update(state="cancelled")

    assert owner_client.get(at(finished, page)).headers["Location"] == at(finished)
    assert owner_client.post(at(finished, page), {"class": "expired"}).status_code == 409
