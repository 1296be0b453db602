"""The live page as a browser shows it: sending, paused, waiting, stuck, cancelled; both themes, wide and on a phone."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

import pytest
from django.db.models.functions import Now
from playwright.sync_api import Page, expect

from apps.accounts.models import User, Workspace
from apps.campaigns.models import Campaign, Delivery
from apps.campaigns.services import history
from apps.smtp.models import Transport
from core import clock
from tests.campaigns import scene
from tests.web.conftest import Complaints, OpenPage
from tests.web.test_screens import SIZES, check

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def relay(workspace: Workspace) -> Transport:
    return Transport.objects.create(
        workspace=workspace, kind="smtp", name="Own relay", host="relay.northlight.example", per_minute=70
    )


def paused(campaign: Campaign, owner: User) -> None:
    Campaign.objects.filter(pk=campaign.pk).update(state="paused", moved_at=Now())
    history.note(campaign.pk, "paused", by=owner)


def waiting(campaign: Campaign, owner: User) -> None:
    Campaign.objects.filter(pk=campaign.pk).update(state="sending", state_reason="", moved_at=campaign.started_at)
    Delivery.objects.filter(campaign=campaign, state="queued", attempts=0).update(
        state="sent", attempts=1, sent_at=clock.now() - dt.timedelta(minutes=9),
        moved_at=clock.now() - dt.timedelta(minutes=9), last_code=250, last_enhanced="2.0.0", last_text="OK",
    )  # fmt: skip


def stuck(campaign: Campaign, owner: User) -> None:
    Campaign.objects.filter(pk=campaign.pk).update(state="stalled", state_reason="no_progress", moved_at=Now())
    history.note(campaign.pk, "stalled", reason="no_progress")


def cancelled(campaign: Campaign, owner: User) -> None:
    Delivery.objects.filter(campaign=campaign, mx_group="microsoft", state="queued").update(state="committing")
    Campaign.objects.filter(pk=campaign.pk).update(state="cancelled", moved_at=Now())
    history.note(campaign.pk, "cancelled", by=owner)


def begun(campaign: Campaign, owner: User) -> None:
    Campaign.objects.filter(pk=campaign.pk).update(state="sending", started_at=Now(), moved_at=Now())
    campaign.pace_samples.all().delete()


# In this order each state can follow from the one before.
STATES = {
    "sending": None,
    "paused": paused,
    "stuck": stuck,
    "waiting": waiting,
    "cancelled": cancelled,
    "begun": begun,
}


def test_every_state_in_both_themes_and_on_a_phone(
    open_page: OpenPage,
    owner: User,
    relay: Transport,
    workspace: Workspace,
    complaints: Complaints,
    take_picture: Callable[[Page, str], None],
) -> None:
    campaign = scene.busy_campaign(workspace, relay)
    history.note(campaign.pk, "scheduled", by=owner)
    for state, change in STATES.items():
        if change is not None:
            change(campaign, owner)
        for theme, width in SIZES:
            page = open_page(f"/w/northlight/campaigns/{campaign.pk}/", user=owner, theme=theme, width=width)
            expect(page.get_by_role("heading", name=campaign.name)).to_be_visible()
            take_picture(page, f"live-{state}-{theme if width > 500 else width}")
            check(page, complaints)
            page.context.close()


def test_the_table_of_the_pace_opens_and_closes_by_keyboard(
    open_page: OpenPage, owner: User, relay: Transport, workspace: Workspace, complaints: Complaints
) -> None:
    campaign = scene.busy_campaign(workspace, relay)
    page = open_page(f"/w/northlight/campaigns/{campaign.pk}/", user=owner)

    page.get_by_role("button", name="Show as a table").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog", name="Pace, emails a minute")).to_be_visible()
    expect(page.get_by_role("cell", name="Microsoft asked to slow down").first).to_be_visible()
    page.keyboard.press("Escape")

    expect(page.get_by_role("button", name="Show as a table")).to_be_focused()
    assert complaints == []
