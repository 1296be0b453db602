"""A campaign with a time of its own: it leaves then, and where its time was missed it asks instead of leaving late."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

import pytest
from django.test import Client
from django.utils import timezone

from apps.accounts.models import User, Workspace
from apps.campaigns import workload
from apps.campaigns.forms import SendForm
from apps.campaigns.models import Campaign, CampaignEntry
from apps.campaigns.services import lifecycle, sweeps
from core import clock
from core.errors import InvalidTransitionError
from tests.campaigns.conftest import MakeCampaign

Waiting = Callable[..., Campaign]
HOUR = dt.timedelta(hours=1)


@pytest.fixture
def waiting(make_campaign: MakeCampaign) -> Waiting:
    def make(*, ago: dt.timedelta, is_appointed: bool = True) -> Campaign:
        return make_campaign(state="scheduled", scheduled_at=clock.now() - ago, is_appointed=is_appointed)

    return make


def address(campaign: Campaign, page: str = "") -> str:
    return f"/w/northlight/campaigns/{campaign.pk}/{page}"


@pytest.mark.parametrize(
    ("ago", "is_appointed", "begins"),
    [
        (dt.timedelta(minutes=5), True, True),
        (HOUR, True, False),
        (HOUR, False, True),  # sent off at once, while no worker ran: it goes when one does
        (-HOUR, True, False),
    ],
)
def test_leaves_in_time_or_not_by_itself(waiting: Waiting, ago: dt.timedelta, is_appointed: bool, begins: bool) -> None:
    campaign = waiting(ago=ago, is_appointed=is_appointed)

    assert lifecycle.begin_preparing(campaign.pk) is begins

    campaign.refresh_from_db()
    assert campaign.state == ("preparing" if begins else "scheduled")
    assert lifecycle.is_asking(campaign) is (ago == HOUR and is_appointed)


def test_the_sweep_rings_what_leaves_and_not_what_asks(waiting: Waiting) -> None:
    due, missed = waiting(ago=dt.timedelta(minutes=1)), waiting(ago=HOUR)

    swept = sweeps.Swept()
    sweeps._ring_campaigns(swept)

    due.refresh_from_db()
    missed.refresh_from_db()
    assert (swept.rung_campaigns, due.rung_at is None, missed.rung_at) == (1, False, None)


def test_what_asks_waits_for_a_person_and_not_for_a_worker(waiting: Waiting) -> None:
    waiting(ago=dt.timedelta(minutes=1))
    waiting(ago=HOUR)

    found = workload.waiting(None)

    assert (found.campaigns, found.under_way) == (1, 1)


def test_the_page_asks_and_sends_now(owner_client: Client, owner: User, waiting: Waiting) -> None:
    campaign = waiting(ago=HOUR)

    page = owner_client.get(address(campaign)).content.decode()
    listed = owner_client.get("/w/northlight/campaigns/").content.decode()
    owner_client.post(address(campaign, "appoint/"), {"when": "now"})

    assert "Its time has passed" in page and "Send to 0 people now" in page
    assert "Missed its time" in listed
    assert lifecycle.begin_preparing(campaign.pk)
    entry = CampaignEntry.objects.get()
    assert (entry.kind, entry.by, entry.detail) == ("appointed", owner, {"at": None})


def test_another_time_is_in_the_zone_of_the_workspace(owner_client: Client, waiting: Waiting) -> None:
    Workspace.objects.update(time_zone="Europe/Kyiv")
    campaign = waiting(ago=HOUR)
    next_year = clock.now().year + 1

    owner_client.post(address(campaign, "appoint/"), {"when": "later", "at": f"{next_year}-01-15T09:00"})

    campaign.refresh_from_db()
    assert campaign.scheduled_at == dt.datetime(next_year, 1, 15, 7, 0, tzinfo=dt.UTC)
    assert (campaign.is_appointed, lifecycle.is_asking(campaign)) == (True, False)


@pytest.mark.parametrize("moment", ["", "2020-01-01T09:00", "tomorrow"])
def test_a_time_that_cannot_be_is_shown_again(owner_client: Client, waiting: Waiting, moment: str) -> None:
    campaign = waiting(ago=HOUR)
    before = campaign.scheduled_at

    reply = owner_client.post(address(campaign, "appoint/"), {"when": "later", "at": moment})

    campaign.refresh_from_db()
    assert (reply.status_code, campaign.scheduled_at) == (422, before)
    assert 'aria-invalid="true"' in reply.content.decode()


def test_of_an_hour_that_comes_twice_the_first_counts() -> None:
    with timezone.override("Europe/Berlin"):
        form = SendForm({"when": "later", "at": "2031-10-26T02:30"})

        assert form.is_valid()
        assert form.cleaned_data["at"].astimezone(dt.UTC) == dt.datetime(2031, 10, 26, 0, 30, tzinfo=dt.UTC)


def test_an_hour_that_the_clocks_skip_is_refused_in_plain_words(owner_client: Client, waiting: Waiting) -> None:
    campaign = waiting(ago=HOUR)
    Workspace.objects.update(time_zone="Europe/Berlin")
    before = campaign.scheduled_at

    reply = owner_client.post(address(campaign, "appoint/"), {"when": "later", "at": "2031-03-30T02:30"})

    campaign.refresh_from_db()
    assert (reply.status_code, campaign.scheduled_at) == (422, before)
    assert "The clocks skip this time" in reply.content.decode()
    assert "be interpreted" not in reply.content.decode()


def test_what_has_begun_keeps_its_time(make_campaign: MakeCampaign, owner: User) -> None:
    campaign = make_campaign(state="sending")

    with pytest.raises(InvalidTransitionError):
        lifecycle.appoint(campaign, by=owner)

    assert not CampaignEntry.objects.exists()


def test_a_viewer_may_not_answer(colleague: User, waiting: Waiting) -> None:
    campaign, client = waiting(ago=HOUR), Client()
    client.force_login(colleague)

    page = client.get(address(campaign)).content.decode()

    assert "Its time has passed" in page and "appoint/" not in page
    assert client.post(address(campaign, "appoint/"), {"when": "now"}).status_code == 403
