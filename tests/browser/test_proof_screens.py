"""The certificate and "why (not) this person?" as a browser shows them: both themes, wide and on a phone."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.db import connection
from playwright.sync_api import Page, expect

from apps.accounts.models import User, Workspace
from apps.campaigns.models import Campaign, ContentVersion, Delivery
from apps.campaigns.services import audience, claims, lifecycle, outcomes, proofs
from apps.contacts.models import Contact, ContactList
from apps.contacts.services import suppression
from apps.smtp.models import Transport
from apps.smtp.outcome import Accepted, Deferred, FailureClass, Outcome, Rejected, Reply, Stage, Unknown
from tests.campaigns.conftest import HTML, frozen
from tests.web.conftest import Complaints, OpenPage
from tests.web.test_screens import SIZES, check

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

BUSY = Deferred(
    Stage.RCPT,
    Reply(451, "4.7.500", "Server busy. Please try again later from [203.0.113.24]"),
    FailureClass.POLICY_RATE,
    counted=True,
)
TAKEN = Accepted(Reply(250, "2.0.0", "OK queued as 4F1"))


def attempt(letter: Delivery, outcome: Outcome, *, was_marked: bool = False) -> None:
    with connection.cursor() as cursor:
        cursor.execute("UPDATE campaigns_delivery SET due_at = now() WHERE id = %s", [letter.pk])
    claimed = claims.begin(letter.pk, owner="w1")
    assert claimed is not None
    if was_marked:
        assert claims.mark(claimed)
    assert outcomes.write(outcomes.interpret(claimed, outcome, was_marked=was_marked))


def make(
    workspace: Workspace,
    contact_list: ContactList,
    transport: Transport,
    make_contact: Callable[..., Contact],
    **fields: str,
) -> Campaign:
    version = frozen()
    content = ContentVersion.objects.create(
        workspace=workspace, content_hash="7c1e94b02f5da863" * 4, frozen=version.to_json(), links=[]
    )
    campaign = Campaign.objects.create(
        workspace=workspace, subject=version.subject, html=HTML, from_name=version.from_name,
        from_email=version.from_email, transport=transport, content=content, message_domain="northlight.example",
        audience_list_ids=[contact_list.pk], state="preparing", started_at="2026-11-17T08:58:12Z", **fields,
    )  # fmt: skip
    assert audience.make_slice(campaign.pk)
    lifecycle.begin_sending(campaign.pk)
    return campaign


@pytest.fixture
def pages(
    workspace: Workspace,
    owner: User,
    contact_list: ContactList,
    transport: Transport,
    make_contact: Callable[..., Contact],
) -> dict[str, str]:
    names = ["Claire Fontaine", "Yusuf Tamm", "Marta Lind", "Jonas Weber", "Olena Koval", "Ana Reis"]
    people = [
        make_contact(f"{n.split()[0].lower()}@ateliernord.example", first_name=n.split()[0], last_name=n.split()[1])
        for n in names
    ]
    gone = make_contact("gone@ateliernord.example", first_name="Petra", last_name="Holm")
    suppression.add(workspace.pk, email=gone.email, reason="complaint", source="feedback of the provider")
    closed = make(workspace, contact_list, transport, make_contact, name="Autumn brewing guide")
    letters = list(Delivery.objects.filter(campaign=closed).order_by("pk"))
    for letter in letters[:3]:
        attempt(letter, TAKEN, was_marked=True)
    attempt(letters[3], Rejected(Stage.RCPT, Reply(552, "5.2.2", "Mailbox full"), FailureClass.QUOTA))
    attempt(letters[4], Unknown(Stage.DOT, "closed"), was_marked=True)
    attempt(letters[5], Unknown(Stage.DOT, "closed"), was_marked=True)
    assert lifecycle.finish(closed.pk)
    proofs.arrived(letters[5].pk, by="open")

    live = make(workspace, contact_list, transport, make_contact, name="November roast: Kenya Gachatha")
    waiting = Delivery.objects.filter(campaign=live, contact=people[0]).get()
    attempt(waiting, BUSY)
    attempt(waiting, BUSY)
    lifecycle.pause(live, by=owner)
    lifecycle.resume(live, by=owner)
    own = "/w/northlight/campaigns/"
    return {
        "certificate": f"{own}{closed.pk}/certificate/",
        "certificate-open": f"{own}{live.pk}/certificate/",
        "trail": f"{own}{live.pk}/people/{waiting.uuid}/",
        "trail-left-out": f"{own}{closed.pk}/why/{gone.uuid}/",
        "why": f"{own}{closed.pk}/why/",
        "report": f"{own}{closed.pk}/",
    }


def test_every_page_in_both_themes_and_on_a_phone(
    open_page: OpenPage,
    owner: User,
    pages: dict[str, str],
    complaints: Complaints,
    take_picture: Callable[[Page, str], None],
) -> None:
    for name, path in pages.items():
        for theme, width in SIZES:
            page = open_page(path, user=owner, theme=theme, width=width)
            take_picture(page, f"{name}-{theme if width > 500 else width}")
            check(page, complaints)
            page.context.close()


def test_the_keyboard_alone_asks_and_recomputes(
    open_page: OpenPage, owner: User, pages: dict[str, str], complaints: Complaints
) -> None:
    page = open_page(pages["report"], user=owner)
    page.get_by_label("Why (not) this person?").focus()
    page.keyboard.type("gone@ateliernord.example")
    with page.expect_navigation():
        page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text("Did Petra Holm get it?")
    expect(page.get_by_text("The address was suppressed: marked as spam.").first).to_be_visible()

    page.goto(page.url.split("/w/")[0] + pages["certificate"])
    page.get_by_role("button", name="Recompute").focus()
    with page.expect_navigation():
        page.keyboard.press("Enter")
    expect(page.get_by_text("Same result", exact=True)).to_be_visible()
    assert complaints == []


def test_paper_carries_the_certificate_alone(open_page: OpenPage, owner: User, pages: dict[str, str]) -> None:
    page = open_page(pages["certificate"], user=owner)

    page.emulate_media(media="print")

    expect(page.get_by_text("Autumn brewing guide").last).to_be_visible()
    for gone in (page.get_by_role("button", name="Recompute"), page.locator("#side")):
        expect(gone).to_be_hidden()
