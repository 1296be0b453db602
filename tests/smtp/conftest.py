"""What the tests of the wire share: letters, short budgets, and configurations for the fault server."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import pytest

from apps.smtp.budget import Budget, StageCaps, now
from apps.smtp.config import TransportConfig
from apps.smtp.envelope import Envelope
from apps.smtp.pool import Pool
from core.secretbox import Secret
from tests.fault_server import FaultServer

BODY = b"Message-ID: <1@vash.test>\r\nSubject: Hello\r\n\r\nOne line.\r\n"
PATIENT = StageCaps(**{field.name: 20.0 for field in dataclasses.fields(StageCaps)})
SHORT = 0.3


def letter(recipient: str = "ann@example.com", data: bytes = BODY, mail_from: str = "bounce@example.org") -> Envelope:
    return Envelope(mail_from, recipient, data, "<1@vash.test>")


def budget(**changes: Any) -> Budget:
    values: dict[str, Any] = {
        "offer_until": now() + 30,
        "soft_until": now() + 30,
        "dot_floor": 0.0,
        "stall_limit": 20.0,
    }
    return Budget(**{**values, **changes})


def to(server: FaultServer, **changes: Any) -> TransportConfig:
    """Return a configuration that leads to the fault server."""
    if server.accounts:
        username, password = next(iter(server.accounts.items()))
        changes = {"username": username, "password": Secret(password), **changes}
    values: dict[str, Any] = {"id": 1, "workspace_id": 1, "kind": "smtp", "host": "127.0.0.1", "port": server.port}
    return TransportConfig(**{**values, "tls": "none", **changes})


def yes() -> bool:
    return True


@pytest.fixture
def server() -> Iterator[FaultServer]:
    with FaultServer() as running:
        yield running


@pytest.fixture
def pool() -> Iterator[Pool]:
    made = Pool()
    yield made
    made.close_all()
