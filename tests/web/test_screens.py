"""Pages as a browser sees them: in both themes and on a phone, without complaint, usable by keyboard."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import override_settings
from playwright.sync_api import Page, expect

from apps.accounts.models import User
from tests.web.conftest import Complaints, OpenPage

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

SIZES = [("light", 1280), ("dark", 1280), ("light", 390)]
UNNAMED = """() => [...document.querySelectorAll('a[href], button, input, select, textarea, summary, iframe')]
  .filter(e => e.checkVisibility() && e.type !== 'hidden')
  .filter(e => !(e.getAttribute('aria-label') || e.textContent.trim() || e.title || (e.labels && e.labels.length)))
  .map(e => e.outerHTML.slice(0, 120))"""
SMALL = """() => [...document.querySelectorAll('button, select, summary, .btn, .item, .filter')]
  .filter(e => e.checkVisibility()).map(e => [e.getBoundingClientRect(), e])
  .filter(([box]) => box.height < 24 || box.width < 24).map(([, e]) => e.outerHTML.slice(0, 120))"""
DOUBLE_IDS = """() => [...document.querySelectorAll('[id]')].map(e => e.id)
  .filter((id, index, all) => all.indexOf(id) !== index)"""


def check(page: Page, complaints: Complaints) -> None:
    assert complaints == []
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, "scrolls sideways"
    assert page.locator("h1:visible").count() == 1
    assert page.evaluate(UNNAMED) == []
    assert page.evaluate(SMALL) == []
    assert page.evaluate(DOUBLE_IDS) == []


@override_settings(SHOW_COMPONENTS=True)
@pytest.mark.parametrize(
    ("name", "path", "is_signed_in"),
    [
        ("components", "/_components/", True),
        ("first-run", "/w/northlight/", True),
        ("sign-in", "/accounts/login/", False),
        ("404", "/nowhere/", False),
    ],
)
def test_a_page_in_both_themes_and_on_a_phone(
    open_page: OpenPage,
    owner: User,
    complaints: Complaints,
    take_picture: Callable[[Page, str], None],
    name: str,
    path: str,
    is_signed_in: bool,
) -> None:
    for theme, width in SIZES:
        page = open_page(path, user=owner if is_signed_in else None, theme=theme, width=width)
        take_picture(page, f"{name}-{theme if width > 500 else width}")
        # Chromium calls the page's own 404 an error.
        check(page, [] if name == "404" else complaints)


@override_settings(SHOW_COMPONENTS=True)
def test_the_page_still_fits_at_320(open_page: OpenPage, owner: User, complaints: Complaints) -> None:
    check(open_page("/_components/", user=owner, width=320), complaints)


@override_settings(SHOW_COMPONENTS=True)
def test_the_keyboard_reaches_search_dialog_and_places(open_page: OpenPage, owner: User) -> None:
    page = open_page("/_components/", user=owner)

    page.keyboard.press("/")
    expect(page.locator("[data-search]")).to_be_focused()
    page.locator("h1").click()
    page.keyboard.press("?")
    expect(page.locator("#keys")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("#keys")).to_be_hidden()


@override_settings(SHOW_COMPONENTS=True)
def test_a_dialog_focuses_the_safe_button_and_gives_focus_back(open_page: OpenPage, owner: User) -> None:
    page = open_page("/_components/", user=owner)

    page.get_by_role("button", name="Open the dialog").click()
    expect(page.locator("#cancel [data-safe]")).to_be_focused()
    page.keyboard.press("Escape")

    expect(page.locator("#cancel")).to_be_hidden()
    expect(page.get_by_role("button", name="Open the dialog")).to_be_focused()


def test_g_h_goes_home(open_page: OpenPage, owner: User) -> None:
    page = open_page("/accounts/password/change/", user=owner)
    home = open_page("/w/northlight/", user=owner)

    home.keyboard.press("g")
    with home.expect_navigation():
        home.keyboard.press("h")

    assert home.url.endswith("/w/northlight/")
    assert page.locator("h1").count() == 1


def test_the_theme_changes_at_once_and_stays(open_page: OpenPage, owner: User) -> None:
    page = open_page("/w/northlight/", user=owner)

    page.get_by_label("Your account").click()
    with page.expect_response("**/theme/") as reply:
        page.get_by_role("button", name="Dark").click()

    assert reply.value.status == 204
    expect(page.locator("html")).to_have_attribute("data-theme", "vash-dark")
    page.reload()
    expect(page.locator("html")).to_have_attribute("data-theme", "vash-dark")


def test_the_drawer_opens_on_a_phone_and_escape_closes_it(
    open_page: OpenPage, owner: User, complaints: Complaints
) -> None:
    page = open_page("/w/northlight/", user=owner, width=390)

    page.get_by_role("button", name="Menu").click()
    expect(page.get_by_role("link", name="Home", exact=True)).to_be_visible()
    page.keyboard.press("Escape")

    expect(page.get_by_role("link", name="Home", exact=True)).to_be_hidden()
    expect(page.get_by_role("button", name="Menu")).to_be_focused()
    assert complaints == []


def test_signing_in_and_out_works_without_script(open_page: OpenPage, owner: User) -> None:
    page = open_page("/accounts/login/", script=False)

    page.get_by_label("Email address").fill(owner.email)
    page.get_by_label("Password").fill("correct horse battery staple")
    page.get_by_role("button", name="Sign in").click()

    assert page.url.endswith("/w/northlight/")
    page.get_by_label("Your account").click()
    page.get_by_role("button", name="Sign out").click()
    assert page.url.endswith("/accounts/login/")
