"""What was typed is not lost: by a server that is away, a session that ended, a second window, or leaving too soon."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, Route, expect

from apps.accounts.models import Session, User
from apps.campaigns.models import Campaign
from apps.campaigns.services import drafts
from tests.browser.test_editor import GOOD, SLOW, address, draft, html_of
from tests.conftest import PASSWORD
from tests.web.conftest import OpenPage

__all__ = ["draft"]

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
ADDED = "<p>Typed</p>"


def add(page: Page, text: str = ADDED) -> None:
    page.locator(".cm-content").click()
    page.keyboard.press("ControlOrMeta+End")
    page.keyboard.insert_text(text)


def _only_reads(route: Route) -> None:
    if route.request.method == "POST":
        route.abort()
    else:
        route.fallback()


def test_a_server_that_does_not_answer_is_asked_again(open_page: OpenPage, owner: User, draft: Campaign) -> None:
    page = open_page(address(draft), user=owner)
    page.route(re.compile("/content/$"), lambda route: route.abort())

    add(page)

    expect(page.locator("#notices")).to_contain_text("the server does not answer", timeout=SLOW)
    expect(page.locator("#saved")).to_have_text("Not saved yet")
    assert html_of(draft) == GOOD
    page.unroute_all()
    expect(page.locator("#saved")).to_contain_text("Saved", timeout=SLOW)
    expect(page.locator("#notices")).to_be_empty()
    assert html_of(draft) == GOOD + ADDED


def test_a_lost_session_loses_nothing(open_page: OpenPage, owner: User, draft: Campaign) -> None:
    page = open_page(address(draft), user=owner)
    expect(page.locator(".cm-editor")).to_be_visible()
    Session.objects.all().delete()

    add(page)
    expect(page.locator("#notices")).to_contain_text("You are signed out", timeout=SLOW)
    page.get_by_role("button", name="Next: review").click()
    assert page.url.endswith("/content/")
    with page.context.expect_page() as opened:
        page.locator("#notices").get_by_role("link", name="Sign in").click()
    other = opened.value
    other.get_by_label("Email address").fill(owner.email)
    other.get_by_label("Password").fill(PASSWORD)
    other.get_by_role("button", name="Sign in").click()
    other.wait_for_url("**/w/northlight/")
    page.bring_to_front()

    expect(page.locator("#saved")).to_contain_text("Saved", timeout=SLOW)
    expect(page.locator("#notices")).to_be_empty()
    assert html_of(draft) == GOOD + ADDED
    page.get_by_role("button", name="Next: review").click()
    page.wait_for_url("**/review/", timeout=SLOW)


def test_two_windows_are_told_of_each_other(open_page: OpenPage, owner: User, draft: Campaign) -> None:
    page = open_page(address(draft), user=owner)
    expect(page.locator(".cm-editor")).to_be_visible()
    drafts.save(draft, changes={"html": GOOD + "<p>There</p>"})

    add(page)
    expect(page.locator("#notices")).to_contain_text("changed in another window", timeout=SLOW)
    assert html_of(draft) == GOOD + "<p>There</p>"
    page.get_by_role("button", name="Keep what is written here").click()

    expect(page.locator("#notices")).to_be_empty()
    expect(page.locator(".cm-content")).to_contain_text("Typed")
    assert html_of(draft) == GOOD + ADDED


def test_what_was_saved_there_can_be_seen(open_page: OpenPage, owner: User, draft: Campaign) -> None:
    page = open_page(address(draft), user=owner)
    expect(page.locator(".cm-editor")).to_be_visible()
    drafts.save(draft, changes={"html": GOOD + "<p>There</p>"})

    add(page)
    page.get_by_role("link", name="Show what was saved there").click(timeout=SLOW)

    expect(page.locator(".cm-content")).to_contain_text("There")
    expect(page.locator(".cm-content")).not_to_contain_text("Typed")
    assert html_of(draft) == GOOD + "<p>There</p>"


def test_what_cannot_be_kept_is_marked_and_stays_here(open_page: OpenPage, owner: User, draft: Campaign) -> None:
    page = open_page(address(draft).replace("/content/", "/settings/"), user=owner)
    kept = "Object.values(sessionStorage).some((text) => text.includes('nobody'))"
    field = page.get_by_label("Replies go to")

    field.fill("nobody")

    expect(page.locator("#saved")).to_have_text("Saved, except: Replies go to", timeout=SLOW)
    expect(field).to_have_attribute("aria-invalid", "true")
    expect(field).to_be_focused()
    expect(field).to_have_accessible_description(re.compile(r"[Aa]ddress"))
    page.wait_for_function(kept)
    with page.expect_response(lambda reply: reply.request.method == "POST", timeout=SLOW):
        page.reload()
    expect(field).to_have_value("nobody")
    field.fill("tea@northlight.example")
    expect(page.locator("#saved")).to_contain_text(re.compile(r"^\s*Saved \d"), timeout=SLOW)
    expect(field).not_to_have_attribute("aria-invalid", "true")
    expect(page.locator(".err")).to_have_count(0)
    draft.refresh_from_db()
    assert draft.reply_to == "tea@northlight.example"
    assert not page.evaluate(kept)


def test_what_was_typed_before_a_reload_comes_back(open_page: OpenPage, owner: User, draft: Campaign) -> None:
    page = open_page(address(draft), user=owner)
    expect(page.locator(".cm-editor")).to_be_visible()
    page.route(re.compile("/content/$"), _only_reads)
    page.on("dialog", lambda dialog: dialog.accept())

    add(page)
    expect(page.locator("#saved")).to_have_text("Not saved yet", timeout=SLOW)
    page.unroute_all()
    with page.expect_response(lambda reply: reply.request.method == "POST", timeout=SLOW):
        page.reload()

    expect(page.locator("#notices")).to_contain_text("brought back")
    expect(page.locator(".cm-content")).to_contain_text("Typed")
    expect(page.locator("#saved")).to_contain_text("Saved", timeout=SLOW)
    assert html_of(draft) == GOOD + ADDED
