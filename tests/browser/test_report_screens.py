"""The report, everyone's fates and the exported files as a browser shows them; both themes, wide and on a phone."""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.db.models.functions import Now
from playwright.sync_api import Page, expect

from apps.accounts.models import User, Workspace
from apps.campaigns.models import Campaign, Delivery
from apps.campaigns.services import history
from apps.smtp.models import Transport
from apps.tracking.models import Event, ExportJob
from apps.tracking.services import exports
from core import clock
from tests.campaigns import scene
from tests.web.conftest import Complaints, OpenPage
from tests.web.test_screens import SIZES, check

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
PHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148"
DESK = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
PROXY = "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, settings: Any) -> None:
    settings.EXPORTS_DIR = tmp_path


@pytest.fixture
def finished(workspace: Workspace, owner: User) -> Campaign:
    relay = Transport.objects.create(workspace=workspace, kind="smtp", name="Own relay", host="r.northlight.example")
    begun = clock.now() - dt.timedelta(days=3)
    campaign = scene.campaign_of(
        workspace, relay, name="Autumn brewing guide", state="finished", started_at=begun,
        finished_at=begun + dt.timedelta(hours=72, minutes=4), moved_at=Now(),
    )  # fmt: skip
    sent_at = begun + dt.timedelta(minutes=20)
    scene.add(campaign, 12, "lindqvist.example", named=12, **scene.NO_MAILBOX, moved_at=sent_at)
    scene.add(campaign, 6, "sadok.example", named=6, **scene.FULL, moved_at=begun + dt.timedelta(hours=72))
    scene.add(campaign, 4, "ashdown.example", named=4, **scene.REFUSED, moved_at=sent_at)
    scene.add(campaign, 900, "orchard.example", named=20, **scene.OK, sent_at=sent_at, moved_at=sent_at)
    scene.add(campaign, 25, "gmail.com", **scene.SKIPPED)
    scene.add(campaign, 6, "gmail.com", **scene.UNCONFIRMED)
    came_back(campaign, sent_at)
    history.note(campaign.pk, "finished")
    return campaign


def came_back(campaign: Campaign, sent_at: dt.datetime) -> None:
    """Let people and machines open and follow it, most of them soon."""
    chance = random.Random(7)
    events = []
    for number, letter in enumerate(Delivery.objects.filter(campaign=campaign, state="sent").order_by("pk")):
        soon = dt.timedelta(hours=chance.expovariate(1 / 5), minutes=10)
        shared = {"workspace": campaign.workspace, "delivery": letter, "campaign": campaign}
        if number % 8 < 3:
            agent = (PHONE, DESK, PROXY)[number % 3]
            events.append(Event(**shared, kind="open", at=sent_at + soon, user_agent=agent))
        elif number % 8 < 5:
            events.append(
                Event(**shared, kind="open", at=sent_at + soon / 8, is_machine=True, machine_reason="prefetch")
            )
        if number % 19 == 0:
            click_at = sent_at + soon + dt.timedelta(minutes=3)
            events.append(Event(**shared, kind="click", link=number % 2, at=click_at, user_agent=DESK))
        if number % 90 == 0:
            events.append(Event(**shared, kind="unsubscribe", at=sent_at + soon))
    Event.objects.bulk_create(events)


def test_report_people_and_exports_in_both_themes_and_on_a_phone(
    open_page: OpenPage,
    owner: User,
    finished: Campaign,
    complaints: Complaints,
    take_picture: Callable[[Page, str], None],
) -> None:
    for kind, file_format in (("people", "csv"), ("report", "xlsx")):
        job = exports.start(finished, kind=kind, file_format=file_format, asked={}, by=owner)
        exports.run(job.pk)
    exports.start(finished, kind="people", file_format="xlsx", asked={"part": "failed"}, by=owner)
    ExportJob.objects.filter(kind="people", format="xlsx").update(state="running", rows_total=22, rows_done=9)
    exports.start(finished, kind="people", file_format="csv", asked={}, by=owner)
    pages = {
        "report": f"campaigns/{finished.pk}/?part=failed",
        "people": f"campaigns/{finished.pk}/people/",
        "exports": "exports/",
    }
    for name, path in pages.items():
        for theme, width in SIZES:
            page = open_page(f"/w/northlight/{path}", user=owner, theme=theme, width=width)
            if name == "report":
                expect(page.get_by_role("heading", name="People and machines")).to_be_visible()
            take_picture(page, f"{name}-{theme if width > 500 else width}")
            check(page, complaints)
            page.context.close()


def test_from_the_report_to_a_file_by_keyboard(
    open_page: OpenPage, owner: User, finished: Campaign, complaints: Complaints, take_picture: Callable[..., None]
) -> None:
    page = open_page(f"/w/northlight/campaigns/{finished.pk}/?part=failed&why=perm_recipient", user=owner)
    expect(page.get_by_text("12 of 12")).to_be_visible()
    page.get_by_role("button", name="Export these 12…").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog", name="Export")).to_be_visible()
    expect(page.get_by_label("The 12 people in sight")).to_be_checked()
    take_picture(page, "export-dialog")
    page.get_by_label("CSV, for any program").focus()
    page.keyboard.press("ArrowDown")
    expect(page.get_by_label("Excel (XLSX)")).to_be_checked()
    page.get_by_role("button", name="Make the file").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Exported files")).to_be_visible()

    exports.run(ExportJob.objects.get().pk)
    link = page.get_by_role("link", name="Download Autumn")
    with page.expect_download() as download:
        link.click()
    assert download.value.suggested_filename.endswith(".xlsx")
    assert download.value.path().stat().st_size == ExportJob.objects.get().size_bytes
    assert complaints == []
