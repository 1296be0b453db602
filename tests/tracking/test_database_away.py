"""Recipients' pages while nobody answers at the database: friendly, and a wish to stop is kept until it is back."""

from __future__ import annotations

import re
import shutil
import socket
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connection, connections
from django.test import Client
from playwright.sync_api import expect

from apps.campaigns.models import Delivery
from apps.contacts.models import Subscription, Suppression
from apps.tracking.services import kept_wishes
from core import patience, tokens
from tests.web.conftest import OpenPage, browser, chromium_path, complaints, open_page

__all__ = ["browser", "chromium_path", "complaints", "open_page"]
pytestmark = pytest.mark.django_db(transaction=True)
Away = Callable[[bool], None]


@pytest.fixture(autouse=True)
def _spool(settings: Any, tmp_path: Path) -> None:
    settings.SPOOL_DIR = tmp_path


def token(delivery: Delivery) -> str:
    return tokens.seal("unsubscribe", delivery.pk)


@pytest.mark.parametrize("door", ["u", "p", "v", "c"])
def test_every_page_says_so_calmly(recipient: Client, delivery: Delivery, away: Away, door: str) -> None:
    purpose = {"v": "view", "c": "click"}.get(door, "unsubscribe")
    path = f"/{door}/{tokens.seal(purpose, delivery.pk)}"
    away(True)

    answer = recipient.get(path)

    assert (answer.status_code, answer["Retry-After"]) == (503, "60")
    assert "Follow the link again in a minute" in answer.content.decode()
    assert not answer.cookies


@pytest.mark.parametrize("door", ["u", "p"])
@pytest.mark.parametrize(("wish", "suppressed"), [("list", 0), ("everything", 1)])
def test_who_follows_the_link_can_stop(
    recipient: Client, delivery: Delivery, away: Away, door: str, wish: str, suppressed: int
) -> None:
    away(True)
    page = recipient.get(f"/{door}/{token(delivery)}").content.decode()
    assert f'value="{wish}"' in page
    target = re.search(r'<form method="post" action="([^"]+)"', page)
    assert target is not None
    answer = recipient.post(target[1], {"action": wish})
    away(False)

    assert "Your wish is noted" in answer.content.decode()
    assert kept_wishes.replay() == 1
    assert Suppression.objects.count() == suppressed
    assert Subscription.objects.get().state == ("confirmed" if suppressed else "unsubscribed")


def test_no_button_where_nothing_could_be_stopped(recipient: Client, delivery: Delivery, away: Away) -> None:
    away(True)

    assert "<form" not in recipient.get(f"/v/{tokens.seal('view', delivery.pk)}").content.decode()
    assert "<form" not in recipient.post(f"/u/{token(delivery)}", {"action": "undo"}).content.decode()
    assert recipient.get(f"/u/{token(delivery)[:-1]}").status_code == 404


@pytest.fixture
def hanging(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A database that takes every statement about letters and answers none."""
    monkeypatch.setattr(patience, "DOOR_SECONDS", 0.5)
    other = connection.copy()
    with other.cursor() as cursor:
        other.set_autocommit(False)
        cursor.execute("LOCK TABLE campaigns_delivery IN ACCESS EXCLUSIVE MODE")
    yield
    other.close()


@pytest.fixture
def silent(tmp_path: Path) -> Iterator[None]:
    """A database whose place takes every connection and says nothing, as a stopped process does."""
    known = connections.settings["default"]
    before, options = known["HOST"], known["OPTIONS"]
    folder = tempfile.mkdtemp()  # a socket's path is short
    with socket.socket(socket.AF_UNIX) as place:
        place.bind(f"{folder}/.s.PGSQL.{known['PORT'] or 5432}")
        place.listen()
        known["HOST"], known["OPTIONS"] = folder, {**options, "connect_timeout": 2}
        connection.close()
        yield
        known["HOST"], known["OPTIONS"] = before, options
        connection.close()
    shutil.rmtree(folder)


@pytest.mark.parametrize("how", ["hanging", "silent"])
def test_a_database_that_hangs_keeps_nobody(
    recipient: Client, delivery: Delivery, request: pytest.FixtureRequest, how: str, tmp_path: Path
) -> None:
    path = f"/u/{token(delivery)}"
    connection.ensure_connection()
    request.getfixturevalue(how)

    assert 'value="list"' in recipient.get(path).content.decode()
    answer = recipient.post(path, {"List-Unsubscribe": "One-Click"})
    picture = recipient.get(f"/o/{tokens.seal('open', delivery.pk)}.gif")

    assert answer.status_code == 503
    assert "Your wish is noted" in answer.content.decode()
    assert len((tmp_path / "wishes.jsonl").read_text().split("\n")) == 3
    assert picture.status_code == 200


def test_the_picture_is_served_all_the_same(recipient: Client, delivery: Delivery, away: Away) -> None:
    away(True)

    assert recipient.get(f"/o/{tokens.seal('open', delivery.pk)}.gif").status_code == 200


@pytest.mark.parametrize(
    ("door", "body", "suppressed"),
    [
        ("u", {"List-Unsubscribe": "One-Click"}, 0),
        ("u", {"action": "everything"}, 1),
        ("p", {"action": "everything"}, 1),
    ],
)
def test_a_wish_to_stop_survives(
    recipient: Client, delivery: Delivery, away: Away, door: str, body: dict[str, str], suppressed: int
) -> None:
    away(True)
    answer = recipient.post(f"/{door}/{token(delivery)}", body)
    away(False)

    assert answer.status_code == 503
    assert "Your wish is noted" in answer.content.decode()
    assert Subscription.objects.get().state == "confirmed"
    assert kept_wishes.replay() == 1
    assert Suppression.objects.count() == suppressed
    assert Subscription.objects.get().state == ("confirmed" if suppressed else "unsubscribed")


def test_what_cannot_be_kept_is_not_promised(recipient: Client, delivery: Delivery, away: Away) -> None:
    away(True)
    answer = recipient.post(f"/p/{token(delivery)}", {"action": "choose"})
    away(False)

    assert answer.status_code == 503
    assert "noted" not in answer.content.decode()
    assert kept_wishes.replay() == 0


@pytest.mark.browser
def test_leaving_in_a_browser_without_script(
    open_page: OpenPage, delivery: Delivery, away: Away, complaints: list[str]
) -> None:
    page = open_page(f"/u/{token(delivery)}", script=False, width=390)
    away(True)
    page.get_by_role("button", name="Unsubscribe from").click()
    expect(page.get_by_role("heading", name="Your wish is noted")).to_be_visible()
    away(False)

    kept_wishes.replay()
    page.goto(page.url)
    expect(page.get_by_role("heading", name="You are unsubscribed")).to_be_visible()
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_role("heading", name="Stop getting these emails?")).to_be_visible()
    assert Subscription.objects.get().state == "confirmed"
