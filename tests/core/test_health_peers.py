"""`manage.py health_check` as an operator runs it, with peers that refuse, and peers that never answer."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db.models.functions import Now

from core import pulses
from core.models import Pulse, WorkerProcess
from tests.workers import ROOT, environment

pytestmark = pytest.mark.django_db(transaction=True)

NEED_DATABASE = {"migrations", "clock", "canary-campaigns", "canary-email", "canary-default", "beat", "queues", "pools"}


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A peer that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as server:
        yield server.getsockname()[1]


@pytest.fixture
def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@pytest.fixture
def running(tmp_path: Path) -> dict[str, str]:
    """The environment of an installation in which everything else runs."""
    for name in ("beat", "canary:campaigns", "canary:email", "canary:default"):
        pulses.beat(name)
    # Ahead of the clock, so that a command that is slow to start on a busy machine still finds them fresh.
    Pulse.objects.update(at=Now() + timedelta(minutes=2))
    WorkerProcess.objects.create(name="all", queues="campaigns,email,default", seen_at=Now() + timedelta(minutes=2))
    return environment(f"health-{os.getpid()}-", tmp_path, VASHSENDER_TEST_CLOCK="real")


def check(given: dict[str, str], *arguments: str) -> tuple[int, dict[str, str], dict[str, Any], str]:
    """Run the command; its own promise of 30 s is the ceiling."""
    done = subprocess.run(
        [sys.executable, "manage.py", "health_check", "--json", *arguments],
        cwd=ROOT,
        env=given,
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )
    answer = json.loads(done.stdout)
    statuses = {each["id"]: each["status"] for each in answer["checks"] if each["id"] != "disk"}
    return done.returncode, {id: status for id, status in statuses.items() if status != "ok"}, answer, done.stderr


def test_exits_zero_where_everything_runs(running):
    code, red, answer, _err = check(running)

    assert red == {}
    disk = next(each["status"] for each in answer["checks"] if each["id"] == "disk")
    assert code == {"ok": 0, "warning": 1, "critical": 2}[disk]


@pytest.mark.parametrize("peer", ["closed_port", "silent_port"])
def test_a_broker_that_does_not_answer_turns_its_line_red(running, request, peer):
    port = request.getfixturevalue(peer)

    code, red, _answer, err = check({**running, "BROKER_URL": f"redis://:hunter2@127.0.0.1:{port}/0"})

    assert code == 2
    assert red == {"broker": "critical", "queues": "unknown"}
    assert "hunter2" not in err + json.dumps(_answer)


@pytest.mark.parametrize("peer", ["closed_port", "silent_port"])
def test_a_database_that_does_not_answer_turns_its_line_red(running, request, peer):
    port = request.getfixturevalue(peer)

    code, red, answer, err = check({**running, "DATABASE_URL": f"postgresql://vash:hunter2@127.0.0.1:{port}/vash"})

    assert code == 2
    assert {id for id, status in red.items() if status == "critical"} == {"database"}
    assert {id for id, status in red.items() if status == "unknown"} >= NEED_DATABASE
    assert "hunter2" not in err + json.dumps(answer)


def test_a_database_and_a_broker_that_hang_do_not_outlast_a_short_deadline(running, silent_port):
    given = {
        **running,
        "DATABASE_URL": f"postgresql://vash:x@127.0.0.1:{silent_port}/vash",
        "BROKER_URL": f"redis://127.0.0.1:{silent_port}/0",
    }

    code, red, _answer, _err = check(given, "--deadline", "4")

    assert code == 2
    assert {id for id, status in red.items() if status == "critical"} == {"database", "broker"}


@pytest.mark.parametrize("arguments", [[], ["--json"]])
def test_says_three_where_nothing_says_what_to_check(tmp_path, arguments):
    given = {
        name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "REDIS_URL", "BROKER_URL")
    }

    done = subprocess.run(
        [sys.executable, "manage.py", "health_check", *arguments],
        cwd=ROOT,
        env={**given, "VASHSENDER_DATA": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )

    assert done.returncode == 3
    assert "scripts/start" in done.stderr
    assert "Traceback" not in done.stderr
