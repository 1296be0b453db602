"""The desk a letter is written at, in a real browser: under the strict policy, by keyboard, and without script."""

from __future__ import annotations

import io
from collections.abc import Callable

import pytest
from django.test import override_settings
from PIL import Image as PillowImage
from playwright.sync_api import FrameLocator, Page, expect

from apps.accounts.models import User, Workspace
from apps.campaigns.models import Campaign, Template
from apps.campaigns.services import drafts
from apps.contacts.models import Contact, ContactList
from apps.smtp.models import Transport
from tests.web.conftest import Complaints, OpenPage
from tests.web.test_screens import SIZES, check

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

GOOD = '<p>Hello {{ first_name or "there" }}</p><p>1 Harbour Road, Leith. <a href="{{ unsubscribe_url }}">Leave</a></p>'
SLOW = 20_000  # a loaded machine builds a version in some seconds


@pytest.fixture
def draft(
    workspace: Workspace,
    owner: User,
    transport: Transport,
    contact_list: ContactList,
    make_contact: Callable[..., Contact],
) -> Campaign:
    make_contact("marta@orchard.example", first_name="Marta", last_name="K", attributes={"box_date": "3 December"})
    make_contact("nobody@orchard.example")
    make_contact("olena@orchard.example", first_name="Олена")
    changes = {
        "name": "November roast",
        "subject": "The Kenyan is in",
        "from_name": "Northlight",
        "from_email": "hello@northlight.example",
        "transport": transport,
        "html": GOOD,
    }
    campaign = drafts.create(workspace, by=owner, changes=changes)
    drafts.save_audience(campaign, lists=[contact_list], excluded=[])
    return campaign


def address(draft: Campaign) -> str:
    return f"/w/northlight/campaigns/{draft.pk}/content/"


def letter(page: Page) -> FrameLocator:
    return page.frame_locator("#reader iframe")


def html_of(draft: Campaign) -> str:
    return Campaign.objects.values_list("html", flat=True).get(pk=draft.pk)


def test_the_editor_starts_under_the_strict_policy(
    open_page: OpenPage, owner: User, draft: Campaign, complaints: Complaints
) -> None:
    page = open_page(address(draft), user=owner)

    expect(page.locator(".cm-editor")).to_be_visible()
    assert page.locator("textarea[name=html]").is_hidden()
    # Its styles came through: without the nonce these are what a bare element has.
    assert page.evaluate("getComputedStyle(document.querySelector('.cm-scroller')).display") == "flex"
    assert page.evaluate("getComputedStyle(document.querySelector('.cm-gutters')).borderRightWidth") == "0px"
    assert complaints == []


def test_other_pages_take_no_style_by_nonce(open_page: OpenPage, owner: User, draft: Campaign) -> None:
    with_editor = open_page(address(draft), user=owner)
    listing = open_page("/w/northlight/campaigns/", user=owner)

    def policy(page: Page) -> str:
        reply = page.request.get(page.url)
        found = next(part for part in reply.headers["content-security-policy"].split(";") if "style-src" in part)
        return found.strip()

    assert policy(listing) == "style-src 'self'"
    assert policy(with_editor).startswith("style-src 'self' 'nonce-")
    assert policy(with_editor) != policy(with_editor)


def test_the_preview_follows_what_is_typed(open_page: OpenPage, owner: User, draft: Campaign) -> None:
    page = open_page(address(draft), user=owner)
    expect(letter(page).get_by_text("Hello Marta")).to_be_visible(timeout=SLOW)

    page.locator(".cm-content").click()
    page.keyboard.press("ControlOrMeta+End")
    page.keyboard.insert_text("<p>The Kenyan came by ship.</p>")

    expect(letter(page).get_by_text("came by ship")).to_be_visible(timeout=SLOW)
    expect(page.locator("#saved")).to_contain_text("Saved")
    assert html_of(draft) == GOOD + "<p>The Kenyan came by ship.</p>"
    expect(page.locator(".cm-content")).to_be_focused()


