"""The product's own letters: they reach the local inbox, and a missing one is said, never passed over."""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Iterator

import pytest
from django.core.cache import cache
from django.core.mail import EmailMessage
from django.test import Client, override_settings
from django.urls import reverse

from apps.accounts.models import User
from apps.smtp.inbox.server import InboxThread
from apps.smtp.inbox.store import database_parameters
from apps.smtp.mail import SystemMailBackend, SystemMailError
from apps.smtp.models import InboxLetter

BACKEND = "apps.smtp.mail.SystemMailBackend"
LETTER = EmailMessage("Hello", "Line\n.dot\n", "VashSender <vashsender@localhost>", ["Ines <ines@x.example>"])


@pytest.fixture
def inbox(transactional_db: None) -> Iterator[InboxThread]:
    cache.clear()
    with (
        InboxThread(database=database_parameters()) as server,
        override_settings(INBOX_ADDRESS=(server.host, server.port), EMAIL_BACKEND=BACKEND),
    ):
        yield server


def arrived() -> InboxLetter:
    """Return the one letter that is on its way behind the answer."""
    deadline = time.monotonic() + 20
    while not InboxLetter.objects.exists():
        assert time.monotonic() < deadline, "the letter did not arrive"
        time.sleep(0.02)
    return InboxLetter.objects.get()


def test_a_letter_arrives_for_instance_admins_only(inbox: InboxThread) -> None:
    assert SystemMailBackend().send_messages([LETTER]) == 1

    kept = InboxLetter.objects.get()
    assert (kept.workspace_id, kept.recipient, kept.subject) == (None, "ines@x.example", "Hello")
    assert kept.data is not None
    assert bytes(kept.data).endswith(b"Line\r\n.dot\r\n")


def test_a_forgotten_password_comes_back_through_the_inbox(inbox: InboxThread, client: Client, owner: User) -> None:
    client.post(reverse("account_reset_password"), {"email": owner.email})

    kept = arrived()
    assert (kept.recipient, kept.subject) == (owner.email, "A new password for VashSender")
    assert kept.data is not None
    assert re.search(rb"http://localhost:8000/accounts/password/reset/key/\S+", bytes(kept.data))


@override_settings(INBOX_ADDRESS=None)
def test_says_when_there_is_no_inbox() -> None:
    with pytest.raises(SystemMailError, match="no local inbox"):
        SystemMailBackend().send_messages([LETTER])


def test_says_when_the_inbox_does_not_answer() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, not listening: refused at once
        with override_settings(INBOX_ADDRESS=taken.getsockname()):
            with pytest.raises(SystemMailError, match="does not answer"):
                SystemMailBackend().send_messages([LETTER])

            assert SystemMailBackend(fail_silently=True).send_messages([LETTER]) == 0


def test_nothing_to_send_needs_no_inbox() -> None:
    with override_settings(INBOX_ADDRESS=None):
        assert SystemMailBackend().send_messages([EmailMessage("Hello", "x", None, [])]) == 0


@pytest.mark.django_db
@override_settings(INBOX_ADDRESS=None, EMAIL_BACKEND=BACKEND)
def test_without_an_inbox_a_known_and_an_unknown_address_get_the_same_answer(client: Client, owner: User) -> None:
    cache.clear()
    known = client.post(reverse("account_reset_password"), {"email": owner.email})
    unknown = client.post(reverse("account_reset_password"), {"email": "nobody@x.example"})

    assert (known.status_code, known.content, known.headers["Location"]) == (
        unknown.status_code, unknown.content, unknown.headers["Location"],
    )  # fmt: skip
    assert known.status_code == 302
    pages = [client.get(known.headers["Location"]).content for _ in range(2)]
    assert client.session.get("_auth_user_id") is None
    assert len(pages[0]) == len(pages[1])


@pytest.mark.parametrize(
    ("address", "said"), [(None, "cannot send its own emails"), (("127.0.0.1", 2525), "goes to the local inbox")]
)
def test_the_page_says_where_the_link_goes(db: None, address: tuple[str, int] | None, said: str) -> None:
    with override_settings(INBOX_ADDRESS=address, EMAIL_BACKEND=BACKEND):
        page = Client().get(reverse("account_reset_password")).content.decode()

    assert said in page
    assert ("manage.py changepassword" in page) == (address is None)
    assert ('name="email"' in page) == (address is not None)
