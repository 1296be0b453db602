"""Addresses, secrets and log lines."""

from __future__ import annotations

import io
import logging
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.db import connection
from django.utils.module_loading import import_string

from apps.accounts.models import Workspace
from apps.smtp.models import Transport
from core import addresses, redaction, secretbox, worker
from core.errors import EspError
from settings.logging import logging_config


@pytest.mark.parametrize(
    ("given", "normalised"),
    [
        (" Ada@Example.COM ", "ada@example.com"),
        ("<ada+news@example.com>", "ada+news@example.com"),
        ("ada@exämple.com", "ada@xn--exmple-cua.com"),
        ("ad\x0ba@example.com", "ada@example.com"),
    ],
)
def test_one_person_has_one_normal_form(given: str, normalised: str) -> None:
    assert addresses.parse(given).normalised == normalised


@pytest.mark.parametrize(
    "given", ["", "ada", "ada@", "@example.com", "a b@example.com", "ada@example..com", "a@b\r\nc.d"]
)
def test_what_is_no_address_is_refused_with_a_sentence(given: str) -> None:
    with pytest.raises(addresses.InvalidAddressError) as caught:
        addresses.parse(given)
    assert caught.value.message


def test_mask_hides_the_person() -> None:
    assert addresses.mask("claire.fontaine@example.com") == "c…e@example.com"
    assert addresses.mask("ab@example.com") == "a…@example.com"


def test_a_secret_never_prints() -> None:
    secret = secretbox.Secret("hunter2")

    assert (str(secret), f"{secret!r}", secret.reveal()) == ("***", "***", "hunter2")


def test_a_password_is_encrypted_at_rest_and_survives_a_key_rotation(workspace: Workspace, settings: Any) -> None:
    transport = Transport.objects.create(workspace=workspace, name="Relay", kind="smtp", host="mx", password="hunter2")
    with connection.cursor() as cursor:
        cursor.execute("SELECT password FROM smtp_transport WHERE id = %s", [transport.pk])
        stored = cursor.fetchone()[0]
    settings.ENCRYPTION_KEYS = [Fernet.generate_key().decode(), *settings.ENCRYPTION_KEYS]

    found = Transport.objects.get(pk=transport.pk)

    assert "hunter2" not in stored
    assert found.password.reveal() == "hunter2"
    settings.ENCRYPTION_KEYS = [Fernet.generate_key().decode()]
    with pytest.raises(EspError):
        Transport.objects.get(pk=transport.pk).password.reveal()


@pytest.mark.parametrize(
    "line",
    [
        "to claire.fontaine@example.com failed",
        "RCPT TO:<x.claire@exämple.com>",
        "mail for клэр.claire@почта.рф",
        "'उप claire@उदाहरण.भारत'",
        '"claire of rome"@example.com said no',
        '"cla\\"ire claire"@example.com',
        "to=-claire!x%y@[192.0.2.1]",
        ".claire@example.com",
        "postgresql://vash:hunter2@localhost/db",
        "password=hunter2",
        "{'api_key': 'hunter2'}",
        "GET /u/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "GET /setup/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA/",
        "GET /invitation/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA/",
        "GET /accounts/login/?next=/invitation/AAAAAAAAAAAAAAAAAAAAAAAAA/",
        "GET /accounts/login/?next=%2Finvitation%2FAAAAAAAAAAAAAAAAAAAAAAAAA%2F",
        "GET /accounts/password/reset/key/1-AAAAAAAA-0123456789abcdef/",
        "GET /accounts/password/reset/key/1-set-AAAAAAAA/",
    ],
)
def test_log_lines_are_masked(line: str) -> None:
    record = logging.LogRecord("x", logging.INFO, "", 0, line, (), None)

    redaction.RedactingFilter().filter(record)

    shown = record.getMessage()
    assert "hunter2" not in shown and "claire" not in shown and "AAAAAAAA" not in shown


@pytest.mark.parametrize(("status", "is_one_line"), [(403, True), (400, True), (500, False)])
def test_a_refused_request_is_one_line_of_the_log(status: int, is_one_line: bool) -> None:
    stream = io.StringIO()
    configuration = logging_config()
    handler = logging.StreamHandler(stream)
    for name in configuration["handlers"]["stderr"]["filters"]:
        handler.addFilter(import_string(configuration["filters"][name]["()"])())
    log = logging.Logger("django.request")
    log.addHandler(handler)
    try:
        raise PermissionError("no")
    except PermissionError:
        log.warning("Forbidden: %s", "/w/northlight/", exc_info=True, extra={"status_code": status})

    lines = stream.getvalue().splitlines()
    assert lines[0] == "Forbidden: /w/northlight/"
    assert (len(lines) == 1) is is_one_line


def test_what_is_no_address_stays_as_it_is() -> None:
    line = 'user@host in class=a@b, 3 @ 4, "quoted" and https://x.example/@someone, ' + "a." * 20_000

    assert redaction.redact(line) == line
    assert redaction.redact("ann@example.com.") == "a…@example.com."


def test_draining_is_seen_and_forgotten() -> None:
    assert worker.is_draining() is False
    worker.start_draining()
    assert worker.is_draining() is True
    worker.reset_draining()
    assert worker.is_draining() is False
