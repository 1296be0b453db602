"""Accounts with providers as people set them up: a form of their own, keys that stay inside, a test with no letter."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse

from apps.accounts.models import AuditEntry, User, Workspace
from apps.smtp import standing
from apps.smtp.models import Throttle, Transport
from apps.smtp.outcome import Stage
from apps.smtp.providers import catalogue, lines
from apps.smtp.services import accounts, configs, probes
from apps.smtp.services.accounts import ProviderAccount
from apps.smtp.throttle import Limits
from core.secretbox import Secret
from tests.provider_server import Answer, ProviderServer
from tests.smtp.test_providers import OPTIONS

CANARY = "re_canary-Zx7_key"
HARMLESS = {"account", "domains", "sender", "ping2.json", "server", "scopes", "info.json"}
TYPED = {
    "name": "Resend", "api_key": CANARY, "per_second": "2", "per_minute": "", "per_hour": "", "per_day": "3000",
}  # fmt: skip


@pytest.fixture(autouse=True)
def _no_line_is_kept() -> Iterator[None]:
    configs.forget()
    yield
    lines.close_idle(all_idle=True)


@pytest.fixture
def resend(workspace: Workspace) -> Transport:
    return accounts.add_provider(
        workspace, name="Resend", account=ProviderAccount("resend", {"api_key": CANARY}), limits=Limits(per_second=2)
    )


@pytest.fixture
def serving(settings: Any) -> Iterator[Callable[..., ProviderServer]]:
    running: list[ProviderServer] = []

    def serve(*answers: Answer) -> ProviderServer:
        running.append(ProviderServer(answers).start())
        settings.PROVIDER_API_URLS = dict.fromkeys(catalogue.PROVIDERS, f"{running[-1].url}v1/")
        return running[-1]

    yield serve
    for one in running:
        one.stop()


def address(name: str, account: Transport | None = None) -> str:
    objects = {"transport_uuid": account.uuid} if account else {}
    return reverse(f"smtp:{name}", kwargs={"workspace_slug": "northlight", **objects})


def options_of(account: Transport) -> Any:
    return json.loads(Transport.objects.get(pk=account.pk).options.reveal())


def test_an_account_is_added_with_its_options_and_limits(owner_client: Client, workspace: Workspace) -> None:
    form = owner_client.get(f"{address('account_new')}?with=resend").content.decode()
    answer = owner_client.post(f"{address('account_new')}?with=resend", TYPED)

    made = Transport.objects.get(workspace=workspace)
    assert 'name="api_key"' in form and 'name="host"' not in form
    assert re.search(r'name="per_second"[^>]*value="2"|value="2"[^>]*name="per_second"', form)
    assert answer.status_code == 302
    assert (made.kind, made.provider, made.host, made.limits) == (
        "provider", "resend", "", Limits(per_second=2, per_day=3000),
    )  # fmt: skip
    assert options_of(made) == {"api_key": CANARY}
    assert configs.read(made).kind == "provider"


@pytest.mark.parametrize("name", sorted(catalogue.PROVIDERS))
def test_each_provider_has_a_form_of_its_own(owner_client: Client, workspace: Workspace, name: str) -> None:
    page = owner_client.get(f"{address('account_new')}?with={name}").content.decode()
    values = OPTIONS[name]
    region = {"region": catalogue.PROVIDERS[name].regions[0].name} if catalogue.PROVIDERS[name].regions else {}
    answer = owner_client.post(f"{address('account_new')}?with={name}", {**TYPED, **region, **values})

    assert answer.status_code == 302, answer.content.decode()[-3000:]
    assert options_of(Transport.objects.get()) == {**region, **values}
    for option in catalogue.PROVIDERS[name].options:
        assert f'name="{option.name}"' in page
    for one in ("dotted", "backend", "api_url", "endpoint"):
        assert f'name="{one}"' not in page


@pytest.mark.parametrize(
    ("provider", "options", "field"),
    [
        ("postal", {"api_key": "x"}, ""),
        ("anymail.backends.test.EmailBackend", {"api_key": "x"}, ""),
        ("resend", {}, "api_key"),
        ("resend", {"api_key": "two words"}, "api_key"),
        ("resend", {"api_key": "line\r\nX-Header: y"}, "api_key"),
        ("mailgun", {"api_key": "x", "region": "https://evil.example/"}, "region"),
        ("mailgun", {"api_key": "x", "sender_domain": "../../other"}, "sender_domain"),
        ("amazon_ses", {"access_key_id": "short", "secret_access_key": "x", "region": "eu-west-1"}, "access_key_id"),
        ("amazon_ses", {**OPTIONS["amazon_ses"], "region": "moon-1"}, "region"),
    ],
)
def test_refuses_what_is_not_on_the_list(
    workspace: Workspace, provider: str, options: dict[str, str], field: str
) -> None:
    with pytest.raises(accounts.AccountError) as refused:
        accounts.add_provider(workspace, name="A", account=ProviderAccount(provider, options), limits=Limits())

    assert refused.value.field == field
    assert not Transport.objects.exists()


def test_an_address_of_ones_own_is_no_option(workspace: Workspace) -> None:
    typed = {"api_key": CANARY, "api_url": "http://169.254.169.254/", "debug_api_requests": "1"}

    made = accounts.add_provider(workspace, name="A", account=ProviderAccount("resend", typed), limits=Limits())

    assert options_of(made) == {"api_key": CANARY}


def test_a_key_is_kept_when_left_empty_and_never_shown(owner_client: Client, resend: Transport) -> None:
    answer = owner_client.post(address("account_edit", resend), {**TYPED, "api_key": "", "name": "Mine"})
    pages = [owner_client.get(address(name, resend)).content.decode() for name in ("account", "account_edit")]
    pages.append(owner_client.get(address("accounts")).content.decode())
    pages.append(owner_client.post(address("account_edit", resend), {**TYPED, "per_second": "-1"}).content.decode())

    resend.refresh_from_db()
    assert answer.status_code == 302
    assert (resend.name, options_of(resend)) == ("Mine", {"api_key": CANARY})
    assert all("Mine" in page or "Resend" in page for page in pages)
    assert all(CANARY not in page for page in pages)


def test_a_new_key_replaces_the_old_one_and_leaves_a_trace(owner_client: Client, resend: Transport) -> None:
    owner_client.post(address("account_edit", resend), {**TYPED, "api_key": "re_new"})

    assert options_of(resend) == {"api_key": "re_new"}
    assert AuditEntry.objects.filter(action="secret_changed").count() == 2
    assert CANARY not in str(list(AuditEntry.objects.values()))


def test_a_dump_holds_none_of_the_secrets(workspace: Workspace) -> None:
    for name, options in OPTIONS.items():
        accounts.add_provider(workspace, name=name, account=ProviderAccount(name, options), limits=Limits())
    accounts.add_smtp(
        workspace, name="Relay", limits=Limits(),
        server=accounts.Server("smtp.example.com", 587, "starttls", "ines", Secret("canary-password")),
    )  # fmt: skip

    with connection.cursor() as cursor:
        cursor.execute("SELECT t::text FROM smtp_transport t UNION ALL SELECT a::text FROM accounts_auditentry a")
        dump = "\n".join(row[0] for row in cursor.fetchall())
    secrets = {
        options[one.name]
        for name, options in OPTIONS.items()
        for one in catalogue.PROVIDERS[name].options
        if one.is_secret
    }

    assert len(dump.splitlines()) > len(OPTIONS)
    assert secrets and all(secret not in dump for secret in {*secrets, "canary-password"})


def test_keys_are_read_after_a_new_encryption_key_came_first(
    resend: Transport, serving: Callable[..., ProviderServer], settings: Any
) -> None:
    server = serving(Answer(200, {}))
    settings.ENCRYPTION_KEYS = ["b3RoZXIta2V5LW90aGVyLWtleS1vdGhlci1rZXktMDA=", *settings.ENCRYPTION_KEYS]

    found = probes.probe(Transport.objects.get(pk=resend.pk))

    assert found.is_good
    assert server.requests[0].headers["Authorization"] == f"Bearer {CANARY}"


def test_an_account_stays_with_its_provider(resend: Transport) -> None:
    with pytest.raises(accounts.AccountError):
        accounts.change_provider(
            resend, name="Other", account=ProviderAccount("postmark", {"server_token": "x"}), limits=Limits()
        )

    resend.refresh_from_db()
    assert (resend.provider, resend.name) == ("resend", "Resend")


@pytest.mark.parametrize(
    ("answer", "stage", "words"),
    [
        (Answer(200, {"data": []}), None, "Resend knows this key."),
        (Answer(401, {"name": "restricted_api_key", "message": "only send"}), None, "lets it do nothing but send"),
        (Answer(403, {"message": "Forbidden"}), None, "lets it do nothing but send"),
        (Answer(401, {"name": "missing_api_key", "message": "Bad"}), Stage.AUTH, "refuses this key"),
        (Answer(500, b"<html>"), Stage.MAIL, "an error of its own (500)"),
        (Answer(429, {}), Stage.MAIL, "asks us to wait"),
        (Answer(then="drop"), Stage.CONNECT, "cannot be reached"),
    ],
)
def test_a_test_asks_and_sends_nothing(
    resend: Transport, serving: Callable[..., ProviderServer], answer: Answer, stage: Stage | None, words: str
) -> None:
    server = serving(answer)

    found = probes.probe(resend)

    resend.refresh_from_db()
    assert found.stage is stage
    assert words in found.words
    assert [(one.method, one.path) for one in server.requests] == [("GET", "/v1/domains")]
    assert resend.tested_stage == (stage.value if stage else "")
    assert CANARY not in f"{found} {resend.tested_text}"


@pytest.mark.parametrize("name", sorted(set(catalogue.PROVIDERS) - {"mailtrap"}))
def test_each_test_signs_in(workspace: Workspace, serving: Callable[..., ProviderServer], name: str) -> None:
    account = accounts.add_provider(workspace, name=name, account=ProviderAccount(name, OPTIONS[name]), limits=Limits())
    server = serving(Answer(200, {}))

    found = probes.probe(account)

    request = server.requests[0]
    assert (found.stage, len(server.requests)) == (None, 1)
    seen = f"{request.headers} {request.body!r}"
    assert request.path.split("?")[0].split("/")[-1] in HARMLESS
    assert "canary-key-Zx7" in seen or "Basic " in seen or "AWS4-HMAC" in seen


def test_where_nothing_can_be_asked_the_first_letter_proves_it(
    owner_client: Client, workspace: Workspace, serving: Callable[..., ProviderServer]
) -> None:
    server = serving(Answer(200, {}))
    account = accounts.add_provider(
        workspace, name="Trap", account=ProviderAccount("mailtrap", OPTIONS["mailtrap"]), limits=Limits()
    )

    page = owner_client.post(address("account_test", account), headers={"HX-Request": "true"}).content.decode()

    account.refresh_from_db()
    assert "The first email proves it" in page
    assert (server.requests, account.tested_at) == ([], None)
    assert standing.of(account).verdict == "Not tested yet"


def test_the_list_says_what_it_is_and_how_it_feels(owner_client: Client, resend: Transport) -> None:
    Throttle.objects.create(
        transport=resend, closed_until="2040-01-01T14:48:00Z", trouble_since="2026-01-01T14:48:00Z",
        trouble_stage="auth", trouble_text="401 API key is invalid", failures=2,
    )  # fmt: skip

    page = owner_client.get(address("accounts")).content.decode()

    assert "Resend API" in page
    assert "Resend refuses our key or our sender since" in page
    assert "401 API key is invalid" in page


def test_a_viewer_adds_none(colleague: User, client: Client) -> None:
    client.force_login(colleague)

    assert client.post(f"{address('account_new')}?with=resend", TYPED).status_code == 403
    assert not Transport.objects.exists()
