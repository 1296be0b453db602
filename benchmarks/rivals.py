"""The programs the product is measured against; each is fetched into its own folder by the benchmark itself."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from benchmarks.place import ROOT

NODEMAILER = ROOT / "benchmarks" / "nodemailer"


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