def test_the_keys_walk_through_awkward_readers(open_page: OpenPage, owner: User, draft: Campaign) -> None:
    page = open_page(address(draft), user=owner)
    expect(letter(page).get_by_text("Hello Marta")).to_be_visible(timeout=SLOW)

    page.keyboard.press("]")
    expect(letter(page).get_by_text("Hello there")).to_be_visible(timeout=SLOW)
    page.keyboard.press("]")
    expect(letter(page).get_by_text("Hello Олена")).to_be_visible(timeout=SLOW)
    page.keyboard.press("[")
    expect(letter(page).get_by_text("Hello there")).to_be_visible(timeout=SLOW)
    page.locator(".cm-content").click()
    page.keyboard.press("ControlOrMeta+End")
    page.keyboard.type("[x]")

    expect(page.locator(".cm-content")).to_contain_text("[x]")
    expect(page.locator("#reader summary b")).to_have_text("nobody@orchard.example")
    expect(letter(page).get_by_text("[x]")).to_be_visible(timeout=SLOW)
    expect(letter(page).get_by_text("Hello there")).to_be_visible()


def test_a_field_is_put_in_by_keyboard(open_page: OpenPage, owner: User, draft: Campaign) -> None:
    page = open_page(address(draft), user=owner)

    page.locator(".cm-content").click()
    page.keyboard.press("ControlOrMeta+End")
    page.locator("summary", has_text="Insert").focus()
    page.keyboard.press("Enter")
    page.get_by_role("button", name="box_date").focus()
    page.keyboard.press("Enter")
    page.keyboard.type("soon")

    expect(page.locator(".cm-content")).to_contain_text('{{ box_date or "soon" }}')
    expect(letter(page).get_by_text("3 December")).to_be_visible(timeout=SLOW)
    assert html_of(draft).endswith('{{ box_date or "soon" }}')


def test_a_mistake_is_marked_on_its_line(open_page: OpenPage, owner: User, draft: Campaign) -> None:
    drafts.save(draft, changes={"html": GOOD + "\n<p>x</p>\n{% if %}\n"})
    page = open_page(address(draft), user=owner)

    expect(page.locator(".cm-wrong")).to_have_text("{% if %}")
    expect(page.locator("#reader")).to_contain_text("line 3")
    page.get_by_role("button", name="Line 3").click()
    page.keyboard.type("<p>y</p>")

    expect(letter(page).get_by_text("y", exact=True)).to_be_visible(timeout=SLOW)
    expect(page.locator(".cm-wrong")).to_have_count(0)
    assert html_of(draft) == GOOD + "\n<p>x</p>\n<p>y</p>\n"


def test_a_field_gets_its_fallback_and_the_footer_is_put_in(open_page: OpenPage, owner: User, draft: Campaign) -> None:
    drafts.save(draft, changes={"html": "<p>Your box of {{ box_date }} is here</p>"})
    page = open_page(address(draft), user=owner)

    page.get_by_role("button", name="Give it a fallback").click()
    page.keyboard.type("this week")
    expect(page.locator("#remarks")).not_to_contain_text("box_date", timeout=SLOW)
    page.get_by_role("button", name="Put it in").click()

    expect(page.locator(".toast")).to_contain_text("Put in")
    expect(letter(page).get_by_text("1 Harbour Road")).to_be_visible(timeout=SLOW)
    html = html_of(draft)
    assert html.startswith('<p>Your box of {{ box_date or "this week" }} is here</p>')
    assert "{{ unsubscribe_url }}" in html


