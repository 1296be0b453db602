"""Sending accounts as a browser shows them: both themes, wide and on a phone, and the test of a connection."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from apps.accounts.models import User, Workspace
from apps.smtp.models import Throttle, Transport
from core.secretbox import Secret
from tests.fault_server import FaultServer
from tests.web.conftest import Complaints, OpenPage
from tests.web.test_screens import SIZES, check

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def accounts(workspace: Workspace) -> dict[str, Transport]:
    def make(name: str, **fields: object) -> Transport:
        values = {"workspace": workspace, "kind": "smtp", "host": f"{name.split()[0].lower()}.northlight.example"}
        return Transport.objects.create(name=name, **{**values, **fields})  # type: ignore[misc]

    made = {
        "relay": make("Own relay", per_minute=110, per_day=8000, tested_at="2026-11-20T08:00:00Z", tested_ms=8),
        "trouble": make("Receipts", username="ines", password=Secret("x"), tls="tls", port=465),
        "new": make("Spare"),
        "off": make("Old relay", is_active=False),
        "provider": make(
            "SES Frankfurt",
            kind="provider",
            host="",
            provider="amazon_ses",
            per_second=14,
            per_day=200_000,
            options=Secret(
                '{"region": "eu-central-1", "access_key_id": "AKIA0123456789ABCDEF", "secret_access_key": "x"}'
            ),
            tested_at="2026-11-20T08:00:00Z",
            tested_ms=42,
        ),
        "inbox": Transport.objects.create(workspace=workspace, name="Local inbox", kind="local_inbox"),
    }
    Throttle.objects.create(transport=made["relay"])
    Throttle.objects.create(
        transport=made["trouble"], closed_until="2040-01-01T00:00:00Z", trouble_since="2026-11-20T14:48:00Z",
        trouble_stage="auth", trouble_text="535 5.7.8 Authentication credentials invalid",
    )  # fmt: skip
    return made


def test_every_state_in_both_themes_and_on_a_phone(
    open_page: OpenPage,
    owner: User,
    accounts: dict[str, Transport],
    complaints: Complaints,
    take_picture: Callable[[Page, str], None],
) -> None:
    own = "/w/northlight/accounts/"
    states = {
        "accounts": own,
        "accounts-one": f"{own}{accounts['trouble'].uuid}/",
        "accounts-edit": f"{own}{accounts['trouble'].uuid}/edit/",
        "accounts-new": f"{own}new/",
        "accounts-new-provider": f"{own}new/?with=amazon_ses",
        "accounts-provider": f"{own}{accounts['provider'].uuid}/",
    }
    for name, path in states.items():
        for theme, width in SIZES:
            page = open_page(path, user=owner, theme=theme, width=width)
            take_picture(page, f"{name}-{theme if width > 500 else width}")
            check(page, complaints)
            page.context.close()


def test_adding_and_testing_an_account(open_page: OpenPage, owner: User, complaints: Complaints) -> None:
    with FaultServer(accounts={"ines": "secret"}) as relay:
        page = open_page("/w/northlight/accounts/", user=owner)
        page.get_by_role("link", name="Add an account").first.click()
        page.get_by_label("Name", exact=True).fill("Own relay")
        page.get_by_label("Server").fill("127.0.0.1")
        page.get_by_label("Port").fill(str(relay.port))
        page.get_by_label("Encryption").select_option("none")
        page.get_by_label("User name").fill("ines")
        page.get_by_label("Password").fill("wrong")
        page.get_by_label("A minute").fill("110")
        page.get_by_role("button", name="Save and test").click()
        expect(page.get_by_text("The server refuses this user name and password.").first).to_be_visible()

        page.get_by_role("link", name="Change").click()
        page.get_by_label("Password").fill("secret")
        page.get_by_role("button", name="Save", exact=True).click()
        page.get_by_role("button", name="Test the connection").click()
        expect(page.get_by_text("No email was sent.")).to_be_visible()

    assert Transport.objects.get(kind="smtp").tested_stage == ""
    assert complaints == []
