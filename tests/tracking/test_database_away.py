"""Recipients' pages while nobody answers at the database: friendly, and a wish to stop is kept until it is back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from playwright.sync_api import expect

from apps.campaigns.models import Delivery
from apps.contacts.models import Subscription, Suppression
from apps.tracking.services import kept_wishes
from core import tokens
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
