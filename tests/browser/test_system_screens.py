"""The System page and the banner of every page, in both themes and on a phone."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import connection
from django.db.models.functions import Now
from playwright.sync_api import Page, expect

from apps.accounts.models import User, Workspace
from apps.campaigns.models import Campaign, CampaignEntry
from apps.smtp.models import Throttle, Transport
from core import incidents, pulses, queues
from core.models import Incident, InstanceEpoch, Pulse, WorkerProcess
from settings.celery import QUEUES
from tests.campaigns.conftest import make_campaign, sending
from tests.web.conftest import Complaints, OpenPage
from tests.web.test_screens import SIZES, check

__all__ = ["make_campaign", "sending"]
pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
TakePicture = Callable[[Page, str], None]


@pytest.fixture
def broken(workspace: Workspace, sending: Callable[..., Campaign], monkeypatch: pytest.MonkeyPatch) -> None:
    """An installation that lost its mail worker in the middle of a campaign, with a past."""
    rung = {"sweep": 2.0, "check-stuck-campaigns": 130.0, "cleanup-smtp-connections": 420.0}
    pulses.beat("beat", rung=rung)
    for name in ("ran:apps.campaigns.tasks.sweep", "ran:apps.contacts.tasks.sweep_imports", "canary:default"):
        pulses.beat(name)
    pulses.beat("ran:apps.campaigns.tasks.check_stuck_campaigns", found=0)
    for queue in QUEUES:
        pulses.beat(f"canary:{queue}")
    campaign = sending(15)
    Campaign.objects.filter(pk=campaign.pk).update(name="November roast: Kenya Gachatha")
    closed = Campaign.objects.create(
        workspace=workspace, name="Autumn brewing guide", state="finished", audience_size=0
    )
    CampaignEntry.objects.create(campaign=closed, kind="finished")
    relay = Transport.objects.create(
        workspace=workspace, name="Own relay", kind="smtp", host="relay.northlight.example", tested_at=Now()
    )
    postmark = Transport.objects.create(
        workspace=workspace, name="Postmark transactional", kind="smtp", host="smtp.postmark.example"
    )
    Throttle.objects.create(
        transport=postmark, failures=5, trouble_since=Now(), closed_until=Now() + timedelta(minutes=4),
        trouble_stage="auth", trouble_text="535 5.7.8 no",
    )  # fmt: skip
    WorkerProcess.objects.create(
        name="mail-1:b:1:a", node="campaigns@mail-1", queues="campaigns,default", memory_kib=90_112, progress_at=Now(),
        task="apps.campaigns.tasks.sweep", task_since=Now(),
        counters={"accounts": {str(relay.pk): [6, 2]}},
    )  # fmt: skip
    WorkerProcess.objects.create(name="mail-1:b:2:a", node="email@mail-1", queues="email")
    Pulse.objects.filter(name="canary:email").update(at=Now() - timedelta(seconds=90))
    with connection.cursor() as cursor:
        cursor.execute(
            """UPDATE core_workerprocess SET seen_at = now() - interval '82 s', progress_at = now() - interval '82 s'
               WHERE node = 'email@mail-1'"""
        )
    incidents.look()
    Incident.objects.update(began_at=Now() - timedelta(seconds=60))
    monkeypatch.setattr(queues, "look", lambda names, **_: {name: queues.Waiting(4, 1.0) for name in names})


def test_the_page_in_both_themes_and_on_a_phone(
    open_page: OpenPage, owner: User, broken: None, complaints: Complaints, take_picture: TakePicture
) -> None:
    for theme, width in SIZES:
        page = open_page("/w/northlight/system/", user=owner, theme=theme, width=width)
        expect(page.get_by_text("No worker listens to the queue “email”")).to_be_visible()
        take_picture(page, f"system-{theme if width > 500 else width}")
        check(page, complaints)


def test_the_banner_stands_on_every_page_and_its_command_can_be_copied(
    open_page: OpenPage, owner: User, broken: None, complaints: Complaints, take_picture: TakePicture
) -> None:
    for theme, width in SIZES:
        page = open_page("/w/northlight/campaigns/", user=owner, theme=theme, width=width)
        banner = page.locator("#system-notice")
        expect(banner.get_by_text("15 emails wait")).to_be_visible()
        expect(banner.get_by_role("button", name="Copy the command")).to_be_visible()
        take_picture(page, f"system-banner-{theme if width > 500 else width}")
        check(page, complaints)


def test_the_banner_of_a_restored_database(
    open_page: OpenPage, owner: User, broken: None, complaints: Complaints, take_picture: TakePicture
) -> None:
    InstanceEpoch.objects.update_or_create(
        id=1, defaults={"own_table": 1, "frozen_at": Now(), "frozen_reason": "restored"}
    )
    for theme, width in SIZES:
        page = open_page("/w/northlight/campaigns/", user=owner, theme=theme, width=width)
        expect(page.get_by_text("Nothing is sent: the database was restored or replaced")).to_be_visible()
        take_picture(page, f"system-restored-{theme if width > 500 else width}")
        check(page, complaints)


def test_the_page_moves_by_itself(open_page: OpenPage, owner: User, broken: None, complaints: Complaints) -> None:
    page = open_page("/w/northlight/system/", user=owner)
    WorkerProcess.objects.filter(node="email@mail-1").update(seen_at=Now() + timedelta(minutes=1), progress_at=Now())

    expect(page.get_by_text("No worker listens to the queue “email”")).to_have_count(0)

    assert complaints == []


def test_a_stuck_campaign_and_every_check(
    open_page: OpenPage, owner: User, broken: None, complaints: Complaints, take_picture: TakePicture
) -> None:
    with connection.cursor() as cursor:
        cursor.execute("UPDATE campaigns_delivery SET moved_at = now() - interval '40 minutes'")
        cursor.execute("UPDATE campaigns_campaign SET moved_at = now() - interval '40 minutes'")
    for theme, width in SIZES:
        page = open_page("/w/northlight/system/", user=owner, theme=theme, width=width)
        take_picture(page, f"system-stuck-{theme if width > 500 else width}")
        check(page, complaints)
        page = open_page("/w/northlight/system/checks/", user=owner, theme=theme, width=width)
        take_picture(page, f"system-checks-{theme if width > 500 else width}")
        check(page, complaints)

    page = open_page("/w/northlight/system/", user=owner)
    page.get_by_role("button", name="Set going again").click()

    expect(page.get_by_text("was set going again").first).to_be_visible()
