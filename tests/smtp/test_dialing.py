"""A sending account cannot be used to reach what lies inside (S16)."""

from __future__ import annotations

import socket
import threading
from typing import Any

import pytest

from apps.smtp import dialing, line
from apps.smtp.budget import now
from apps.smtp.config import TransportConfig
from apps.smtp.outcome import Deferred, FailureClass, Stage
from apps.smtp.pool import Pool
from apps.smtp.replies import BrokenLineError
from apps.smtp.services import post_office
from tests.fault_server import FaultServer
from tests.smtp.conftest import budget, letter, to, yes


def resolve(host: str, port: int = 587, *found: str, private: tuple[str, ...] = ()) -> list[str] | str:
    """Return the addresses, or the code of the refusal."""
    lookup = (lambda _host, _port: list(found)) if found else dialing.system_lookup
    try:
        return dialing.addresses(host, port, now() + 10, private_hosts=private, lookup=lookup)
    except BrokenLineError as broken:
        return broken.code


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.1",
        "0x7f.1",
        "2130706433",
        "0",
        "0.0.0.0",
        "::1",
        "::",
        "::ffff:10.0.0.1",
        "::ffff:127.0.0.1",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "100.64.0.1",
        "169.254.169.254",
        "fe80::1",
        "fd00::1",
        "fec0::1",
        "2002:7f00:1::",
        "64:ff9b::7f00:1",
        "2001:0:7f00:1::",
        "224.0.0.1",
        "ff02::1",
        "255.255.255.255",
        "240.0.0.1",
        "localhost",
        "LOCALHOST",
    ],
)
def test_no_private_address_is_dialled(host: str) -> None:
    assert resolve(host) == "address_refused"


def test_a_dot_at_the_end_changes_nothing() -> None:
    assert resolve("localhost.", 587, "127.0.0.1") == "address_refused"


@pytest.mark.parametrize("host", ["127.0.0.1\r\nSET x y", "a b", "-x", "", "x/y", "u@h", "[::1]", "a" * 300])
def test_a_host_is_a_name_or_an_address(host: str) -> None:
    assert resolve(host, 587, "192.0.2.1") == "address_refused"


def test_a_name_that_leads_inside_with_one_of_its_addresses_is_refused() -> None:
    assert resolve("mail.example.org", 587, "203.0.114.1", "10.0.0.1") == "address_refused"
    assert resolve("mail.example.org", 587, "203.0.114.1", "2606:4700::1111") == ["203.0.114.1", "2606:4700::1111"]


@pytest.mark.parametrize("port", [22, 80, 5432, 6379, 11211, 0, 65535])
def test_only_ports_of_mail_are_dialled(port: int) -> None:
    assert resolve("mail.example.org", port, "203.0.114.1") == "address_refused"


@pytest.mark.parametrize("listed", ["localhost", "LocalHost.", "127.0.0.1"])
def test_a_host_that_the_instance_lists_may_be_anything(listed: str) -> None:
    host = listed.lower().rstrip(".")

    assert resolve(host, 6379, "127.0.0.1", private=(listed,)) == ["127.0.0.1"]
    assert resolve("other.example", 587, "127.0.0.1", private=(listed,)) == "address_refused"


def test_a_resolver_without_an_answer_is_passing_trouble() -> None:
    def fail(_host: str, _port: int) -> list[str]:
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    with pytest.raises(BrokenLineError) as broken:
        dialing.addresses("mail.example.org", 587, now() + 10, private_hosts=(), lookup=fail)

    assert broken.value.code == "dns"


def test_a_resolver_that_hangs_does_not_hold_the_letter() -> None:
    release = threading.Event()

    def hang(_host: str, _port: int) -> list[str]:
        release.wait(20)
        return ["203.0.114.1"]

    with pytest.raises(BrokenLineError) as broken:
        dialing.addresses("mail.example.org", 587, now() + 0.1, private_hosts=(), lookup=hang)
    release.set()

    assert broken.value.code == "timeout"


def test_a_name_that_changes_its_mind_is_asked_once_and_dialled_as_checked(
    pool: Pool, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first answer is checked; a second one, which would lead inside, is never asked for."""
    settings.PRIVATE_SMTP_HOSTS = frozenset()
    answers = iter([["203.0.114.1"], ["127.0.0.1"]])
    dialled: list[tuple[str, int]] = []

    def no_answer(address: tuple[str, int], timeout: float) -> socket.socket:
        dialled.append(address)
        raise ConnectionRefusedError

    monkeypatch.setattr(line.socket, "create_connection", no_answer)
    config = TransportConfig(id=1, workspace_id=1, kind="smtp", host="rebind.example", port=2525)

    outcome = post_office.carry(
        config, letter(), budget=budget(), mark=yes, pool=pool, lookup=lambda _host, _port: next(answers)
    )

    assert outcome == Deferred(Stage.CONNECT, None, FailureClass.TRANSIENT_DEST, counted=False, reason="unreachable")
    assert dialled == [("203.0.114.1", 2525)]
    assert next(answers) == ["127.0.0.1"]


@pytest.mark.parametrize("port", [None, 6379])
def test_an_open_and_a_closed_port_inside_look_the_same(
    port: int | None, server: FaultServer, pool: Pool, settings: Any
) -> None:
    settings.PRIVATE_SMTP_HOSTS = frozenset()

    outcome = post_office.carry(to(server, port=port or server.port), letter(), budget=budget(), mark=yes, pool=pool)

    assert outcome == Deferred(Stage.CONNECT, None, FailureClass.ACCOUNT, counted=False, reason="address_refused")
    assert server.connections_made == 0