def test_the_text_is_made_or_written(open_page: OpenPage, owner: User, draft: Campaign) -> None:
    page = open_page(address(draft), user=owner)

    page.get_by_role("button", name="Plain text").click()
    expect(page.locator("#reader-part")).to_have_text("HTML", timeout=SLOW)
    page.get_by_role("button", name="Edit by hand").click()
    text = page.locator("textarea[name=text]")
    expect(text).to_be_visible()
    assert 'Hello {{ first_name or "there" }}' in text.input_value()
    text.fill("Short: {{ unsubscribe_url }}")
    expect(letter(page).get_by_text("Short: #")).to_be_visible(timeout=SLOW)
    page.get_by_role("button", name="Make it again from the HTML").click()

    expect(page.locator("textarea[name=text]")).to_have_value("")
    draft.refresh_from_db()
    assert (draft.text, draft.html) == ("", GOOD)


def test_a_late_save_does_not_replace_the_reader_chosen_meanwhile(
    open_page: OpenPage, owner: User, draft: Campaign
) -> None:
    page = open_page(address(draft), user=owner)
    expect(letter(page).get_by_text("Hello Marta")).to_be_visible(timeout=SLOW)
    # The click's own reply never comes: a refresh after a save has overtaken it.
    page.route(lambda url: "/reader/" in url, lambda route: None, times=1)

    page.locator("#reader-next").click()
    page.locator(".cm-content").click()
    page.keyboard.press("ControlOrMeta+End")
    page.keyboard.insert_text("<p>Later</p>")

    expect(letter(page).get_by_text("Later")).to_be_visible(timeout=SLOW)
    expect(page.locator("#reader summary b")).to_have_text("nobody@orchard.example")


def test_a_separate_text_version_is_said_beside_the_source(open_page: OpenPage, owner: User, draft: Campaign) -> None:
    drafts.save(draft, changes={"text": "By hand: {{ unsubscribe_url }}"})
    page = open_page(address(draft), user=owner)

    expect(page.locator("#remarks")).to_contain_text("The text version is separate")
    page.locator("#remarks").get_by_role("button", name="Make it again from the HTML").click()

    expect(page.locator("#remarks")).not_to_contain_text("separate")
    draft.refresh_from_db()
    assert (draft.text, draft.html) == ("", GOOD)


def test_dark_mode_is_shown_whatever_the_readers_own_is(open_page: OpenPage, owner: User, draft: Campaign) -> None:
    style = "<style>p{color:#010101}@media (prefers-color-scheme: dark){p{color:#fefefe !important}}</style>"
    drafts.save(draft, changes={"html": f"<html><head>{style}</head><body>{GOOD}</body></html>"})
    page = open_page(address(draft), user=owner)
    colour = "element => getComputedStyle(element).color"

    assert letter(page).get_by_text("Hello Marta").evaluate(colour) == "rgb(1, 1, 1)"
    page.locator("#reader-light").click()
    expect(page.locator("#reader iframe.night")).to_be_visible(timeout=SLOW)

    assert letter(page).get_by_text("Hello Marta").evaluate(colour) == "rgb(254, 254, 254)"


def test_everything_can_be_written_without_script(open_page: OpenPage, owner: User, draft: Campaign) -> None:
    page = open_page(address(draft), user=owner, script=False)

    page.locator("textarea[name=html]").fill(GOOD + "<p>By hand</p>")
    page.get_by_role("button", name="Save and look").click()
    expect(page.locator("textarea[name=html]")).to_have_value(GOOD + "<p>By hand</p>")
    page.get_by_role("link", name="Next person").click()
    page.get_by_role("button", name="Edit by hand").click()
    page.get_by_role("button", name="Next: review").click()

    assert page.url.endswith("/review/")
    draft.refresh_from_db()
    assert draft.html == GOOD + "<p>By hand</p>"
    assert "By hand" in draft.text


