"""The doorbell: after commit, ids only, and a broker that is away never breaks a request."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from typing import Any

import pytest
from django.db import transaction

from core import jobs


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, list[Any]]]:
    calls: list[tuple[str, list[Any]]] = []
    monkeypatch.setattr(jobs, "ring_now", lambda task, args: calls.append((task, list(args))) or len(args))
    return calls


@pytest.mark.django_db(transaction=True)
def test_rings_only_after_commit(heard: list[tuple[str, list[Any]]]) -> None:
    with transaction.atomic():
        jobs.ring("some.task", 7)
        assert heard == []

    assert heard == [("some.task", [(7,)])]


@pytest.mark.django_db(transaction=True)
def test_a_rolled_back_change_rings_nothing(heard: list[tuple[str, list[Any]]]) -> None:
    with pytest.raises(RuntimeError), transaction.atomic():
        jobs.ring_each("some.task", [(1,), (2,)])
        raise RuntimeError

    assert heard == []


RING = """
import django; django.setup()
from core import jobs
print(jobs.ring_now("core.tasks.canary", [("email",), ("default",)]))
"""


def test_a_broker_that_is_away_costs_a_warning_not_an_error() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {**os.environ, "BROKER_URL": f"redis://127.0.0.1:{port}/0", "DJANGO_SETTINGS_MODULE": "settings.test"}

    done = subprocess.run([sys.executable, "-c", RING], env=environment, capture_output=True, text=True, timeout=60)

    assert (done.returncode, done.stdout.strip()) == (0, "0")
    assert "did not take 2 of 2 rings" in done.stderr
