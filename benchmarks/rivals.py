"""The programs the product is measured against; each is fetched into its own folder by the benchmark itself."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.place import ROOT

NODEMAILER = ROOT / "benchmarks" / "nodemailer"
POST_OFFICE = ROOT / "benchmarks" / "post_office.py"
_SESSIONS = 16


@dataclass(frozen=True, slots=True)
class Run:
    """One run of a rival."""

    sent: int
    failed: int
    seconds: float
    memory_mib: tuple[float, ...]

    @property
    def per_second(self) -> float:
        """Letters a second."""
        return self.sent / self.seconds if self.seconds else 0.0


def fetch_nodemailer() -> bool:
    """Install nodemailer as its lock says, unless it is there; return whether it can be used."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if not node or not npm:
        return False
    if not (NODEMAILER / "node_modules" / "nodemailer").exists():
        subprocess.run([npm, "ci", "--ignore-scripts"], cwd=NODEMAILER, check=True, stdout=subprocess.DEVNULL)
    return True


def nodemailer(host: str, port: int, *, connections: int, letter: Path, recipients: Path) -> Run:
    """Send the letter to each recipient through nodemailer's pool, in one process."""
    script = NODEMAILER / "send.mjs"
    words = ["node", script, host, str(port), str(connections), letter, recipients]
    done = subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True)
    found = json.loads(done.stdout)
    return Run(found["sent"], found["failed"], found["seconds"], tuple(size / 2**20 for size in found["memory"]))


def smtp_source(host: str, port: int, *, letters: int, size_bytes: int) -> Run | None:
    """Send one fixed letter so many times with Postfix's own load generator; None where it is not installed."""
    program = shutil.which("smtp-source", path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")
    if not program:
        return None
    words = ["-d", "-s", str(_SESSIONS), "-m", str(letters), "-l", str(size_bytes), "-f", "a@sink.example"]
    begun = time.monotonic()
    subprocess.run([program, *words, "-t", "b@sink.example", f"inet:{host}:{port}"], check=True)
    return Run(letters, 0, time.monotonic() - begun, ())


def fetch_post_office(folder: Path) -> Path | None:
    """Make an environment with django-post_office in a scratch folder; None where no index can be reached."""
    python = folder / "bin" / "python"
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    wanted = ["django-post-office", "psycopg[binary]"]
    done = subprocess.run([python, "-m", "pip", "install", "--quiet", *wanted], check=False, stderr=subprocess.DEVNULL)
    return python if done.returncode == 0 else None


def post_office(python: Path, host: str, port: int, *, letter: Path, recipients: Path, database_url: str) -> Run:
    """Send the letter to each recipient out of django-post_office's own queue; only the sending is timed."""
    words = [python, POST_OFFICE, host, str(port), letter, recipients, database_url]
    done = subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True)
    found = json.loads(done.stdout.splitlines()[-1])
    return Run(found["sent"], found["failed"], found["seconds"], ())
