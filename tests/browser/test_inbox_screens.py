"""The local inbox as a browser shows it: both themes, wide and on a phone, without complaint and without script."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from apps.accounts.models import User, Workspace
from apps.smtp.models import InboxLetter
from tests.smtp.test_inbox_views import written
from tests.web.conftest import Complaints, OpenPage
from tests.web.test_screens import SIZES, check

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

PEOPLE = ("Marta", "Jonas", "Олена", "Tove", "Rui", "Claire")
HTML = (
    "<html><head><style>body{{font:15px/23px Georgia,serif;color:#222;padding:24px}}</style></head><body>"
    "<p>Northlight Coffee Roasters</p><h1>{name}, the Kenyan is in.</h1><p>Gachatha comes from 900 families near "
    "Nyeri. We roasted it on Thursday, a touch lighter than last year.</p>"
    '<p><a href="#">Unsubscribe</a></p></body></html>'
)


@pytest.fixture
def letters(workspace: Workspace) -> list[InboxLetter]:
    made = []
    for number in range(36):
        name = PEOPLE[number % len(PEOPLE)]
        subject = f"{name}, the Kenyan is in: blackcurrant, lime, a little smoke"
        data = written(subject=subject, html=HTML.format(name=name))
        made.append(
            InboxLetter.objects.create(
                workspace=workspace,
                recipient=f"reader{number}@orchard.example",
                message_id=f"<{number}@northlight.example>",
                subject=subject,
                size=len(data),
                data=data,
            )
        )
    InboxLetter.objects.filter(pk=made[0].pk).update(data=None)
    return made


def test_every_state_in_both_themes_and_on_a_phone(
    open_page: OpenPage,
    owner: User,
    letters: list[InboxLetter],
    complaints: Complaints,
    take_picture: Callable[[Page, str], None],
) -> None:
    own = "/w/northlight/inbox/"
    newest, oldest = letters[-1].pk, letters[0].pk
    states = {
        "inbox": own,
        "inbox-letter": f"{own}{newest}/",
        "inbox-text": f"{own}{newest}/?part=text",
        "inbox-headers": f"{own}{newest}/?part=headers",
        "inbox-source": f"{own}{newest}/?part=source",
        "inbox-removed": f"{own}{oldest}/",
        "inbox-nothing-found": f"{own}?q=nobody",
        "inbox-system": "/w/northlight/system-inbox/",
    }
    for name, path in states.items():
        for theme, width in SIZES:
            page = open_page(path, user=owner, theme=theme, width=width)
            take_picture(page, f"{name}-{theme if width > 500 else width}")
            check(page, complaints)
            page.context.close()


def test_show_more_adds_the_rest_in_place(open_page: OpenPage, owner: User, letters: list[InboxLetter]) -> None:
    page = open_page("/w/northlight/inbox/", user=owner)
    expect(page.locator("#rows > li")).to_have_count(30)
    expect(page.locator("#rows-foot")).to_contain_text("30 of 36")

    page.get_by_role("link", name="Show more").click()

    expect(page.locator("#rows > li")).to_have_count(36)
    expect(page.locator("#rows-foot")).to_contain_text("36 of 36")
    expect(page.get_by_role("link", name="Show more")).to_have_count(0)


def test_a_letter_can_be_read_without_script(open_page: OpenPage, owner: User, letters: list[InboxLetter]) -> None:
    page = open_page("/w/northlight/inbox/", user=owner, script=False)

    page.get_by_role("link", name="reader35@orchard.example").click()
    expect(page.frame_locator("iframe").locator("h1")).to_have_text("Claire, the Kenyan is in.")
    page.get_by_role("link", name="Headers").click()
    expect(page.locator("dl.facts")).to_contain_text("List-Unsubscribe-Post")
    page.get_by_role("link", name="Source", exact=True).click()
    expect(page.locator("pre")).to_contain_text("multipart/alternative")
    page.get_by_role("link", name="Text", exact=True).click()

    expect(page.locator("#letter")).to_contain_text("Plain words")
