"""Sending accounts as people set them up: what is refused, what stays secret, what a test of the connection says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse

from apps.accounts.models import User, Workspace
from apps.campaigns.models import Campaign
from apps.smtp.models import Throttle, Transport
from apps.smtp.outcome import Stage
from apps.smtp.services import accounts, probes
from apps.smtp.throttle import Limits
from core.secretbox import Secret
from tests.fault_server import Fault, FaultServer

CANARY = "canary-Zx7!-password"
TYPED = {
    "name": "Own relay", "host": "smtp.example.com", "port": "587", "tls": "starttls", "username": "ines",
    "password": CANARY, "max_connections": "8",
    "per_second": "", "per_minute": "110", "per_hour": "", "per_day": "8000",
}  # fmt: skip


@pytest.fixture
def make_account(workspace: Workspace) -> Callable[..., Transport]:
    def make(**fields: Any) -> Transport:
        values: dict[str, Any] = {
            "workspace": workspace, "name": "Own relay", "kind": "smtp", "host": "127.0.0.1", "port": 587,
            "tls": "none",
        }  # fmt: skip
        return Transport.objects.create(**{**values, **fields})

    return make


def address(name: str, account: Transport | None = None, slug: str = "northlight") -> str:
    objects = {"transport_uuid": account.uuid} if account else {}
    return reverse(f"smtp:{name}", kwargs={"workspace_slug": slug, **objects})


def server(**changes: Any) -> accounts.Server:
    values: dict[str, Any] = {"host": "smtp.example.com", "port": 587, "tls": "starttls"}
    return accounts.Server(**{**values, **changes})


def test_an_account_is_added_with_its_limits(owner_client: Client, workspace: Workspace) -> None:
    answer = owner_client.post(address("account_new"), TYPED)

    made = Transport.objects.get(workspace=workspace)
    assert answer.status_code == 302
    assert (made.kind, made.host, made.port, made.tls, made.max_connections) == (
        "smtp", "smtp.example.com", 587, "starttls", 8,
    )  # fmt: skip
    assert made.limits == Limits(per_minute=110, per_day=8000)
    assert made.password.reveal() == CANARY


def test_a_password_is_encrypted_and_never_shown_again(owner_client: Client, workspace: Workspace) -> None:
    owner_client.post(address("account_new"), TYPED)
    made = Transport.objects.get(workspace=workspace)

    pages = [owner_client.get(address(name, made)).content.decode() for name in ("account", "account_edit")]
    pages.append(owner_client.get(address("accounts")).content.decode())
    pages.append(owner_client.post(address("account_edit", made), {**TYPED, "port": "1"}).content.decode())
    with connection.cursor() as cursor:
        cursor.execute("SELECT t::text FROM smtp_transport t")
        stored = cursor.fetchall()

    assert len(pages) == 4
    assert all("Own relay" in page and CANARY not in page for page in pages)
    assert CANARY not in str(stored)


def test_an_empty_password_keeps_the_one_that_is_stored(owner_client: Client, workspace: Workspace) -> None:
    owner_client.post(address("account_new"), TYPED)
    made = Transport.objects.get(workspace=workspace)

    owner_client.post(address("account_edit", made), {**TYPED, "password": "", "name": "Relay", "per_minute": "50"})

    made.refresh_from_db()
    assert (made.name, made.per_minute, made.password.reveal()) == ("Relay", 50, CANARY)


@pytest.mark.parametrize(
    "change", [{"host": "smtp.mallory.example"}, {"port": "25"}, {"username": "other"}, {"tls": "tls"}]
)
def test_a_stored_password_goes_to_no_other_server(
    owner_client: Client, workspace: Workspace, change: dict[str, str]
) -> None:
    owner_client.post(address("account_new"), TYPED)
    made = Transport.objects.get(workspace=workspace)

    answer = owner_client.post(address("account_edit", made), {**TYPED, "password": "", **change})

    made.refresh_from_db()
    assert answer.status_code == 422
    assert "Enter the password again" in answer.content.decode()
    assert (made.host, made.port, made.username, made.tls) == ("smtp.example.com", 587, "ines", "starttls")


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"host": "smtp example.com"}, "host"),
        ({"host": "smtp.example.com\r\nRCPT"}, "host"),
        ({"host": "169.254.169.254"}, "host"),
        ({"host": "10.0.0.1"}, "host"),
        ({"host": "::1"}, "host"),
        ({"host": "::ffff:10.0.0.1"}, "host"),
        ({"host": "a..b"}, "host"),
        ({"host": ".example.com"}, "host"),
        ({"host": "a" * 64 + ".example.com"}, "host"),
        ({"host": "127.1"}, "host"),
        ({"host": "0x7f000001"}, "host"),
        ({"host": "2130706433"}, "host"),
        ({"host": "127.0.0.1."}, "host"),
        ({"host": "12:34"}, "host"),
        ({"host": "relay.localhost."}, "host"),
        ({"port": 6379}, "port"),
        ({"tls": "none", "username": "ines", "password": Secret("x")}, "tls"),
        ({"username": "ines"}, "password"),
        ({"password": Secret("x")}, "username"),
    ],
)
def test_refuses_what_could_not_or_must_not_work(workspace: Workspace, changes: dict[str, Any], field: str) -> None:
    with pytest.raises(accounts.AccountError) as refused:
        accounts.add_smtp(workspace, name="Relay", server=server(**changes), limits=Limits())

    assert refused.value.field == field
    assert not Transport.objects.exists()


@pytest.mark.parametrize("host", ["localhost", "localhost.", "10.0.0.1"])
def test_says_who_may_open_the_way_to_a_private_host(workspace: Workspace, settings: Any, host: str) -> None:
    settings.PRIVATE_SMTP_HOSTS = frozenset()
    with pytest.raises(accounts.AccountError, match="VASHSENDER_PRIVATE_SMTP_HOSTS"):
        accounts.add_smtp(workspace, name="Relay", server=server(host=host), limits=Limits())


@pytest.mark.parametrize("host", ["smtp.example.com.", "mx1", "4.mail.example.com", "203.0.114.1", "2606:4700::1111"])
def test_takes_every_full_name_and_public_address(workspace: Workspace, host: str) -> None:
    accounts.add_smtp(workspace, name="Relay", server=server(host=host), limits=Limits())

    assert Transport.objects.get().host == host


def test_no_account_is_added_with_a_provider_that_nobody_knows(owner_client: Client) -> None:
    for wanted, status in (("", 200), ("nonsense", 404)):
        assert owner_client.get(address("account_new"), {"with": wanted}).status_code == status
    assert owner_client.post(address("account_new") + "?with=nonsense", TYPED).status_code == 404
    assert not Transport.objects.exists()


def test_a_listed_private_host_may_be_used(workspace: Workspace) -> None:
    made = accounts.add_smtp(
        workspace, name="Relay", server=server(host="127.0.0.1", port=2526, tls="none"), limits=Limits()
    )

    assert (made.host, made.port) == ("127.0.0.1", 2526)


def test_two_accounts_have_two_names(workspace: Workspace, make_account: Callable[..., Transport]) -> None:
    make_account(name="Relay")

    with pytest.raises(accounts.AccountError) as refused:
        accounts.add_smtp(workspace, name="relay", server=server(), limits=Limits())

    assert refused.value.field == "name"


def test_saving_forgets_an_old_trouble_but_not_what_was_used(make_account: Callable[..., Transport]) -> None:
    account = make_account()
    Throttle.objects.create(
        transport=account, usage={"day": {"1": 5}}, failures=4, closed_until="2040-01-01T00:00:00Z",
        trouble_since="2026-01-01T00:00:00Z",
    )  # fmt: skip

    accounts.change_smtp(account, name="Relay", server=server(host="127.0.0.1", tls="none"), limits=Limits(per_day=9))

    kept = Throttle.objects.get()
    assert (kept.failures, kept.closed_until, kept.trouble_since, kept.usage) == (0, None, None, {"day": {"1": 5}})


def test_is_switched_off_and_on(owner_client: Client, make_account: Callable[..., Transport]) -> None:
    account = make_account()

    owner_client.post(address("account_switch", account), {"on": "0"})
    was_off = not Transport.objects.get().is_active
    owner_client.post(address("account_switch", account), {"on": "1"})

    assert was_off
    assert Transport.objects.get().is_active


def test_an_unused_account_is_deleted_with_its_throttle(
    owner_client: Client, make_account: Callable[..., Transport]
) -> None:
    account = make_account()
    Throttle.objects.create(transport=account)

    owner_client.post(address("account_delete", account))

    assert not Transport.objects.exists()
    assert not Throttle.objects.exists()


def test_an_account_that_a_campaign_names_stays(
    owner_client: Client, workspace: Workspace, make_account: Callable[..., Transport]
) -> None:
    account = make_account()
    Throttle.objects.create(transport=account)
    Campaign.objects.create(workspace=workspace, name="Spring", transport=account)

    answer = owner_client.post(address("account_delete", account), follow=True)

    assert "Switch it off instead" in answer.content.decode()
    assert Transport.objects.filter(pk=account.pk).exists()
    assert Throttle.objects.filter(pk=account.pk).exists()


def test_the_local_inbox_is_not_changed_by_hand(owner_client: Client, transport: Transport) -> None:
    assert owner_client.post(address("account_edit", transport), TYPED).status_code == 302
    for name in ("account_test", "account_switch", "account_delete"):
        assert owner_client.post(address(name, transport)).status_code == 404
    assert Transport.objects.get().host == ""
    assert Transport.objects.get().is_active


def test_a_viewer_sees_accounts_and_changes_none(
    colleague: User, client: Client, make_account: Callable[..., Transport]
) -> None:
    account = make_account()
    client.force_login(colleague)

    seen = client.get(address("accounts")).content.decode()

    assert "Own relay" in seen
    assert "Add an account" not in seen
    for name in ("account_edit", "account_test", "account_switch", "account_delete"):
        assert client.post(address(name, account)).status_code == 403
    assert client.post(address("account_new"), TYPED).status_code == 403
    assert Transport.objects.count() == 1


def test_the_test_of_a_good_account_says_so(
    owner_client: Client, make_account: Callable[..., Transport], settings: Any
) -> None:
    with FaultServer(accounts={"ines": CANARY}) as relay:
        account = make_account(port=relay.port, username="ines", password=Secret(CANARY))

        answer = owner_client.post(address("account_test", account), headers={"HX-Request": "true"})

    account.refresh_from_db()
    assert "signed in" in answer.content.decode() or "Connected" in answer.content.decode()
    assert (account.tested_stage, account.tested_text) == ("", "")
    assert account.tested_ms is not None
    assert relay.letters == []
    assert [command.split()[0] for command in relay.commands] == ["EHLO", "AUTH", "NOOP", "QUIT"]


@pytest.mark.parametrize(
    ("fault", "stage", "words"),
    [
        (Fault("banner", "554 Go away"), Stage.BANNER, "does not want to talk"),
        (Fault("banner", "garbage"), Stage.BANNER, "not as a mail server"),
        (Fault("ehlo", "421 Busy"), Stage.EHLO, "refused our greeting"),
        (Fault("auth", "535 5.7.8 Wrong"), Stage.AUTH, "refuses this user name and password"),
        (Fault("auth", "454 4.7.0 Later"), Stage.AUTH, "cannot check the password"),
        (Fault("auth", "drop"), Stage.AUTH, "hung up while we signed in"),
    ],
)
def test_names_the_stage_that_failed(
    make_account: Callable[..., Transport], fault: Fault, stage: Stage, words: str
) -> None:
    with FaultServer([fault], accounts={"ines": CANARY}) as relay:
        account = make_account(port=relay.port, username="ines", password=Secret(CANARY))

        found = probes.probe(account)

    account.refresh_from_db()
    assert found.stage is stage
    assert words in found.words
    assert (account.tested_stage, account.tested_text) == (stage.value, found.words)
    assert CANARY not in f"{found}"


def test_says_that_starttls_or_its_certificate_is_missing(make_account: Callable[..., Transport]) -> None:
    with FaultServer() as plain, FaultServer(starttls=True) as untrusted, FaultServer(tls=True) as from_the_start:
        without = probes.probe(make_account(name="1", port=plain.port, tls="starttls"))
        untrusted_found = probes.probe(make_account(name="2", port=untrusted.port, tls="starttls"))
        start_found = probes.probe(make_account(name="3", port=from_the_start.port, tls="tls"))
        wrong_mode = probes.probe(make_account(name="4", port=plain.port, tls="tls"))

    assert "does not offer STARTTLS" in without.words
    assert "certificate is not valid for 127.0.0.1" in untrusted_found.words
    assert "certificate is not valid" in start_found.words
    assert {one.stage for one in (without, untrusted_found, start_found, wrong_mode)} == {Stage.STARTTLS}


def test_tells_nobody_what_runs_inside_the_network(make_account: Callable[..., Transport], settings: Any) -> None:
    settings.PRIVATE_SMTP_HOSTS = frozenset()

    def inside(_host: str, _port: int) -> list[str]:
        return ["127.0.0.1"]

    def unknown(_host: str, _port: int) -> list[str]:
        raise OSError("no such host")

    with FaultServer() as relay:
        names = {
            "open": (make_account(name="1", host="redis.inside.example", port=587), inside),
            "other port": (make_account(name="2", host="redis.inside.example", port=25), inside),
            "no mail port": (make_account(name="3", host="127.0.0.1", port=relay.port), inside),
            "closed": (make_account(name="4", host="127.0.0.1", port=25), inside),
            "unknown": (make_account(name="5", host="nowhere.example", port=587), unknown),
        }
        found = {probes.probe(account, lookup=lookup) for account, lookup in names.values()}

        assert relay.connections_made == 0
    assert len({(one.stage, one.words, one.reply, one.milliseconds) for one in found}) == 1


INSIDE = (
    "169.254.169.254", "127.1", "0x7f.1", "2130706433", "0", "[::1]", "::1", "::ffff:10.0.0.1", "10.0.0.1",
    "100.64.0.1", "localhost", "localhost.", "2002:7f00:1::", "fd00::1",
)  # fmt: skip


@pytest.mark.parametrize("host", INSIDE)
def test_no_way_of_writing_it_leads_inside(
    owner_client: Client, workspace: Workspace, settings: Any, host: str
) -> None:
    settings.PRIVATE_SMTP_HOSTS = frozenset()
    dialled = {}
    with FaultServer() as relay:
        for port in ("587", "25"):
            typed = {**TYPED, "host": host, "port": port, "name": port, "then": "test"}
            page = owner_client.post(address("account_new"), typed, follow=True).content.decode()
            dialled[port] = "No public mail server is known under this host name" in page
            refused = "This address is not on the public internet" in page or "This is no host name" in page
            assert dialled[port] or refused

        assert relay.connections_made == 0
    assert len(set(dialled.values())) == 1


def test_shows_trouble_first_and_in_words(owner_client: Client, make_account: Callable[..., Transport]) -> None:
    account = make_account()
    Throttle.objects.create(
        transport=account, closed_until="2030-01-01T14:48:00Z", trouble_since="2026-01-01T14:48:00Z",
        trouble_stage="auth", trouble_text="535 5.7.8 Authentication credentials invalid",
    )  # fmt: skip

    page = owner_client.get(address("accounts")).content.decode()

    assert "Own relay refuses our password since" in page
    assert "535 5.7.8 Authentication credentials invalid" in page
    assert "SMTP 127.0.0.1:587, not encrypted" in page


@pytest.mark.parametrize(
    ("said", "words"),
    [("421 4.7.0 Too many", "Own relay turns us away since"), ("timeout", "Own relay does not answer since")],
)
def test_who_turns_us_away_did_answer(
    owner_client: Client, make_account: Callable[..., Transport], said: str, words: str
) -> None:
    account = make_account()
    Throttle.objects.create(
        transport=account, closed_until="2130-01-01T14:48:00Z", trouble_since="2026-01-01T14:48:00Z",
        trouble_stage="connect", trouble_text=said,
    )  # fmt: skip

    page = owner_client.get(address("account", account)).content.decode()

    assert words in page and "It is tried again at" in page
