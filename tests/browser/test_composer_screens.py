"""The campaigns list and the composer's steps as pictures and by keyboard: both themes, and a phone."""

from __future__ import annotations

import datetime as dt
import io
from collections.abc import Callable

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from apps.accounts.models import User
from apps.campaigns.models import Campaign, Delivery
from apps.campaigns.services import images
from core import clock
from tests.browser.test_editor import draft
from tests.campaigns.conftest import make_campaign, sending
from tests.web.conftest import Complaints, OpenPage
from tests.web.test_screens import SIZES, check

__all__ = ["draft", "make_campaign", "sending"]

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
LIST = "/w/northlight/campaigns/"


@pytest.fixture
def campaigns(draft: Campaign, sending: Callable[..., Campaign]) -> Campaign:
    """Return the draft among one of every kind; the finished one adds up."""
    going = sending(people=5, started_at=clock.now())
    Delivery.objects.filter(campaign=going).update(state="sent")
    Delivery.objects.filter(campaign=going, email="reader0@example.com").update(state="failed")
    Campaign.objects.filter(pk=going.pk).update(name="Autumn brewing guide", state="finished", finished_at=clock.now())
    for colour in ("teal", "gold"):
        picture = io.BytesIO()
        Image.new("RGB", (900, 400), colour).save(picture, "PNG")
        images.add(draft.workspace, by=None, title=f"Harvest, {colour}.png", data=picture.getvalue())
    for name, ago in (("Black Friday", -48), ("Open day", 5)):
        Campaign.objects.create(
            workspace=draft.workspace, name=name, state="scheduled", is_appointed=True,
            subject="S", transport=draft.transport, scheduled_at=clock.now() - dt.timedelta(hours=ago),
        )  # fmt: skip
    return draft


@pytest.mark.parametrize("step", ["list", "settings", "audience", "content", "review", "asking", "images", "judged"])
def test_each_page_in_both_themes_and_on_a_phone(
    open_page: OpenPage,
    owner: User,
    campaigns: Campaign,
    complaints: Complaints,
    take_picture: Callable[[Page, str], None],
    step: str,
) -> None:
    missed = Campaign.objects.get(name="Open day")
    elsewhere = {"list": LIST, "asking": f"{LIST}{missed.pk}/", "images": "/w/northlight/images/"}
    elsewhere["judged"] = f"{LIST}{campaigns.pk}/audience/people/"
    path = elsewhere.get(step, f"{LIST}{campaigns.pk}/{step}/")
    for theme, width in SIZES:
        page = open_page(path, user=owner, theme=theme, width=width)
        page.wait_for_load_state("networkidle")
        take_picture(page, f"campaigns-{step}-{theme if width > 500 else width}")
        check(page, complaints)


def test_a_campaign_is_put_away_by_keyboard(open_page: OpenPage, owner: User, campaigns: Campaign) -> None:
    page = open_page(LIST, user=owner, width=390)

    page.get_by_label("More for Autumn brewing guide").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("ArrowDown")
    for _step in range(3):
        page.keyboard.press("ArrowDown")
    expect(page.get_by_role("button", name="Archive", exact=True)).to_be_focused()
    with page.expect_navigation():
        page.keyboard.press("Enter")

    expect(page.locator(".toast")).to_contain_text("Archived")
    expect(page.locator("#rows")).not_to_contain_text("Autumn brewing guide")
    page.get_by_role("link", name="Archived").click()
    expect(page.locator("#rows")).to_contain_text("Autumn brewing guide")
