"""The local inbox keeps what our own processes send, says 250 only when it is kept, and relays nothing."""

from __future__ import annotations

import smtplib
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest
from django.db import connection

from apps.accounts.models import Workspace
from apps.smtp.config import TransportConfig
from apps.smtp.inbox import credentials, retention
from apps.smtp.inbox.server import InboxThread, row_of
from apps.smtp.inbox.store import database_parameters
from apps.smtp.models import InboxLetter
from apps.smtp.outcome import Accepted, Deferred, FailureClass, Outcome, Stage
from apps.smtp.pool import Pool
from apps.smtp.services import post_office
from tests.smtp.conftest import BODY, PATIENT, budget, letter, yes

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def workspace() -> Workspace:
    return Workspace.objects.create(name="Northlight Coffee", slug="northlight")


@pytest.fixture
def inbox(transactional_db: None, settings: Any) -> Iterator[InboxThread]:
    with InboxThread(database=database_parameters()) as running:
        settings.INBOX_ADDRESS = (running.host, running.port)
        yield running


def account(workspace_id: int | None) -> TransportConfig:
    return TransportConfig(id="inbox", workspace_id=workspace_id, kind="local_inbox", host="evil.example", port=25)


def send(pool: Pool, workspace_id: int | None, recipient: str = "ann@example.com", data: bytes = BODY) -> Outcome:
    return post_office.carry(
        account(workspace_id), letter(recipient, data), budget=budget(), mark=yes, caps=PATIENT, pool=pool
    )


@pytest.fixture
def client(inbox: InboxThread) -> Iterator[smtplib.SMTP]:
    """A stranger's client: connected, not signed in."""
    opened = smtplib.SMTP(inbox.host, inbox.port, timeout=10)
    opened.ehlo()
    yield opened
    opened.close()


class TestKeeping:
    def test_a_letter_is_there_when_the_sender_hears_250(
        self, inbox: InboxThread, pool: Pool, workspace: Workspace
    ) -> None:
        data = b"Subject: =?utf-8?q?Caf=C3=A9?=\r\nMessage-ID:\r\n <7@vash.test>\r\n\r\n.dot\r\n.\r\nend\r\n"

        outcome = send(pool, workspace.pk, "анна@example.com", data)

        assert isinstance(outcome, Accepted)
        kept = InboxLetter.objects.get()
        assert (kept.workspace_id, kept.mail_from, kept.recipient) == (
            workspace.pk,
            "bounce@example.org",
            "анна@example.com",
        )
        assert (kept.message_id, kept.subject, kept.size, bytes(kept.data or b"")) == (
            "<7@vash.test>",
            "Café",
            len(data),
            data,
        )

    def test_the_instances_own_letters_belong_to_no_workspace(self, inbox: InboxThread, pool: Pool) -> None:
        assert isinstance(send(pool, None), Accepted)

        assert InboxLetter.objects.get().workspace_id is None

    def test_many_senders_at_once_share_commits_and_lose_nothing(
        self, inbox: InboxThread, pool: Pool, workspace: Workspace
    ) -> None:
        recipients = [f"r{number}@example.com" for number in range(200)]

        with ThreadPoolExecutor(8) as senders:
            outcomes = list(senders.map(lambda recipient: send(pool, workspace.pk, recipient), recipients))

        assert all(isinstance(outcome, Accepted) for outcome in outcomes)
        assert sorted(InboxLetter.objects.values_list("recipient", flat=True)) == sorted(recipients)
        assert InboxLetter.objects.values("received_at").distinct().count() < 200  # one moment for each transaction

    def test_nothing_is_said_before_the_commit(self, inbox: InboxThread, pool: Pool, workspace: Workspace) -> None:
        outcomes: list[Outcome] = []
        sender = threading.Thread(target=lambda: outcomes.append(send(pool, workspace.pk)))
        params = {key: value for key, value in database_parameters().items() if key != "application_name"}
        with psycopg.connect(**params) as rival:
            rival.execute("LOCK TABLE smtp_inboxletter IN EXCLUSIVE MODE")
            sender.start()
            wait_until(lambda: waiting_for_a_lock() == 1)

            assert outcomes == []
            assert rival.execute("SELECT count(*) FROM smtp_inboxletter").fetchone() == (0,)

            rival.rollback()
            sender.join(20)

        assert [type(outcome) for outcome in outcomes] == [Accepted]
        assert InboxLetter.objects.count() == 1

    def test_a_workspace_that_is_gone_costs_only_its_own_letters(
        self, inbox: InboxThread, pool: Pool, workspace: Workspace
    ) -> None:
        with ThreadPoolExecutor(8) as senders:
            outcomes = list(senders.map(lambda owner: send(pool, owner), [workspace.pk, 987654321] * 10))

        assert InboxLetter.objects.count() == 10
        assert [isinstance(outcome, Accepted) for outcome in outcomes] == [True, False] * 10


