"""Being signed out is said two minutes before, and a click stays."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, Route, expect

from apps.accounts.models import User
from tests.web.conftest import OpenPage

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def ending(open_page: OpenPage, owner: User) -> tuple[Page, list[str], dict[str, int]]:
    """Return a page whose clock is stopped, what it asks, and what it is told."""
    page = open_page("/w/northlight/contacts/", user=owner)
    page.clock.install()
    page.reload()
    asked: list[str] = []
    told = {"GET": 90, "POST": 43200}

    def answer(route: Route) -> None:
        asked.append(route.request.method)
        route.fulfill(json={"seconds": told[route.request.method]})

    page.route("**/session/", answer)
    return page, asked, told


def test_it_is_said_before_and_a_click_stays(ending: tuple[Page, list[str], dict[str, int]]) -> None:
    page, asked, _told = ending
    page.clock.fast_forward("11:00:00")
    assert asked == []

    page.clock.fast_forward("00:58:00")

    expect(page.get_by_role("alert")).to_contain_text("You are signed out in two minutes.")
    page.get_by_role("button", name="Stay signed in").click()
    expect(page.get_by_role("alert")).to_have_count(0)
    assert asked == ["GET", "POST"]


def test_another_window_that_was_busy_keeps_it_quiet(ending: tuple[Page, list[str], dict[str, int]]) -> None:
    page, asked, told = ending
    told["GET"] = 40000

    with page.expect_request("**/session/"):
        page.clock.fast_forward("11:58:00")

    expect(page.get_by_role("alert")).to_have_count(0)
    assert asked == ["GET"]


def test_the_end_is_said_and_leaves_the_page(ending: tuple[Page, list[str], dict[str, int]]) -> None:
    page, _asked, told = ending
    told["GET"] = 0

    page.clock.fast_forward("12:10:00")

    expect(page.get_by_role("alert")).to_contain_text("You are signed out.")
    expect(page.get_by_role("alert").get_by_role("link", name="Sign in")).to_be_visible()
    assert page.url.endswith("/contacts/")
