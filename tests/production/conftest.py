"""The production script on a checkout of its own with spaces in its path, and only /usr/bin:/bin on PATH."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from core.installation.record import process_started
from tests.chaos.conftest import people, prefix, run
from tests.workers import environment

__all__ = ["people", "prefix", "run"]

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = "scripts/start_celery_production.sh"


@pytest.fixture(scope="session")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("a path with spaces") / "Vash Sender"
    for part in ("core", "apps", "settings", "scripts"):
        shutil.copytree(ROOT / part, root / part)
    for part in ("manage.py", "pyproject.toml"):
        shutil.copy2(ROOT / part, root / part)
    (root / ".venv").symlink_to(sys.prefix)
    return root


@dataclass
class Production:
    """One installation that is run by the script."""

    root: Path
    folder: Path
    environment: dict[str, str]
    monitors: list[subprocess.Popen[str]] = field(default_factory=list)

    @property
    def logs(self) -> Path:
        return self.folder / "the logs"

    @property
    def run_dir(self) -> Path:
        return self.folder / "run"

    def __call__(self, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(self.root / SCRIPT), *arguments],
            env={**self.environment, **more},
            cwd="/",
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def spawn(self, *arguments: str) -> subprocess.Popen[str]:
        command = [str(self.root / SCRIPT), *arguments]
        process = subprocess.Popen(
            command, env=self.environment, cwd="/", stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        self.monitors.append(process)
        return process

    def noted(self, name: str) -> tuple[int, str]:
        """The number and the beginning that the pid file gives."""
        pid, began = (self.run_dir / f"{name}.pid").read_text().splitlines()
        return int(pid), began

    def pid(self, name: str) -> int:
        return self.noted(name)[0] if (self.run_dir / f"{name}.pid").exists() else 0

    def living(self) -> list[int]:
        """Every process, children too, that was started for this installation and still lives."""
        mark = f"VASHSENDER_RUN_DIR={self.run_dir}".encode()
        found = []
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                if mark in (entry / "environ").read_bytes().split(b"\0") and process_started(int(entry.name)):
                    found.append(int(entry.name))
            except OSError:
                continue
        return found

    def close(self) -> None:
        for process in self.monitors:
            if process.poll() is None:
                process.terminate()
            process.communicate(timeout=30)
        if (self.run_dir / "wanted").exists():
            print(self("stop").stdout)
        for pid in self.living():
            os.kill(pid, signal.SIGKILL)


@pytest.fixture
def production(checkout: Path, tmp_path: Path) -> Iterator[Callable[..., Production]]:
    """Return a maker of installations; `broker_prefix` makes it share a test's broker and database."""
    made: list[Production] = []

    def make(*, broker_prefix: str = "", **more: str) -> Production:
        folder = tmp_path / "data of it"
        given = environment(broker_prefix, folder) if broker_prefix else {"DATABASE_URL": "postgresql:///nowhere"}
        one = Production(
            checkout,
            folder,
            {
                "DJANGO_SETTINGS_MODULE": "settings.test",
                "REDIS_URL": "redis://127.0.0.1:1/0",
                **{name: value for name, value in given.items() if name != "VASHSENDER_TIER"},
                "PATH": "/usr/bin:/bin",
                "VASHSENDER_DATA": str(folder),
                "VASHSENDER_LOG_DIR": str(folder / "the logs"),
                "VASHSENDER_RUN_DIR": str(folder / "run"),
                "VASHSENDER_ALLOW_ROOT": "1",
                **more,
            },
        )
        made.append(one)
        return one

    yield make
    for one in made:
        one.close()
