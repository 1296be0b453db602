"""`python -m core.installation start` as a person runs it: everything comes up, and nothing is left afterwards."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.installation import leftovers, record
from core.installation.folders import ROOT
from core.installation.processes import free_port

pytestmark = pytest.mark.serial
STRANGE = ("VASHSENDER_", "DATABASE_URL", "REDIS_URL", "BROKER_URL", "PUBLIC_URL", "DJANGO_SETTINGS_MODULE", "PYTEST_")


@pytest.fixture
def data_dir() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="vs-test-") as made:
        Path(made).chmod(0o711)
        yield Path(made)


def command(data_dir: Path, *arguments: str) -> list[str]:
    return [sys.executable, "-m", "core.installation", "start", f"--data={data_dir}", *arguments]


def environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith(STRANGE)}


def wait_for(path: Path, text: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 120
    while text not in path.read_text():
        assert process.poll() is None, path.read_text()
        assert time.monotonic() < deadline, path.read_text()
        time.sleep(0.1)


def test_runs_everything_once_and_leaves_nothing_behind(data_dir):
    told = data_dir / "told"
    port = free_port()
    with told.open("wb") as stream:
        first = subprocess.Popen(
            command(data_dir, f"--port={port}"), cwd=ROOT, env=environment(), stdout=stream, stderr=stream
        )
    try:
        wait_for(told, "/setup/", first)
        running = record.find(data_dir)
        assert running is not None
        with urllib.request.urlopen(f"{running.public_url}/livez", timeout=20) as answer:
            assert answer.status == 200
        with socket.create_connection((running.inbox_host, running.inbox_port), timeout=20) as inbox:
            assert inbox.recv(100).startswith(b"220 ")
        noted = leftovers.read(data_dir)
        second = subprocess.run(
            command(data_dir), cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=60, check=False
        )
    finally:
        first.send_signal(signal.SIGINT)
        status = first.wait(120)

    assert second.returncode == 1
    assert f"VashSender already runs on {data_dir} at http://127.0.0.1:{port}" in second.stderr
    assert status == 0, told.read_text()
    assert told.read_text().rstrip().endswith("Stopped.")
    assert len(noted.children) == 7
    assert [pid for pid, started in noted.children.items() if record.process_started(pid) == started] == []
    assert [folder for folder in noted.sockets if folder.exists()] == []
    assert record.read(data_dir) is None
    assert "/setup/" not in "".join(path.read_text() for path in (data_dir / "logs").iterdir())


def test_a_port_in_use_is_one_sentence(data_dir):
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        done = subprocess.run(
            command(data_dir, f"--port={port}"),
            cwd=ROOT,
            env=environment(),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    assert done.returncode == 1
    assert done.stderr == (f"Port {port} on 127.0.0.1 is used by another program: choose another port with --port.\n")