def waiting_for_a_lock() -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
            " AND application_name = 'vashsender-inbox' AND datname = current_database()"
        )
        (count,) = cursor.fetchone()
    return int(count)


def wait_until(condition: Callable[[], bool]) -> None:
    tick = threading.Event()
    for _ in range(1000):
        if condition():
            return
        tick.wait(0.02)
    raise AssertionError("it never came true")


class TestTheDoor:
    def test_a_stranger_is_told_to_sign_in(self, client: smtplib.SMTP) -> None:
        assert client.docmd("MAIL FROM:<a@example.com>")[0] == 530
        assert not InboxLetter.objects.exists()

    @pytest.mark.parametrize("username", ["workspace-1", "system", "workspace-0", "admin", "workspace-1 "])
    @pytest.mark.parametrize("password", ["", "system", "x" * 64])
    def test_a_guess_is_refused(self, client: smtplib.SMTP, username: str, password: str) -> None:
        with pytest.raises(smtplib.SMTPAuthenticationError) as refused:
            client.login(username, password, initial_response_ok=True)

        assert refused.value.smtp_code == 535

    def test_one_workspaces_password_opens_no_other(self, client: smtplib.SMTP) -> None:
        with pytest.raises(smtplib.SMTPAuthenticationError):
            client.login("workspace-1", credentials.inbox_password("workspace-2"))

    def test_a_name_nobody_has_is_refused_even_with_its_password(self, client: smtplib.SMTP) -> None:
        with pytest.raises(smtplib.SMTPAuthenticationError):
            client.login("root", credentials.inbox_password("root"))

    def test_another_installations_password_is_no_good(self, client: smtplib.SMTP, settings: Any) -> None:
        settings.SECRET_KEY = "another-installation"
        foreign = credentials.inbox_password("system")
        del settings.SECRET_KEY

        with pytest.raises(smtplib.SMTPAuthenticationError):
            client.login("system", foreign)

    def test_a_letter_above_the_limit_is_refused(self, client: smtplib.SMTP) -> None:
        client.login("system", credentials.inbox_password("system"))

        code, _ = client.docmd("MAIL FROM:<a@example.com> SIZE=26000000")

        assert code == 552

    def test_it_connects_to_nobody(
        self, inbox: InboxThread, pool: Pool, monkeypatch: pytest.MonkeyPatch, workspace: Workspace
    ) -> None:
        """Whatever the recipient's domain is, the letter goes no further than the table."""
        dialled: list[Any] = []
        real = socket.create_connection

        def watched(address: Any, *args: Any, **kwargs: Any) -> socket.socket:
            dialled.append(address)
            return real(address, *args, **kwargs)

        monkeypatch.setattr(socket, "create_connection", watched)

        send(pool, workspace.pk, "someone@gmail.com")

        assert dialled == [(inbox.host, inbox.port)]  # our own way in; the account's own host was never looked at


