"""Who did what: one row each, which nobody can change."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.cache import cache
from django.db import IntegrityError, connection, transaction
from django.test import Client
from django.urls import reverse

from apps.accounts import audit, deeds
from apps.accounts.models import AuditEntry, Membership, User, Workspace
from apps.accounts.services import workspaces
from tests.conftest import PASSWORD

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def forget_rate_limits() -> Iterator[None]:
    cache.clear()
    yield
    cache.clear()


def actions() -> list[str]:
    return list(AuditEntry.objects.order_by("pk").values_list("action", flat=True))


@pytest.mark.parametrize(
    "statement",
    ["UPDATE accounts_auditentry SET actor_name = ''", "DELETE FROM accounts_auditentry"],
)
def test_no_row_can_be_changed(owner: User, statement: str) -> None:
    audit.note("signed_in", by=owner)

    with pytest.raises(IntegrityError, match="append-only"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)

    assert AuditEntry.objects.get().actor_name == owner.email


def test_rows_outlive_whom_they_name(owner: User, workspace: Workspace) -> None:
    audit.note("signed_in", by=owner, workspace=workspace)

    Membership.objects.all().delete()
    owner.delete()
    workspace.delete()

    assert AuditEntry.objects.get().actor_name == "ines@northlight.example"


def test_signing_in_and_out_is_noted(owner: User) -> None:
    client = Client(REMOTE_ADDR="203.0.113.9")
    url = reverse("account_login")

    client.post(url, {"login": owner.email, "password": "wrong horse battery staple"})
    client.post(url, {"login": "nobody@x.example", "password": "wrong horse battery staple"})
    client.post(url, {"login": owner.email, "password": PASSWORD})
    client.post(reverse("account_logout"))

    assert actions() == ["sign_in_failed", "signed_in", "signed_out"]
    assert set(AuditEntry.objects.values_list("actor_id", "ip")) == {(owner.pk, "203.0.113.9")}


def test_no_secret_stands_in_a_row(owner: User) -> None:
    Client().post(reverse("account_login"), {"login": owner.email, "password": "wrong horse battery staple"})

    assert "wrong horse" not in str(list(AuditEntry.objects.values()))


def test_an_address_that_anybody_can_write_is_not_believed(owner: User) -> None:
    client = Client(REMOTE_ADDR="203.0.113.9", HTTP_X_FORWARDED_FOR="198.51.100.1")

    client.post(reverse("account_login"), {"login": owner.email, "password": PASSWORD})

    assert AuditEntry.objects.get().ip == "203.0.113.9"


def test_behind_a_proxy_of_ours_the_client_is_seen(owner: User, settings: Any) -> None:
    settings.ALLAUTH_TRUSTED_PROXY_COUNT = 1
    client = Client(REMOTE_ADDR="127.0.0.1", HTTP_X_FORWARDED_FOR="198.51.100.1, 203.0.113.9")

    client.post(reverse("account_login"), {"login": owner.email, "password": PASSWORD})

    assert AuditEntry.objects.get().ip == "203.0.113.9"


def test_changing_a_workspace_says_what_was_changed(owner_client: Client, owner: User, workspace: Workspace) -> None:
    url = reverse("accounts:workspace", args=[workspace.slug])
    values = {"name": "Northlight", "postal_address": workspace.postal_address, "time_zone": "Europe/Lisbon"}

    owner_client.post(url, {**values, "language": "en"})
    owner_client.post(url, {**values, "language": "en"})

    workspace.refresh_from_db()
    assert (workspace.name, workspace.time_zone, workspace.slug) == ("Northlight", "Europe/Lisbon", "northlight")
    entry = AuditEntry.objects.get(action="workspace_changed")
    assert entry.detail == {"fields": "name, time_zone"}


@pytest.mark.parametrize("changes", [{"name": " "}, {"time_zone": "Mars/Base"}, {"language": "xx"}])
def test_a_setting_that_makes_no_sense_changes_nothing(
    owner_client: Client, workspace: Workspace, changes: dict[str, str]
) -> None:
    values = {"name": "Other", "postal_address": "", "time_zone": "UTC", "language": "en", **changes}

    assert owner_client.post(reverse("accounts:workspace", args=[workspace.slug]), values).status_code == 422
    workspace.refresh_from_db()
    assert workspace.name == "Northlight Coffee"


def test_only_who_owns_a_workspace_makes_another(owner: User, colleague: User, owner_client: Client) -> None:
    client = Client()
    client.force_login(colleague)

    assert client.post(reverse("accounts:workspace_new"), {"name": "Mine"}).status_code == 403
    answer = owner_client.post(reverse("accounts:workspace_new"), {"name": "Second brand"})

    assert answer.headers["Location"] == "/w/second-brand/"
    assert Membership.objects.get(workspace__slug="second-brand").user_id == owner.pk
    assert not workspaces.may_create(colleague)


def test_the_page_shows_only_this_workspace(owner_client: Client, owner: User, workspace: Workspace) -> None:
    audit.note("exported", workspace=workspace, by=owner, target="recipients.csv")
    audit.note("exported", workspace=workspace.pk + 1, by=owner, target="foreign.csv")

    page = owner_client.get(reverse("accounts:activity", args=[workspace.slug])).content.decode()

    assert "recipients.csv" in page and owner.email in page
    assert "foreign.csv" not in page


def test_pages_go_on_where_the_last_one_ended(owner_client: Client, workspace: Workspace) -> None:
    for number in range(55):
        audit.note("exported", workspace=workspace, target=f"file-{number}.csv")

    first = owner_client.get(reverse("accounts:activity", args=[workspace.slug]))
    second = owner_client.get(first.wsgi_request.path + first.context["next_url"])

    assert (len(first.context["rows"]), len(second.context["rows"]), second.context["shown"]) == (50, 5, 55)


def test_every_deed_has_a_sentence_and_every_use_is_a_deed() -> None:
    assert set(deeds.WORDS) == audit.ACTIONS
    root: Path = settings.BASE_DIR
    used = {
        name
        for path in (root / "apps").rglob("*.py")
        for name in re.findall(r"audit\.note\(\s*\"(\w+)\"", path.read_text(encoding="utf-8"))
    }
    assert used <= audit.ACTIONS
    with pytest.raises(ValueError, match="danced"):
        audit.note("danced")
