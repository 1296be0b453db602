"""Settings, members, senders and one's own account as a browser shows them, in both themes and on a phone."""

from __future__ import annotations

import re
import time
from collections.abc import Callable

import pytest
from django.core import mail
from django.test import override_settings
from playwright.sync_api import Page, expect

from apps.accounts import audit
from apps.accounts.models import Membership, User, Workspace
from apps.accounts.services import invitations
from apps.campaigns.services import senders
from apps.smtp.services import signing_keys
from tests.conftest import PASSWORD, make_user
from tests.web.conftest import Complaints, OpenPage
from tests.web.test_screens import SIZES, check

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
LOCMEM = override_settings(EMAIL_BACKEND="django.core.mail.backends.locmem.EmailBackend")
TakePicture = Callable[[Page, str], None]


@pytest.fixture
def team(workspace: Workspace, owner: User, colleague: User) -> str:
    """Return the path of an open invitation into a workspace with people, senders and a past."""
    for role, name in (("admin", "Rui Almeida"), ("marketer", "Олена Шевчук")):
        user = make_user(f"{role}@northlight.example", name=name)
        Membership.objects.create(user=user, workspace=workspace, role=role)
    senders.add(workspace, name="Northlight Coffee", email="news@northlight.example", by=owner)
    senders.add(
        workspace, name="Ines at Northlight", email="ines@northlight.example",
        reply_to="hello@northlight.example", by=owner,
    )  # fmt: skip
    senders.add(workspace, name="Northlight Events", email="hello@events.northlight.example", by=owner)
    for algorithm in ("ed25519-sha256", "rsa-sha256", "rsa-sha256"):
        key = signing_keys.make(workspace, domain="northlight.example", algorithm=algorithm, by=owner)
        signing_keys.activate(key, by=owner, unseen=True)
    signing_keys.make(workspace, domain="northlight.example", algorithm="rsa-sha256", by=owner)
    audit.note("campaign_sent", workspace=workspace, by=owner, target="November roast: Kenya Gachatha")
    audit.note(
        "member_role_changed", workspace=workspace, by=owner, target="vera@northlight.example", before="marketer",
        now="viewer",
    )  # fmt: skip
    with LOCMEM:
        issued = invitations.invite(workspace, email="nadia@orchard.example", role="marketer", by=owner)
    return "/invitation/" + issued.url.partition("/invitation/")[2]


def test_every_page_in_both_themes_and_on_a_phone(
    open_page: OpenPage, owner: User, team: str, complaints: Complaints, take_picture: TakePicture
) -> None:
    workspace = Workspace.objects.get(slug="northlight")
    sender = senders.of(workspace)[0]
    key = next(one for one in signing_keys.of(workspace) if one.state == "made")
    pages = {
        "settings": "/w/northlight/settings/",
        "members": "/w/northlight/settings/members/",
        "senders": "/w/northlight/settings/senders/",
        "sender": f"/w/northlight/settings/senders/{sender.uuid}/",
        "domains": "/w/northlight/settings/domains/",
        "signing-key": f"/w/northlight/settings/domains/{key.uuid}/",
        "activity": "/w/northlight/settings/activity/",
        "profile": "/you/",
        "workspace-new": "/workspaces/new/",
        "composer-sender": "/w/northlight/campaigns/new/",
    }
    for name, path in pages.items():
        for theme, width in SIZES:
            page = open_page(path, user=owner, theme=theme, width=width)
            take_picture(page, f"{name}-{theme if width > 500 else width}")
            check(page, complaints)


def test_an_invitation_in_both_themes_and_on_a_phone(
    open_page: OpenPage, colleague: User, team: str, complaints: Complaints, take_picture: TakePicture
) -> None:
    for name, user in (("invitation", None), ("invitation-signed-in", colleague)):
        for theme, width in SIZES:
            page = open_page(team, user=user, theme=theme, width=width)
            take_picture(page, f"{name}-{theme if width > 500 else width}")
            check(page, complaints)


