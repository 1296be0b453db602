"""What the tests of the inline mode share: rings heard, a server for every letter, one call of the batch's task."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from apps.campaigns.models import Batch, Campaign, Delivery
from apps.campaigns.services import canary, dispatch
from apps.smtp.models import Transport
from core import worker
from tests.campaigns.conftest import letters
from tests.fault_server import FaultServer

Rings = list[tuple[str, tuple[int, ...]]]


@pytest.fixture
def rings(monkeypatch: pytest.MonkeyPatch, settings: Any) -> Iterator[Rings]:
    settings.DELIVERY = "inline"
    heard: Rings = []

    def ring_now(task: str, calls: Sequence[Sequence[int]]) -> int:
        heard.extend((task, tuple(call)) for call in calls)
        return len(calls)

    monkeypatch.setattr("core.jobs.ring_now", ring_now)
    canary._seen.clear()
    yield heard
    worker.reset_draining()


def through(server: FaultServer, **fields: Any) -> Transport:
    """Let every letter go through the server."""
    campaign = Campaign.objects.get()
    values = {"workspace": campaign.workspace, "name": "Relay", "kind": "smtp", "host": "127.0.0.1", "tls": "none"}
    transport = Transport.objects.create(**{**values, "port": server.port, **fields})
    Campaign.objects.update(transport=transport)
    Delivery.objects.update(transport=transport)
    return transport


def send() -> int:
    return dispatch.send_batch(Batch.objects.get().pk, started=time.monotonic())


def states(campaign: Campaign) -> dict[str, int]:
    found: dict[str, int] = {}
    for letter in letters(campaign):
        found[letter.state] = found.get(letter.state, 0) + 1
    return found
