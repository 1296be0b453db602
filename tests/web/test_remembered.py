"""What a browser remembers of a table, and how long somebody stays signed in."""

from __future__ import annotations

import datetime as dt

import pytest
from django.test import Client

from apps.accounts.models import Session
from apps.campaigns.models import Campaign
from core import clock

LIST = "/w/northlight/campaigns/"


@pytest.fixture
def listed(workspace: object) -> Campaign:
    return Campaign.objects.create(workspace=workspace, name="Autumn")


def test_the_rows_of_each_table_stand_as_they_were_left(owner_client: Client, listed: Campaign) -> None:
    assert '<table class="ledger ">' in owner_client.get(LIST).content.decode()

    back = owner_client.post("/rows/", {"table": "campaigns", "height": "dense", "back": f"{LIST}?q=aut"})
    owner_client.post("/rows/", {"table": "suppressed", "height": "roomy", "back": LIST})

    page = owner_client.get(f"{LIST}?q=aut").content.decode()
    assert back.headers["Location"] == f"{LIST}?q=aut"
    assert '<table class="ledger dense">' in page and 'value="roomy" aria-pressed="true"' in page
    assert owner_client.cookies["rows"].value == "campaigns.dense_suppressed.roomy"
    assert owner_client.cookies["rows"]["httponly"]


@pytest.mark.parametrize(
    ("wanted", "status"),
    [({"table": "passwords", "height": "dense"}, 400), ({"table": "campaigns", "height": "9px"}, 400), ({}, 400)],
)
def test_only_known_tables_and_heights(owner_client: Client, wanted: dict[str, str], status: int) -> None:
    assert owner_client.post("/rows/", wanted).status_code == status


def test_a_foreign_way_back_leads_home(owner_client: Client) -> None:
    values = {"table": "campaigns", "height": "dense", "back": "https://evil.example/"}
    assert owner_client.post("/rows/", values).headers["Location"] == "/"


def test_a_forged_cookie_changes_nothing(owner_client: Client, listed: Campaign) -> None:
    owner_client.cookies["rows"] = 'campaigns.x"onclick_suppressed_.._campaigns'

    assert '<table class="ledger ">' in owner_client.get(LIST).content.decode()


def test_asking_how_long_is_left_does_not_stay(owner_client: Client) -> None:
    Session.objects.update(expire_date=clock.now() + dt.timedelta(seconds=90))

    for _ in range(2):
        said = owner_client.get("/session/", headers={"HX-Request": "true"}).json()["seconds"]
        assert 0 < said <= 90

    assert owner_client.post("/session/").json()["seconds"] > 11 * 3600
    assert Session.objects.get().expire_date > clock.now() + dt.timedelta(hours=11)


def test_nobody_has_no_time_left_and_gets_no_session(db: None) -> None:
    client = Client()

    assert client.get("/session/").json() == {"seconds": 0}
    assert client.post("/session/").json() == {"seconds": 0}
    assert not Session.objects.exists()


def test_the_settings_are_no_place_of_the_sidebar(owner_client: Client) -> None:
    for page in ("look", "senders"):
        text = owner_client.get(f"/w/northlight/settings/{page}/").content.decode()
        assert 'aria-current="page"' not in text.split('class="side-nav"')[1].split("</nav>")[0]
