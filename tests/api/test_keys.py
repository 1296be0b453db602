"""API keys: shown once, kept as a hash, bound to a workspace, a scope, a time and their maker (S17)."""

from __future__ import annotations

import json
import logging
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.db.models.functions import Now
from django.test import Client
from django.urls import get_resolver

from apps.accounts import roles
from apps.accounts.models import ApiKey, AuditEntry, Membership, User, Workspace
from apps.accounts.services import api_keys
from apps.api import access, urls
from apps.campaigns.models import Campaign
from core.redaction import redact


@pytest.fixture
def membership(owner: User) -> Membership:
    return Membership.objects.get(user=owner)


@pytest.fixture
def made(membership: Membership) -> api_keys.Made:
    return api_keys.make(membership, name="Shop", scopes=["campaigns.view"], days=90)


def ask(secret: str, path: str = "workspace", **more: Any) -> Any:
    return Client().get(f"/api/v1/{path}", headers={"Authorization": f"Bearer {secret}"}, **more)


def test_a_key_opens_its_own_workspace(made: api_keys.Made, workspace: Workspace) -> None:
    answer = ask(made.secret)

    assert answer.status_code == 200
    assert answer.json() == {
        "slug": workspace.slug, "name": workspace.name, "time_zone": "UTC", "scopes": ["campaigns.view"]
    }  # fmt: skip
    assert answer.headers["Cache-Control"].startswith("max-age=0")


def test_it_reads_its_workspaces_campaigns_and_no_others(
    made: api_keys.Made, workspace: Workspace, stranger: User
) -> None:
    ours = Campaign.objects.create(workspace=workspace, name="Spring")
    Campaign.objects.create(workspace=Workspace.objects.get(slug="elsewhere"), name="Theirs")

    told = ask(made.secret, "campaigns").json()

    assert [(one["id"], one["name"], one["state"]) for one in told["campaigns"]] == [(ours.pk, "Spring", "draft")]
    assert (told["campaigns"][0]["account"]["total"], told["next"]) == (0, None)


def test_pages_follow_each_other(made: api_keys.Made, workspace: Workspace) -> None:
    Campaign.objects.bulk_create(Campaign(workspace=workspace, name=f"{n}") for n in range(60))

    first = ask(made.secret, "campaigns").json()
    second = ask(made.secret, f"campaigns?before={first['next']}").json()

    assert len({one["id"] for page in (first, second) for one in page["campaigns"]}) == 60
    assert second["next"] is None


@pytest.mark.parametrize("before", ["x", "-1", "1 OR 1=1", "９", "9" * 30])
def test_a_wrong_page_is_told_in_words(made: api_keys.Made, before: str) -> None:
    answer = ask(made.secret, f"campaigns?before={before}")

    assert answer.status_code == 400
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert "`before`" in answer.json()["detail"]


@pytest.mark.parametrize("secret", ["", "vsk_", "x", "vsk_" + "a" * 32, "vsk_aaaaaaaa_" + "a" * 32, "\0", "é"])
def test_anything_else_opens_nothing(db: None, secret: str) -> None:
    answer = Client().get("/api/v1/workspace", headers={"Authorization": f"Bearer {secret}"})

    assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, "Bearer")
    assert answer.json()["type"] == "urn:vashsender:problem:key"


def test_a_dump_of_the_database_holds_no_usable_key(made: api_keys.Made) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT string_agg(k::text, ' ') FROM accounts_apikey k")
        dumped = cursor.fetchone()[0]

    assert made.secret not in dumped
    assert made.secret.rpartition("_")[2] not in dumped
    assert made.key.key_hash in dumped
    assert ask(made.key.key_hash).status_code == 401


def test_a_revoked_key_is_refused_by_the_next_call(owner_client: Client, made: api_keys.Made) -> None:
    assert ask(made.secret).status_code == 200

    owner_client.post(f"/w/northlight/settings/keys/{made.key.pk}/revoke/")

    assert ask(made.secret).status_code == 401
    assert AuditEntry.objects.filter(action="key_revoked", target="Shop").count() == 1


def test_an_expired_key_is_refused(made: api_keys.Made) -> None:
    ApiKey.objects.update(expires_at=Now() - timedelta(seconds=1))

    assert ask(made.secret).status_code == 401


