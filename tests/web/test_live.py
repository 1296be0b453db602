"""Live regions: they refresh while seen, end when told, say when there is no news, and do not steal focus."""

from __future__ import annotations

import itertools

import pytest
from playwright.sync_api import Page, Route, expect

from apps.accounts.models import User
from tests.web.conftest import OpenPage

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

REGION = """<section id="live" {live} hx-get="/w/northlight/live/" hx-trigger="poll" hx-swap="outerHTML">
<h2>Account</h2><p id="figure">{figure}</p><button id="keep" type="button">Pause</button>{extra}
<span data-live-note data-fresh="updated {{when}}" data-late="No news for {{n}} s, trying again"></span></section>"""


def region(figure: str, *, live: bool = True, extra: str = "") -> str:
    return REGION.format(figure=figure, live='data-live="1"' if live else "", extra=extra)


def start(page: Page, first: str) -> None:
    """Serve the page again with a live region at its end."""

    def add(route: Route) -> None:
        reply = route.fetch()
        route.fulfill(response=reply, body=reply.text().replace("</main>", first + "</main>"))

    page.route("**/w/northlight/", add, times=1)
    page.reload()


@pytest.fixture
def page(open_page: OpenPage, owner: User) -> Page:
    return open_page("/w/northlight/", user=owner)


def test_a_region_refreshes_and_keeps_focus_and_ends_when_told(page: Page) -> None:
    numbers = itertools.count(1)

    def answer(route: Route) -> None:
        number = next(numbers)
        route.fulfill(body=region(f"{number} sent", live=number < 3), content_type="text/html")

    page.route("**/live/", answer)
    start(page, region("0 sent"))
    page.locator("#keep").focus()

    expect(page.locator("#figure")).to_have_text("3 sent")
    expect(page.locator("#keep")).to_be_focused()
    page.wait_for_timeout(2_500)
    assert next(numbers) == 4, "asked again after the end"


def test_a_region_without_news_says_so_and_recovers(page: Page) -> None:
    page.clock.install()
    is_away = True

    def answer(route: Route) -> None:
        if is_away:
            route.abort()
        else:
            route.fulfill(body=region("7 sent"), content_type="text/html")

    page.route("**/live/", answer)
    start(page, region("0 sent"))
    page.clock.run_for(2_000)
    page.clock.run_for(13_000)

    note = page.locator("[data-live-note]")
    expect(note).to_contain_text("No news for 1")
    expect(page.locator("[data-request-failed]")).to_have_count(0)
    is_away = False
    page.clock.run_for(3_000)
    expect(page.locator("#figure")).to_have_text("7 sent")
    expect(note).to_contain_text("updated")


def test_focus_goes_to_the_heading_when_its_element_is_gone(page: Page) -> None:
    page.route("**/live/", lambda route: route.fulfill(body=region("1 sent", live=False), content_type="text/html"))
    start(page, region("0 sent", extra='<a id="gone" href="#main">Cancel</a>'))

    page.locator("#gone").focus()

    expect(page.locator("#figure")).to_have_text("1 sent")
    expect(page.locator("#live h2")).to_be_focused()


def test_a_lost_session_leads_to_sign_in(page: Page) -> None:
    start(page, region("0 sent").replace("/w/northlight/live/", "/w/northlight/"))
    page.context.clear_cookies()

    page.wait_for_url("**/accounts/login/**")

    assert "next=/w/northlight/" in page.url


def test_a_refusal_is_said_in_its_own_words(page: Page) -> None:
    refusal = '<div data-notice><div class="banner bad" role="alert">This campaign is paused already.</div></div>'
    page.route("**/live/", lambda route: route.fulfill(status=409, body=refusal, content_type="text/html"))
    start(page, region("0 sent", live=False).replace('hx-trigger="poll"', ""))

    page.locator("#live").click()

    expect(page.locator("#notices")).to_have_text("This campaign is paused already.")
    expect(page.locator("#figure")).to_have_text("0 sent")


def test_any_other_failure_is_said_too(page: Page) -> None:
    page.route("**/live/", lambda route: route.fulfill(status=500, body="broken", content_type="text/html"))
    start(page, region("0 sent", live=False).replace('hx-trigger="poll"', ""))

    page.locator("#live").click()

    expect(page.locator("#notices")).to_contain_text("That did not work.")
    expect(page.locator("#figure")).to_have_text("0 sent")