def test_from_an_invitation_to_work(
    open_page: OpenPage, owner: User, complaints: Complaints, take_picture: TakePicture
) -> None:
    here = open_page("/w/northlight/settings/members/", user=owner)
    here.get_by_label("Email address").fill("nadia@orchard.example")
    here.get_by_label("Role", exact=True).select_option("viewer")
    here.get_by_role("button", name="Invite", exact=True).click()
    link = here.locator(".cmd code").inner_text()
    take_picture(here, "members-invited-light")
    check(here, complaints)

    there = open_page("/invitation/" + link.partition("/invitation/")[2])
    there.get_by_label("Your name").fill("Nadia Orchard")
    there.get_by_label("Password").fill("another quiet harbour")
    there.get_by_role("button", name="Make an account and join").click()
    expect(there.get_by_role("heading", level=1)).to_be_visible()
    assert there.url.endswith("/w/northlight/")

    here.reload()
    expect(here.get_by_text("Nadia Orchard", exact=True)).to_be_visible()


def signed_in_twice(open_page: OpenPage, owner: User) -> list[Page]:
    """Sign in in two browsers, and open one's own account in both."""
    pages = []
    for _number in range(2):
        page = open_page("/accounts/login/")
        page.get_by_label("Email address").fill(owner.email)
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        page.goto(page.url.partition("/w/")[0] + "/you/")
        pages.append(page)
    return pages


def test_another_password_signs_out_elsewhere(open_page: OpenPage, owner: User, complaints: Complaints) -> None:
    here, there = signed_in_twice(open_page, owner)

    here.locator("main").get_by_role("link", name="Change the password").click()
    here.get_by_label("Password now").fill(PASSWORD)
    for label in ("New password", "The same once more"):
        here.get_by_label(label).fill("another quiet harbour")
    here.get_by_role("button", name="Save the password").click()
    expect(here.get_by_role("heading", level=1)).to_be_visible()
    here.goto(there.url)
    expect(here.get_by_role("heading", name="Your account")).to_be_visible()

    there.reload()
    expect(there.get_by_role("heading", name="Sign in")).to_be_visible()
    assert complaints == []


def test_a_lost_password_without_script(open_page: OpenPage, owner: User) -> None:
    with LOCMEM:
        page = open_page("/accounts/login/", script=False)
        page.get_by_role("link", name="Get a link by email").click()
        page.get_by_label("Email address").fill(owner.email)
        page.get_by_role("button", name="Send the link").click()
        expect(page.get_by_role("heading", level=1)).to_contain_text("Look into your inbox")
        deadline = time.monotonic() + 20
        while not mail.outbox and time.monotonic() < deadline:
            page.wait_for_timeout(50)
    (letter,) = mail.outbox
    path = re.search(r"/accounts/password/reset/key/\S+", str(letter.body))
    assert path
    page.goto(page.url.partition("/accounts/")[0] + path[0])
    for label in ("New password", "The same once more"):
        page.get_by_label(label).fill("another quiet harbour")
    page.get_by_role("button", name="Save the password").click()
    expect(page.get_by_role("heading", name="The new password is saved")).to_be_visible()

    owner.refresh_from_db()
    assert owner.check_password("another quiet harbour")


def test_signing_out_elsewhere(open_page: OpenPage, owner: User) -> None:
    here, there = signed_in_twice(open_page, owner)

    here.reload()
    here.get_by_role("button", name="Sign out everywhere else").click()
    expect(here.get_by_role("button", name="Sign out everywhere else")).to_have_count(0)

    there.reload()
    expect(there.get_by_role("heading", name="Sign in")).to_be_visible()


def test_from_fields_show_only_where_no_sender_is_chosen(open_page: OpenPage, owner: User, team: str) -> None:
    page = open_page("/w/northlight/campaigns/new/", user=owner)
    expect(page.get_by_label("From address")).to_be_hidden()

    page.get_by_label("Sender").select_option("")

    expect(page.get_by_label("From address")).to_be_visible()
