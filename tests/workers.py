"""Real Celery workers and a real beat on the short clock, against the test's own database and broker prefix."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from urllib.parse import quote

from django.conf import settings
from django.db import connection
from kombu import pools

from core.celery import app

ROOT = Path(__file__).resolve().parent.parent


def wait_until(condition: Callable[[], bool], *, seconds: float = 60, what: str = "the condition") -> None:
    """Wait for something the database or a server shows; the ceiling is generous and never the thing asserted."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return
        time.sleep(0.05)
    raise AssertionError(f"waited {seconds} s in vain for {what}")


def database_url() -> str:
    found = connection.settings_dict
    host = quote(str(found["HOST"]), safe="")
    port = f":{found['PORT']}" if found["PORT"] else ""
    user = quote(str(found["USER"]), safe="")
    password = quote(str(found["PASSWORD"]), safe="")
    return f"postgresql://{user}:{password}@{host}{port}/{found['NAME']}"


def environment(prefix: str, folder: Path, **more: str) -> dict[str, str]:
    return {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "settings.test",
        "VASHSENDER_TEST_CLOCK": "short",
        "VASHSENDER_TEST_WORKER": "1",
        "VASHSENDER_TEST_PREFIX": prefix,
        "VASHSENDER_DATA": str(folder),
        "DATABASE_URL": database_url(),
        "REDIS_URL": settings.REDIS_URL,
        "PUBLIC_URL": "https://mail.northlight.example",
        **more,
    }


def ring_elsewhere() -> None:
    """Let this process's next ring read the broker's address and prefix anew."""
    pools.reset()
    app._pool = None  # type: ignore[attr-defined]  # there is no public way to drop them
    app.amqp._producer_pool = None  # type: ignore[attr-defined]


class Group:
    """One host's worth of processes: a mail worker, a worker for `default`, and beat; each in a session of its own."""

    def __init__(
        self,
        prefix: str,
        folder: Path,
        *,
        concurrency: int = 4,
        name: str = "one",
        options: Sequence[str] = (),
        module: str = "celery",
        **more: str,
    ) -> None:
        self.prefix, self.folder, self.concurrency, self.name = prefix, folder, concurrency, name
        self.options, self.module = options, module
        self.environment = environment(prefix, folder, **more)
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        folder.mkdir(parents=True, exist_ok=True)

    def start(self, *roles: str) -> Group:
        for role in roles or ("mail", "default", "beat"):
            self._spawn(role)
        return self

    def _spawn(self, role: str) -> None:
        celery = [sys.executable, "-m", self.module, "-A", "core"]
        quiet = ["--without-gossip", "--without-mingle", "-l", "INFO"]
        arguments = {
            "mail": [
                "worker",
                "-Q",
                "campaigns,email",
                "-c",
                f"{self.concurrency}",
                "-n",
                f"mail-{self.name}@%h",
                *quiet,
                *self.options,
            ],
            "default": ["worker", "-Q", "default", "-c", "1", "-n", f"default-{self.name}@%h", *quiet],
            "all": ["worker", "-Q", "campaigns,email,default", "-c", "1", "-n", f"all-{self.name}@%h", *quiet],
            "beat": ["beat", "-s", str(self.folder / "beat"), "-l", "INFO"],
        }[role]
        with (self.folder / f"{role}.log").open("ab") as log:
            self.processes[role] = subprocess.Popen(
                [*celery, *arguments], cwd=ROOT, env=self.environment, stdout=log, stderr=log, start_new_session=True
            )

    def pid(self, role: str) -> int:
        return self.processes[role].pid

    def children(self, role: str) -> list[int]:
        path = Path(f"/proc/{self.pid(role)}/task/{self.pid(role)}/children")
        return [int(pid) for pid in path.read_text().split()] if path.exists() else []

    def kill_everything(self) -> None:
        """`kill -9` of every worker process, mains and children alike."""
        for role in list(self.processes):
            pids = [*self.children(role), self.pid(role)]
            for pid in pids:
                _kill(pid, signal.SIGKILL)
            self.processes.pop(role).wait(30)

    def terminate(self, role: str) -> int:
        """SIGTERM to the main process only, as systemd's KillMode=mixed does; return its exit status."""
        process = self.processes.pop(role)
        _kill(process.pid, signal.SIGTERM)
        return process.wait(60)

    def revive(self) -> None:
        """Start again what ended by itself, as the supervisor does."""
        for role, process in list(self.processes.items()):
            if process.poll() is not None:
                self._spawn(role)

    def stop(self) -> None:
        """SIGTERM to every main process at once; whoever does not end in time is killed with its children."""
        brood = {role: self.children(role) for role in self.processes}
        for process in self.processes.values():
            _kill(process.pid, signal.SIGTERM)
        for role, process in self.processes.items():
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                for pid in [*brood[role], process.pid]:
                    _kill(pid, signal.SIGKILL)
                process.wait(20)
        self.processes.clear()

    def log(self) -> str:
        return "\n".join(path.read_text(errors="replace") for path in sorted(self.folder.glob("*.log")))


def _kill(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return
