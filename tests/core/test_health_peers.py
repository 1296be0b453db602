"""`manage.py health_check` as an operator runs it, with peers that refuse, and peers that never answer."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from django.db.models.functions import Now

from apps.accounts.models import Workspace
from apps.smtp.models import Transport
from core import pulses
from core.models import Pulse, WorkerProcess
from tests.workers import ROOT, environment

pytestmark = pytest.mark.django_db(transaction=True)

NEED_DATABASE = {
    "migrations", "clock", "transactions", "rounds", "accounts", "stuck", "accounts_open", "deliveries", "restore",
    "canary-campaigns", "canary-email", "canary-default", "beat", "queues", "pools",
}  # fmt: skip


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A peer that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as server:
        yield server.getsockname()[1]


@pytest.fixture
def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


class _Live(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"ok\n" if self.path == "/livez" else b"")

    def log_message(self, *_: object) -> None:
        return


@pytest.fixture
def public_url() -> Iterator[str]:
    """What answers recipients."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Live)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def running(tmp_path: Path, public_url: str) -> dict[str, str]:
    """The environment of an installation in which everything else runs."""
    for name in ("beat", "canary:campaigns", "canary:email", "canary:default"):
        pulses.beat(name)
    # Ahead of the clock, so that a command that is slow to start on a busy machine still finds them fresh.
    Pulse.objects.update(at=Now() + timedelta(minutes=2))
    WorkerProcess.objects.create(name="all", queues="campaigns,email,default", seen_at=Now() + timedelta(minutes=2))
    return environment(f"health-{os.getpid()}-", tmp_path, VASHSENDER_TEST_CLOCK="real", PUBLIC_URL=public_url)


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


def test_a_web_server_that_does_not_answer_turns_its_line_red(running, closed_port):
    code, red, _answer, _err = check({**running, "PUBLIC_URL": f"http://127.0.0.1:{closed_port}"})

    assert (code, red) == (2, {"public-url": "critical"})


def test_a_web_server_that_hangs_is_a_warning_in_time(running, silent_port):
    code, red, _answer, _err = check({**running, "PUBLIC_URL": f"http://127.0.0.1:{silent_port}"})

    assert (code, red) == (1, {"public-url": "warning"})


def test_an_account_that_hangs_does_not_outlast_a_short_deadline(running, silent_port):
    workspace = Workspace.objects.create(name="Northlight", slug="north")
    Transport.objects.create(
        workspace=workspace, name="Relay", kind="smtp", host="127.0.0.1", port=silent_port, tls="none"
    )

    code, red, _answer, _err = check(running, "--deadline", "6")

    assert (code, red) == (3, {"accounts": "unknown"})


def test_one_account_can_be_asked_for(running, silent_port):
    workspace = Workspace.objects.create(name="Northlight", slug="north")
    silent = Transport.objects.create(
        workspace=workspace, name="Relay", kind="smtp", host="127.0.0.1", port=silent_port, tls="none"
    )

    code, red, _answer, _err = check(running, "--only", "accounts", "--account", str(silent.pk + 1))

    assert (code, red) == (0, {})


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
