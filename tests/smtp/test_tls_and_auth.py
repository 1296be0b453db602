"""Encryption and sign-in: required when chosen, checked unless told otherwise, and never said aloud."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator

import pytest

from apps.smtp.budget import now
from apps.smtp.line import tls_context
from apps.smtp.outcome import Accepted, Deferred, FailureClass, Stage
from apps.smtp.wire import Connection, ConnectionFailedError
from core.secretbox import Secret
from tests.fault_server import Fault, FaultServer, certificate
from tests.smtp.conftest import PATIENT, budget, letter, to, yes

ACCOUNTS = {"ann": "p\u00e4ss word"}


def opened(server: FaultServer, **changes: object) -> Connection:
    return Connection.open(to(server, **changes), offer_until=now() + 30, caps=PATIENT)


def refusal(server: FaultServer, **changes: object) -> Deferred:
    with pytest.raises(ConnectionFailedError) as failed:
        opened(server, **changes)
    return failed.value.outcome


@pytest.fixture
def trusted(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Make the system trust the fault server's certificate."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate()))
    tls_context.cache_clear()
    yield
    tls_context.cache_clear()


@pytest.mark.parametrize("mode", ["starttls", "tls"])
@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_a_letter_travels_over_a_checked_line(trusted: None, mode: str, host: str) -> None:
    with FaultServer(accounts=ACCOUNTS, starttls=mode == "starttls", tls=mode == "tls") as server:
        connection = opened(server, tls=mode, host=host)

        outcomes = [connection.carry(letter(), budget=budget(), mark=yes) for _ in range(3)]
        connection.quit()

        assert all(isinstance(outcome, Accepted) for outcome in outcomes)
        assert [kept.username for kept in server.letters] == ["ann"] * 3


@pytest.mark.parametrize("mode", ["starttls", "tls"])
def test_an_unknown_certificate_is_the_accounts_trouble(mode: str) -> None:
    with FaultServer(starttls=mode == "starttls", tls=mode == "tls") as server:
        assert refusal(server, tls=mode) == Deferred(
            Stage.STARTTLS, None, FailureClass.ACCOUNT, counted=False, reason="tls"
        )


def test_a_certificate_for_another_name_is_refused(trusted: None) -> None:
    with FaultServer(tls=True) as server:
        config_host = "127.0.0.2"  # reaches the server, but the certificate does not name it

        outcome = None
        listener = socket.create_server((config_host, 0))
        try:
            threading.Thread(target=_relay, args=(listener, server.port), daemon=True).start()
            with pytest.raises(ConnectionFailedError) as failed:
                config = to(server, tls="tls", host=config_host, port=listener.getsockname()[1])
                Connection.open(config, offer_until=now() + 30, caps=PATIENT)
            outcome = failed.value.outcome
        finally:
            listener.close()

        assert (outcome.failure, outcome.reason) == (FailureClass.ACCOUNT, "tls")


def _relay(listener: socket.socket, port: int) -> None:
    """Pass bytes between one client and the server until either hangs up."""
    near, _ = listener.accept()
    with near, socket.create_connection(("127.0.0.1", port)) as far:

        def pump(source: socket.socket, sink: socket.socket) -> None:
            try:
                while piece := source.recv(65536):
                    sink.sendall(piece)
                sink.shutdown(socket.SHUT_WR)
            except OSError:
                pass

        back = threading.Thread(target=pump, args=(far, near), daemon=True)
        back.start()
        pump(near, far)
        back.join(5)


def test_starttls_that_is_not_offered_is_not_skipped(server: FaultServer) -> None:
    outcome = refusal(server, tls="starttls")

    assert (outcome.stage, outcome.failure, outcome.reason) == (
        Stage.STARTTLS,
        FailureClass.ACCOUNT,
        "starttls_not_offered",
    )
    assert not any(line.startswith(("AUTH", "MAIL")) for line in server.commands)


def test_words_slipped_in_before_the_encryption_are_noticed() -> None:
    injected = "220 2.0.0 Go ahead\r\n250 AUTH PLAIN"
    with FaultServer([Fault("starttls", injected)], starttls=True) as server:
        outcome = refusal(server, tls="starttls", verify_tls=False)

    assert (outcome.failure, outcome.reason) == (FailureClass.PROTOCOL, "unexpected")


@pytest.mark.parametrize("action", ["drop", "rst"])
def test_a_handshake_that_breaks_off_is_nobodys_fault(action: str) -> None:
    with FaultServer([Fault("handshake", action)], starttls=True) as server:
        outcome = refusal(server, tls="starttls", verify_tls=False)

    assert (outcome.stage, outcome.failure, outcome.reason) == (
        Stage.STARTTLS,
        FailureClass.TRANSIENT_DEST,
        "closed",
    )


@pytest.mark.parametrize(
    "said",
    [
        ssl.SSLZeroReturnError(6, "closed"),
        ssl.SSLSyscallError(5, "Some I/O error occurred"),
        ssl.SSLError(1, "unknown"),
    ],
)
def test_an_end_that_the_tls_library_cannot_name_is_nobodys_fault(said: ssl.SSLError, monkeypatch) -> None:
    def wrap(*_given: object, **_named: object) -> None:
        raise said

    monkeypatch.setattr(ssl.SSLContext, "wrap_socket", wrap)
    with FaultServer(starttls=True) as server:
        outcome = refusal(server, tls="starttls", verify_tls=False)

    assert (outcome.failure, outcome.reason) == (FailureClass.TRANSIENT_DEST, "closed")


def test_a_server_that_does_not_speak_tls_is_the_accounts_trouble(server: FaultServer) -> None:
    outcome = refusal(server, tls="tls", verify_tls=False)

    assert (outcome.stage, outcome.failure, outcome.reason) == (Stage.STARTTLS, FailureClass.ACCOUNT, "tls")


@pytest.mark.parametrize("offered", ["AUTH PLAIN LOGIN", "AUTH LOGIN", "AUTH=LOGIN"])
def test_signs_in_with_what_is_offered(offered: str) -> None:
    with FaultServer(accounts=ACCOUNTS, auth_line=offered) as server:
        connection = opened(server)
        outcome = connection.carry(letter(), budget=budget(), mark=yes)
        connection.quit()

        assert isinstance(outcome, Accepted)
        assert [kept.username for kept in server.letters] == ["ann"]


def test_a_wrong_password_holds_the_account_and_shows_in_nothing_we_keep() -> None:
    with FaultServer(accounts=ACCOUNTS) as server:
        outcome = refusal(server, password=Secret("hunter2-wrong"))

        assert (outcome.stage, outcome.failure, outcome.counted) == (Stage.AUTH, FailureClass.ACCOUNT, False)
        assert outcome.reply and outcome.reply.code == 535
        assert "hunter2" not in repr(outcome) + repr(to(server, password=Secret("hunter2-wrong")))


@pytest.mark.parametrize("offered", ["AUTH CRAM-MD5 XOAUTH2", "X-NOTHING"])
def test_no_common_way_to_sign_in_is_the_accounts_trouble(offered: str) -> None:
    with FaultServer(accounts=ACCOUNTS, auth_line=offered) as server:
        outcome = refusal(server)

    assert (outcome.stage, outcome.failure, outcome.reason) == (Stage.AUTH, FailureClass.ACCOUNT, "auth_not_offered")
