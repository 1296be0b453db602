"""Secrets stay where they are kept: not in a dump of the database (S24), not in logs, pages or outputs (S25)."""

from __future__ import annotations

import io
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.apps import apps
from django.db import connection
from django.test import Client
from django.urls import reverse

from apps.accounts.models import Membership, User, Workspace
from apps.accounts.services import api_keys, invitations, setup
from apps.smtp.models import Transport
from apps.smtp.services import probes, signing_keys
from core import tokens
from core.redaction import RedactingFilter, RedactingFormatter
from core.secretbox import Secret
from tests.conftest import PASSWORD
from tests.fault_server import Fault, FaultServer

ROOT = Path(__file__).resolve().parents[1]
CANARY = "canary-Qw3rty-secret"


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """What our own handler writes, of everything down to DEBUG."""
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    handler.addFilter(RedactingFilter())
    handler.setFormatter(RedactingFormatter("%(levelname)s %(name)s %(message)s"))
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield written
    root.removeHandler(handler)
    root.setLevel(level)


def _dump() -> str:
    """Every row of every table as text."""
    with connection.cursor() as cursor:
        rows = []
        for model in apps.get_models(include_auto_created=True):
            cursor.execute(f"SELECT t::text FROM {connection.ops.quote_name(model._meta.db_table)} t")
            rows += [row[0] for row in cursor.fetchall()]
    return "\n".join(rows)


def test_a_dump_holds_nothing_that_opens_anything(workspace: Workspace, db: None) -> None:
    link = setup.create_link()
    owner = User.objects.create_user("ines@northlight.example", PASSWORD, name="Ines")
    member = Membership.objects.create(user=owner, workspace=workspace, role="owner")
    Transport.objects.create(
        workspace=workspace, name="Relay", kind="smtp", host="smtp.example.com", port=587, password=Secret(CANARY)
    )
    key = api_keys.make(member, name="Shop", scopes=["campaigns.view"], days=None).secret
    invitation = invitations.invite(workspace, email="new@x.example", role="viewer", by=owner).url
    signing_keys.make(workspace, domain="northlight.example", algorithm="rsa-sha256", by=owner)
    signing_key = signing_keys.of(workspace).get().private_key.reveal()

    dumped = _dump()

    assert "smtp.example.com" in dumped
    assert signing_keys.of(workspace).get().public_key in dumped
    secrets = {
        CANARY,
        PASSWORD,
        key,
        signing_key[:60],
        link.rstrip("/").rpartition("/")[2],
        invitation.rstrip("/").rpartition("/")[2],
    }
    assert [secret for secret in secrets if secret in dumped] == []


def test_no_failure_tells_a_secret(
    log: io.StringIO, owner: User, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = []
    with FaultServer([Fault("auth", "535 5.7.8 Not these")], accounts={"ines": CANARY}) as relay:
        account = Transport.objects.create(
            workspace=workspace, name="Relay", kind="smtp", host="127.0.0.1", port=relay.port, tls="none",
            username="ines", password=Secret(CANARY),
        )  # fmt: skip
        said.append(str(probes.probe(account)))
    client = Client(raise_request_exception=False)
    said.append(client.post(reverse("account_login"), {"login": owner.email, "password": CANARY}).content.decode())
    token = tokens.seal("unsubscribe", 987654321)
    said.append(client.get(f"/u/{token}").content.decode().replace(token, ""))
    client.force_login(owner)
    cookie = client.cookies["sessionid"].value

    def breaks(*_given: object, **_named: object) -> None:
        raise RuntimeError(f"it broke for {owner.email}, Authorization: Bearer {CANARY}, password={CANARY}")

    monkeypatch.setattr("apps.web.selectors.home", breaks)
    answer = client.get(f"/w/{workspace.slug}/", headers={"Authorization": f"Bearer {CANARY}"})
    said.append(answer.content.decode())

    assert answer.status_code == 500
    everything = log.getvalue() + "".join(said)
    assert "RuntimeError" in log.getvalue()
    assert [canary for canary in (CANARY, token, cookie) if canary in everything] == []
    assert owner.email not in log.getvalue()


def test_commands_that_fail_tell_no_password() -> None:
    surroundings = {
        **{name: value for name, value in os.environ.items() if "VASHSENDER" not in name},
        "DJANGO_SETTINGS_MODULE": "settings.development",
        "DATABASE_URL": f"postgresql://vash:{CANARY}@127.0.0.1:1/vash",
        "REDIS_URL": f"redis://:{CANARY}@127.0.0.1:1/0",
        "VASHSENDER_SECRET_KEY": CANARY * 3,
        "VASHSENDER_DATA": "/nonexistent/installation",
    }
    for command in (["health_check", "--deadline=8"], ["migrate"]):
        done = subprocess.run(
            [sys.executable, "manage.py", *command],
            cwd=ROOT, env=surroundings, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        assert done.stdout + done.stderr
        assert CANARY not in done.stdout + done.stderr, command
