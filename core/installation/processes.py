"""The product's own processes: what each is called, how it runs and how it likes to be stopped."""

from __future__ import annotations

import errno
import http.client
import os
import signal
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from core.installation.children import KILL, ChildSpec, StopStep
from core.installation.folders import ROOT
from settings.limits import REAL
from settings.tiers import Tier

WORKER_THREADS = 8


def stop_worker(delivery: str) -> tuple[StopStep, ...]:
    """Return how a worker is stopped: by signals to its main process alone.

    One to the group would end the letters in its pool's hands. SIGQUIT gives back what is not started; PostgreSQL knows
    the rest.
    """
    return (StopStep(signal.SIGTERM, REAL.stop_of(delivery)), StopStep(signal.SIGQUIT, REAL.soft_shutdown), KILL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Processes:
    """Describes every process of one installation."""

    data_dir: Path
    host: str
    web_port: int
    inbox_port: int
    tier: Tier
    environment: Mapping[str, str]

    def web(self) -> ChildSpec:
        """The web server."""
        # One worker process answers while the other is busy or restarting.
        options = ["--worker-class=gthread", "--workers=2", f"--threads={WORKER_THREADS}", "--graceful-timeout=20"]
        options += ["--timeout=60", "--no-control-socket", "--log-level=warning", f"--bind={self.address}"]
        return self._python("web", "gunicorn", "core.wsgi:application", *options)

    def mail_workers(self) -> list[ChildSpec]:
        """The workers that carry letters."""
        options = [*self.tier.pool_options(os.cpu_count() or 1)]
        return [self._worker(name, queues="campaigns,email", options=options) for name in self.tier.mail_workers]

    def default_worker(self) -> ChildSpec:
        """The worker for sweeps and checks, which never waits behind letters."""
        return self._worker("default", queues="default", options=["--concurrency=1"])

    def beat(self) -> ChildSpec:
        """The one process that rings what is due by the clock."""
        schedule = self.data_dir / "spool" / "beat-schedule"
        return self._python(
            "beat", "celery", "-q", "-A", "core", "beat", f"--schedule={schedule}", "--pidfile=", rank=1
        )

    def inbox(self) -> ChildSpec:
        """The local inbox's SMTP server."""
        return replace(self.manage("inbox", "run_local_inbox"), stop_rank=3)  # it must outlive the last letter

    def manage(self, name: str, *arguments: str, is_quiet: bool = False) -> ChildSpec:
        """One management command."""
        return ChildSpec(
            name=name,
            command=(sys.executable, str(ROOT / "manage.py"), *arguments),
            folder=ROOT,
            environment=self.environment,
            is_quiet=is_quiet,
        )

    @property
    def address(self) -> str:
        """Host and port as a server takes them."""
        return f"[{self.host}]:{self.web_port}" if ":" in self.host else f"{self.host}:{self.web_port}"

    def is_web_ready(self) -> bool:
        """True when the web server answers."""
        connection = http.client.HTTPConnection(local_host(self.host), self.web_port, timeout=2)
        try:
            connection.request("GET", "/livez", headers={"Host": "localhost"})
            return connection.getresponse().status == http.HTTPStatus.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def is_inbox_ready(self) -> bool:
        """True when the local inbox takes connections."""
        try:
            with socket.create_connection(("127.0.0.1", self.inbox_port), timeout=2):
                return True
        except OSError:
            return False

    def _worker(self, name: str, *, queues: str, options: list[str]) -> ChildSpec:
        arguments = ["-q", "-A", "core", "worker", f"--queues={queues}", f"--hostname={name}@%h"]
        arguments += ["--without-gossip", "--without-mingle", *options]
        return replace(self._python(name, "celery", *arguments, rank=2), stop=stop_worker(self.tier.delivery))

    def _python(self, name: str, module: str, *arguments: str, rank: int = 0) -> ChildSpec:
        return ChildSpec(
            name=name,
            command=(sys.executable, "-m", module, *arguments),
            folder=ROOT,
            environment=self.environment,
            stop_rank=rank,
        )


def local_host(host: str) -> str:
    """Return the address by which this machine reaches a server bound to the host."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(host, host)


def free_port() -> int:
    """Return a port on loopback that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def refusal_to_listen(host: str, port: int) -> str:
    """Return why no server can listen there, as the end of a sentence; empty when it can."""
    try:
        found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, protocol, _, address = found[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except PermissionError:
        return "may be used by root only: choose a port from 1024 up with --port"
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            return "is used by another program: choose another port with --port"
        return f"cannot be used because {host} is not an address of this machine: choose another with --host"
    return ""
