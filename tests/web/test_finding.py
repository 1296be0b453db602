"""The palette: campaigns, people and pages of one's own workspace, for what one may see."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from django.test import Client
from playwright.sync_api import Route, expect

from apps.accounts.models import User, Workspace
from apps.campaigns.models import Campaign
from apps.contacts.models import Contact
from apps.web import finding
from tests.web.conftest import Complaints, OpenPage

pytestmark = pytest.mark.django_db
FIND = "/w/northlight/find/"


@pytest.fixture
def goods(workspace: Workspace, stranger: User, make_contact: Callable[..., Contact]) -> None:
    elsewhere = Workspace.objects.get(slug="elsewhere")
    for where, name in ((workspace, "November roast"), (workspace, "Spring"), (elsewhere, "November theirs")):
        Campaign.objects.create(workspace=where, name=name, subject="The Kenyan is in")
    make_contact("claire@orchard.example", first_name="Claire", last_name="Fontaine")
    make_contact("rui@orchard.example")


def words(workspace: Workspace, query: str, *, role: str = "owner") -> dict[str, list[str]]:
    return {group.name: [hit.word for hit in group.hits] for group in finding.find(workspace, role=role, query=query)}


def test_finds_campaigns_by_name_and_subject_in_this_workspace_only(workspace: Workspace, goods: None) -> None:
    assert words(workspace, "novem")["Campaigns"] == ["November roast"]
    assert words(workspace, "KENYAN spring")["Campaigns"] == ["Spring"]


def test_finds_people_by_any_words_of_name_and_address(workspace: Workspace, goods: None) -> None:
    assert words(workspace, "fontaine clai")["People"] == ["Claire Fontaine"]
    assert words(workspace, "rui@")["People"] == ["rui@orchard.example"]


def test_without_words_offers_pages_and_the_latest_campaigns_but_no_people(workspace: Workspace, goods: None) -> None:
    found = words(workspace, "")

    assert list(found) == ["Campaigns", "Pages"]
    assert found["Campaigns"] == ["Spring", "November roast"]


def test_a_viewer_is_offered_no_page_they_may_not_open(workspace: Workspace) -> None:
    assert "New campaign" in words(workspace, "new")["Pages"]
    assert "Pages" not in words(workspace, "new campaign", role="viewer")


def test_says_so_when_nothing_is_called_that(owner_client: Client) -> None:
    page = owner_client.get(FIND, {"q": "<b>zzz"}).content.decode()

    assert "Nothing here is called “&lt;b&gt;zzz”" in page


def test_answers_htmx_with_the_hits_alone(owner_client: Client, goods: None) -> None:
    fragment = owner_client.get(FIND, {"q": "november"}, headers={"HX-Request": "true"}).content.decode()

    assert fragment.startswith('<div id="found"')
    assert "November roast" in fragment


@pytest.mark.browser
@pytest.mark.django_db(transaction=True)
def test_the_palette_by_keyboard_alone(open_page: OpenPage, owner: User, goods: None, complaints: Complaints) -> None:
    page = open_page("/w/northlight/contacts/", user=owner)
    page.locator("main a").first.focus()

    page.keyboard.press("Control+k")
    expect(page.locator("#palette input[name=q]")).to_be_focused()
    page.keyboard.type("november")
    expect(page.locator("#found a")).to_have_count(1)
    page.keyboard.press("Escape")
    expect(page.locator("#palette")).to_be_hidden()
    expect(page.locator("main a").first).to_be_focused()

    page.keyboard.press("Control+k")
    page.keyboard.type("claire")
    expect(page.locator("#found a")).to_contain_text(["Claire Fontaine"])
    page.keyboard.press("ArrowDown")
    expect(page.locator("#found a").first).to_be_focused()
    with page.expect_navigation():
        page.keyboard.press("Enter")
    expect(page.locator("h1")).to_contain_text("Claire Fontaine")
    assert complaints == []


@pytest.mark.browser
@pytest.mark.django_db(transaction=True)
def test_a_question_that_a_newer_one_replaces_is_no_failure(
    open_page: OpenPage, owner: User, goods: None, complaints: Complaints
) -> None:
    page = open_page("/w/northlight/contacts/", user=owner)
    hung: list[Route] = []
    page.route("**/find/?q=nov", lambda route: hung.append(route))

    with page.expect_event("console", lambda said: said.text.startswith("htmx:sendAbort")):
        page.keyboard.press("Control+k")
        with page.expect_request("**/find/?q=nov"):
            page.keyboard.type("nov")
        page.keyboard.type("ember")

    expect(page.locator("#found a")).to_have_text([re.compile("November roast")])
    expect(page.locator(".htmx-request")).to_have_count(0)
    expect(page.locator("[data-request-failed]")).to_have_count(0)
    assert (len(hung), complaints) == (1, [])


@pytest.mark.browser
@pytest.mark.django_db(transaction=True)
def test_a_late_answer_leaves_the_arrows_where_they_are(open_page: OpenPage, owner: User, goods: None) -> None:
    page = open_page("/w/northlight/contacts/", user=owner)
    late: list[Route] = []
    page.keyboard.press("Control+k")
    page.keyboard.type("clair")
    expect(page.locator("#found a")).to_contain_text(["Claire Fontaine"])
    page.route("**/find/?q=claire", lambda route: late.append(route))
    with page.expect_request("**/find/?q=claire"):
        page.keyboard.type("e")

    page.keyboard.press("ArrowDown")
    expect(page.locator("#found a").first).to_be_focused()
    with page.expect_response("**/find/?q=claire"):
        late[0].continue_()

    expect(page.locator(".htmx-request")).to_have_count(0)
    expect(page.locator("#found a").first).to_be_focused()


@pytest.mark.browser
@pytest.mark.django_db(transaction=True)
def test_the_palette_without_script_is_a_page(open_page: OpenPage, owner: User, goods: None) -> None:
    page = open_page("/w/northlight/", user=owner, script=False)

    page.get_by_role("link", name="Find").first.click()
    page.locator("main input[type=search]").fill("novem")
    page.keyboard.press("Enter")

    expect(page.locator("main")).to_contain_text("November roast")
