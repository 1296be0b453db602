"""The record of a running installation: who runs it and where its services are, readable by its owner alone."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import asdict, dataclass, fields
from pathlib import Path

FILE_NAME = "installation.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Installation:
    """What a running supervisor says about itself; the URLs carry passwords, so they stay out of repr."""

    pid: int
    pid_started: str
    database_url: str
    redis_url: str
    public_url: str
    web_port: int
    inbox_host: str = ""
    inbox_port: int = 0

    def __repr__(self) -> str:
        return f"Installation(pid={self.pid}, public_url={self.public_url!r})"

    @property
    def is_running(self) -> bool:
        """True while the very process that wrote the record lives."""
        return bool(self.pid_started) and process_started(self.pid) == self.pid_started


def process_started(pid: int) -> str:
    """Return a text that tells this process from a later one with the same number; empty when there is none."""
    try:
        # The command's name stands in brackets and may hold spaces: count from the last bracket (proc(5), field 22).
        after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        if after_name[0] == "Z":
            return ""
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}:{after_name[19]}"
    except (FileNotFoundError, ProcessLookupError):
        if Path("/proc/self/stat").exists():
            return ""
    asked = subprocess.run(["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return asked.stdout.strip()


def find(data_dir: Path) -> Installation | None:
    """Return the installation that runs on this data folder now; None for a missing, unreadable or stale record."""
    found = read(data_dir)
    return found if found and found.is_running else None


def read(data_dir: Path) -> Installation | None:
    """Return the record as it was written, even when its process is gone."""
    try:
        stored = json.loads((data_dir / FILE_NAME).read_text(encoding="utf-8"))
        known = {field.name for field in fields(Installation)}
        return Installation(**{name: value for name, value in stored.items() if name in known})
    except (OSError, ValueError, TypeError, AttributeError):
        return None


def write(data_dir: Path, installation: Installation) -> None:
    """Store the record in one step, so that a reader sees the old one or the new one and nothing between."""
    write_private(data_dir / FILE_NAME, json.dumps(asdict(installation), indent=1) + "\n")


def remove(data_dir: Path) -> None:
    """Forget the record; the installation no longer runs."""
    (data_dir / FILE_NAME).unlink(missing_ok=True)


def write_private(path: Path, text: str) -> None:
    """Replace a file's content in one step, with mode 0600."""
    interim = path.with_name(f".{path.name}.{os.getpid()}")
    interim.unlink(missing_ok=True)
    descriptor = os.open(interim, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        interim.replace(path)
    finally:
        interim.unlink(missing_ok=True)