def test_a_key_shrinks_with_its_makers_role_and_dies_with_the_membership(
    made: api_keys.Made, membership: Membership
) -> None:
    sender = api_keys.make(membership, name="Sender", scopes=["campaigns.view", "campaigns.send"], days=None)

    Membership.objects.filter(pk=membership.pk).update(role="viewer")
    assert ask(sender.secret).json()["scopes"] == ["campaigns.view"]
    User.objects.update(is_active=False)
    assert ask(sender.secret).status_code == 401
    User.objects.update(is_active=True)
    membership.delete()
    assert ask(sender.secret).status_code == 401


def test_without_the_scope_nothing_is_told(membership: Membership) -> None:
    other = api_keys.make(membership, name="Contacts", scopes=["contacts.view"], days=None)

    answer = ask(other.secret, "campaigns")

    assert (answer.status_code, answer.json()["type"]) == (403, "urn:vashsender:problem:scope")


def test_nobody_gives_a_key_more_than_they_have(workspace: Workspace, colleague: User) -> None:
    viewer = Membership.objects.get(user=colleague)

    for scopes in (["campaigns.send"], ["members.edit"], ["nonsense"], []):
        with pytest.raises(api_keys.ScopeError):
            api_keys.make(viewer, name="x", scopes=scopes, days=None)
    assert not ApiKey.objects.exists()


def test_its_last_use_is_noted_once_a_minute(made: api_keys.Made) -> None:
    ask(made.secret)
    first = ApiKey.objects.get().last_used_at
    ask(made.secret)

    assert first is not None
    assert ApiKey.objects.get().last_used_at == first


def test_too_many_calls_are_told_to_wait(made: api_keys.Made, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access, "CALLS_A_MINUTE", 2)
    monkeypatch.setattr(access.time, "time", lambda: 60.0 * made.key.pk)

    statuses = [ask(made.secret).status_code for _ in range(4)]

    assert statuses == [200, 200, 429, 429]


def test_a_session_opens_nothing_here(owner_client: Client) -> None:
    assert owner_client.get("/api/v1/workspace").status_code == 401


def test_every_route_names_its_scope_and_refuses_without_a_key(db: None) -> None:
    assert "api/v1/" in {str(pattern.pattern) for pattern in get_resolver().url_patterns}
    for pattern in urls.urlpatterns:
        assert pattern.callback.required_scope in (None, *roles.SCOPES)
        for method in ("get", "post", "put", "patch", "delete"):
            address = "/api/v1/" + str(pattern.pattern).replace("<path:rest>", "x")
            assert getattr(Client(enforce_csrf_checks=True), method)(address).status_code == 401


def test_other_methods_and_addresses_are_problems_too(made: api_keys.Made) -> None:
    header = {"Authorization": f"Bearer {made.secret}"}

    assert Client().delete("/api/v1/workspace", headers=header).json()["type"] == "urn:vashsender:problem:method"
    assert ask(made.secret, "nothing/here").json()["type"] == "urn:vashsender:problem:not_found"


def test_no_log_line_shows_a_key(made: api_keys.Made, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        ask(made.secret)
        ask(made.secret[:-1] + "2")
        ask(made.secret, "nothing/here")

    assert made.secret not in caplog.text
    assert redact(f"calling with {made.secret} failed") == f"calling with {made.key.prefix}_*** failed"


def test_the_page_shows_it_once(owner_client: Client, owner: User) -> None:
    given = {"name": "Shop", "scopes": ["campaigns.view"], "days": "90"}
    made = owner_client.post("/w/northlight/settings/keys/", given).content.decode()
    again = owner_client.get("/w/northlight/settings/keys/").content.decode()

    secret = made.partition('id="secret">')[2].partition("<")[0]
    assert ask(secret).status_code == 200
    assert secret not in again
    assert ApiKey.objects.get().prefix in again
    assert AuditEntry.objects.get(action="key_made").target == "Shop"


def test_the_form_says_what_is_missing(owner_client: Client) -> None:
    answer = owner_client.post("/w/northlight/settings/keys/", {"name": ""})

    assert answer.status_code == 422
    assert not ApiKey.objects.exists()


def test_dumpdata_holds_no_usable_key(made: api_keys.Made, capsys: pytest.CaptureFixture[str]) -> None:
    call_command("dumpdata", "accounts.ApiKey")

    (row,) = json.loads(capsys.readouterr().out)
    assert made.secret not in json.dumps(row)