def test_writing_over_a_choice_breaks_no_policy(
    open_page: OpenPage, owner: User, draft: Campaign, complaints: Complaints
) -> None:
    drafts.save(draft, changes={"html": f"<table>\n<tr>\n<td>{GOOD}</td></tr>\n{{% if x %}}y{{% endif %}}</table>"})
    page = open_page(address(draft), user=owner)

    page.locator(".cm-content").click()
    page.keyboard.press("ControlOrMeta+A")
    page.keyboard.insert_text(f"{GOOD}\n<p>Anew</p>")
    expect(letter(page).get_by_text("Anew")).to_be_visible(timeout=SLOW)
    page.keyboard.press("ControlOrMeta+A")
    page.keyboard.type("x")
    expect(page.locator(".cm-content")).to_have_text("x")
    page.keyboard.press("ControlOrMeta+Z")

    expect(page.locator(".cm-content")).to_contain_text("Anew")
    assert complaints == []


def test_tab_leaves_the_editor(open_page: OpenPage, owner: User, draft: Campaign) -> None:
    page = open_page(address(draft), user=owner)

    page.locator(".cm-content").click()
    page.keyboard.press("Tab")

    expect(page.locator(".cm-content")).not_to_be_focused()
    assert html_of(draft) == GOOD


@pytest.mark.parametrize("name", ["content", "templates", "template", "design"])
def test_each_page_in_both_themes_and_on_a_phone(
    open_page: OpenPage,
    owner: User,
    draft: Campaign,
    complaints: Complaints,
    take_picture: Callable[[Page, str], None],
    name: str,
) -> None:
    template = Template.objects.create(workspace=draft.workspace, name="Winter", html=GOOD)
    path = {
        "content": address(draft),
        "templates": "/w/northlight/templates/",
        "template": f"/w/northlight/templates/{template.uuid}/",
        "design": "/w/northlight/templates/designs/?design=product",
    }[name]
    for theme, width in SIZES:
        page = open_page(path, user=owner, theme=theme, width=width)
        page.wait_for_load_state("networkidle")
        take_picture(page, f"{name}-{theme if width > 500 else width}")
        check(page, complaints)


def test_a_campaign_begins_with_a_design_by_keyboard(
    open_page: OpenPage, owner: User, draft: Campaign, complaints: Complaints
) -> None:
    page = open_page("/w/northlight/campaigns/", user=owner)

    page.keyboard.press("g")
    with page.expect_navigation():
        page.keyboard.press("t")
    page.get_by_role("button", name="Use “Event invitation”").focus()
    with page.expect_navigation():
        page.keyboard.press("Enter")

    assert page.url.endswith("/settings/")
    begun = Campaign.objects.latest("pk")
    assert (begun.name, begun.pk == draft.pk) == ("Event invitation", False)
    assert "You are invited" in begun.html
    assert complaints == []


def test_an_image_is_uploaded_and_put_in(
    open_page: OpenPage, owner: User, draft: Campaign, live_server: object, complaints: Complaints
) -> None:
    with override_settings(PUBLIC_URL=str(live_server)):
        page = open_page(address(draft), user=owner)
        page.locator(".cm-content").click()
        page.keyboard.press("ControlOrMeta+End")
        picture = io.BytesIO()
        PillowImage.new("RGB", (300, 80), "teal").save(picture, "PNG")

        page.get_by_label("An image").set_input_files(
            {"name": "Harvest.png", "mimeType": "image/png", "buffer": picture.getvalue()}
        )
        page.get_by_role("button", name="Upload").click()
        page.get_by_role("button", name="Put it in: Harvest.png").click(timeout=SLOW)
        page.keyboard.type("A teal field")

        shown = letter(page).get_by_alt_text("A teal field")
        expect(shown).to_be_visible(timeout=SLOW)
        assert shown.evaluate("image => image.naturalWidth") == 300
        page.get_by_label("An image").set_input_files(
            {"name": "x.svg", "mimeType": "image/svg+xml", "buffer": b"<svg xmlns='http://www.w3.org/2000/svg'/>"}
        )
        page.get_by_role("button", name="Upload").click()
        expect(page.locator("#images [role=alert]")).to_contain_text("SVG is not taken", timeout=SLOW)
    assert [said for said in complaints if "422" not in said] == []
