"""What is left before real mail: said on the home page until all is done, with a link for who may do it."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from apps.accounts.models import User, Workspace
from apps.smtp.models import Transport
from apps.web import readiness

pytestmark = pytest.mark.django_db
HOME = "/w/northlight/"


@pytest.fixture
def ready(workspace: Workspace, settings: Any) -> Workspace:
    settings.PUBLIC_URL = "https://mail.northlight.example"
    Transport.objects.create(workspace=workspace, name="Postmark", kind="smtp", host="smtp.example.com")
    return workspace


def done(workspace: Workspace) -> list[bool]:
    return [step.is_done for step in readiness.of(workspace, role="owner").steps]


def test_nothing_is_left_when_all_is_there(ready: Workspace, owner_client: Client) -> None:
    assert done(ready) == [True, True, True]
    assert "Before real mail" not in owner_client.get(HOME).content.decode()


def test_the_local_inbox_and_an_account_that_is_off_carry_no_real_mail(ready: Workspace, transport: Transport) -> None:
    Transport.objects.filter(kind="smtp").update(is_active=False)

    assert done(ready) == [False, True, True]


def test_the_account_of_another_workspace_does_not_count(ready: Workspace, stranger: User) -> None:
    Transport.objects.filter(kind="smtp").update(workspace=Workspace.objects.get(slug="elsewhere"))

    assert done(ready) == [False, True, True]


@pytest.mark.parametrize("url", ["", "http://mail.northlight.example", "http://localhost:8000"])
def test_only_https_will_do(ready: Workspace, settings: Any, url: str) -> None:
    settings.PUBLIC_URL = url

    assert done(ready) == [True, True, False]


def test_each_is_a_link_to_where_it_is_done(workspace: Workspace, owner_client: Client) -> None:
    Workspace.objects.update(postal_address=" ")

    page = owner_client.get(HOME).content.decode()

    for place in ("/w/northlight/accounts/", "/w/northlight/settings/#id_postal_address", "settings/#public-address"):
        assert place in page
    settings_page = owner_client.get("/w/northlight/settings/").content.decode()
    assert 'id="id_postal_address"' in settings_page and 'id="public-address"' in settings_page


def test_who_may_not_do_it_is_told_who_does(workspace: Workspace, colleague: User) -> None:
    client = Client()
    client.force_login(colleague)

    page = client.get(HOME).content.decode()

    assert page.count("An admin does it") == 2
    assert "/settings/#" not in page