class TestTrouble:
    def test_a_database_that_is_away_is_passing_trouble(self, settings: Any, pool: Pool) -> None:
        nowhere = {**database_parameters(), "host": "127.0.0.1", "port": free_port(), "connect_timeout": 2}
        with InboxThread(database=nowhere) as running:
            settings.INBOX_ADDRESS = (running.host, running.port)

            outcome = send(pool, None)
            pool.close_all()

        assert isinstance(outcome, Deferred)
        assert (outcome.stage, outcome.failure) == (Stage.DOT, FailureClass.TRANSIENT_DEST)
        assert outcome.reply and outcome.reply.code == 451

    def test_it_comes_back_when_the_database_does(self, inbox: InboxThread, pool: Pool, workspace: Workspace) -> None:
        assert isinstance(send(pool, workspace.pk), Accepted)
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE application_name = 'vashsender-inbox' AND datname = current_database()"
            )

        outcomes = [send(pool, workspace.pk, f"r{number}@example.com") for number in range(3)]

        assert isinstance(outcomes[-1], Accepted)
        accepted = sum(isinstance(outcome, Accepted) for outcome in outcomes)
        assert InboxLetter.objects.count() == 1 + accepted

    def test_without_an_address_the_account_is_not_set_up(self, settings: Any, pool: Pool) -> None:
        settings.INBOX_ADDRESS = None

        assert send(pool, None) == Deferred(
            Stage.CONNECT, None, FailureClass.ACCOUNT, counted=False, reason="not_configured"
        )


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


class TestRetention:
    @staticmethod
    def fill(*sizes: int) -> list[InboxLetter]:
        return [
            InboxLetter.objects.create(recipient=f"r{place}@example.com", size=size, data=b"x" * size)
            for place, size in enumerate(sizes)
        ]

    @staticmethod
    def with_body() -> list[str]:
        kept = InboxLetter.objects.filter(data__isnull=False).order_by("id")
        return [recipient.partition("@")[0] for recipient in kept.values_list("recipient", flat=True)]

    def test_only_the_newest_bodies_stay_and_every_row_does(self) -> None:
        self.fill(*[10] * 6)

        assert retention.trim(letters=4) == 2

        assert self.with_body() == ["r2", "r3", "r4", "r5"]
        assert InboxLetter.objects.count() == 6
        assert retention.trim(letters=4) == 0

    def test_bytes_bound_the_bodies_too(self) -> None:
        self.fill(5, 100, 30, 30)

        assert retention.trim(size_bytes=60) == 2

        assert self.with_body() == ["r2", "r3"]

    def test_an_empty_inbox_is_no_trouble(self) -> None:
        assert retention.trim() == 0

    def test_the_server_trims_as_it_goes(
        self, monkeypatch: pytest.MonkeyPatch, settings: Any, pool: Pool, workspace: Workspace
    ) -> None:
        monkeypatch.setattr("apps.smtp.inbox.store._TRIM_EVERY", 5)
        monkeypatch.setitem(retention.BOUNDS, "letters", 3)
        with InboxThread(database=database_parameters()) as running:
            settings.INBOX_ADDRESS = (running.host, running.port)
            for number in range(11):
                send(pool, workspace.pk, f"r{number}@example.com")
            pool.close_all()
            wait_until(lambda: len(self.with_body()) == 4)

        assert self.with_body() == ["r7", "r8", "r9", "r10"]
        assert InboxLetter.objects.count() == 11


@pytest.mark.parametrize(
    ("header", "message_id", "subject"),
    [
        (b"Subject: a\r\n b\r\nMESSAGE-ID:<1@x>\r\n", "<1@x>", "a b"),
        (b"Subject: =?utf-8?b?0J/RgNC40LLQtdGC?=\r\n", "", "Привет"),
        (b"Subject: =?nonsense?q?x?=\r\n", "", "=?nonsense?q?x?="),
        (b"Subject: one\r\nSubject: two\r\n", "", "one"),
        (b"X: 1\r\n", "", ""),
    ],
)
def test_the_index_row_reads_the_header_only(header: bytes, message_id: str, subject: str) -> None:
    data = header + b"\r\nMessage-ID: <no@x>\r\nSubject: no\r\n"

    row = row_of(data, workspace_id=None, mail_from="", recipient="a@example.com")

    assert (row.message_id, row.subject) == (message_id, subject)
