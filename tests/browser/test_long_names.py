"""Names of sixty letters without a space: on a phone no page scrolls sideways for them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from apps.accounts.models import User, Workspace
from apps.campaigns.models import Campaign, Delivery, Template
from apps.campaigns.services import senders, templates
from apps.contacts.models import Contact, ContactList
from apps.smtp.models import Transport
from core import tokens
from tests.browser.marketer import SIDEWAYS
from tests.browser.test_editor import draft
from tests.campaigns.conftest import make_campaign, sending
from tests.web.conftest import OpenPage

__all__ = ["draft", "make_campaign", "sending"]

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
LONG = "Q" * 60
# The innermost elements that stand out: where to look when this fails.
OUTSIDE = """() => [...document.querySelectorAll("main *")]
  .filter((each) => each.getBoundingClientRect().right > innerWidth && !each.children.length)
  .map((each) => `${each.parentElement.className} > ${each.tagName}.${each.className}`)"""


@pytest.fixture
def paths(draft: Campaign, owner: User, sending: Callable[..., Campaign]) -> list[str]:
    """Return the pages that show a name that somebody gave."""
    workspace = draft.workspace
    senders.add(workspace, name=LONG, email="news@northlight.example", by=owner)
    going = sending(people=3)
    kept = templates.from_campaign(draft, by=owner)
    listed = ContactList.objects.get()
    for model in (Campaign, Template, ContactList, Transport, Workspace):
        model.objects.update(name=LONG)
    ContactList.objects.create(workspace=workspace, name=f"{LONG}2", is_public=True, description=LONG)
    Contact.objects.update(first_name=LONG, last_name=LONG)
    steps = [f"campaigns/{draft.pk}/{step}" for step in ("settings", "audience", "content", "review", "delete")]
    pages = [
        "", "campaigns", *steps, "campaigns/new", f"campaigns/{going.pk}", f"campaigns/{going.pk}/people",
        f"campaigns/{draft.pk}/audience/people", f"templates/{kept.uuid}", "templates", "contacts",
        f"contacts/{Contact.objects.earliest('pk').uuid}", "lists", f"lists/{listed.uuid}", "accounts",
        f"accounts/{Transport.objects.get().uuid}", "settings/senders", "imports/new",
    ]  # fmt: skip
    chosen = f"templates/designs/?design=event&for={draft.pk}"
    return [f"/w/northlight/{page}/".replace("//", "/") for page in pages] + [
        f"/w/northlight/templates/?for={draft.pk}",
        f"/w/northlight/{chosen}",
        f"/p/{tokens.seal('unsubscribe', Delivery.objects.earliest('pk').pk)}",
    ]


def test_no_page_scrolls_sideways_for_a_long_name(open_page: OpenPage, owner: User, paths: list[str]) -> None:
    page = open_page("/w/northlight/", user=owner, width=390)
    origin = page.url.partition("/w/")[0]
    wide: dict[str, list[str]] = {}

    for path in paths:
        answer = page.goto(origin + path)
        assert answer is not None and answer.ok, path
        if page.evaluate(SIDEWAYS) > 0:
            wide[path] = page.evaluate(OUTSIDE)

    assert wide == {}


def test_a_button_on_a_public_page_holds_a_long_list_name(
    open_page: OpenPage, paths: list[str], take_picture: Callable[[Page, str], None]
) -> None:
    page = open_page(paths[-1].replace("/p/", "/u/"), width=390)

    take_picture(page, "long-list-name")
    button = page.get_by_role("button", name="Unsubscribe from")
    stands_out = "each => each.scrollWidth > each.clientWidth || each.scrollHeight > each.clientHeight"
    assert not button.evaluate(stands_out)
    assert page.locator(".pub-card .btn").evaluate_all("all => all.every(each => each.clientHeight >= 40)")


def test_the_current_tab_is_in_sight_on_a_phone(
    open_page: OpenPage, owner: User, workspace: Workspace, take_picture: Callable[[Page, str], None]
) -> None:
    page = open_page("/w/northlight/settings/activity/", user=owner, width=390)

    tabs = page.locator("nav.tabs").first
    take_picture(page, "tabs-phone")
    expect(tabs).to_have_class("tabs has-before")
    expect(tabs.locator("[aria-current]")).to_be_in_viewport(ratio=0.9)
