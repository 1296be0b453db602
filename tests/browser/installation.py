"""A whole installation for one test: started as a person would start it, on a folder and ports of its own."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import dict_row

from core.installation import record

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 180
STOP_SECONDS = 120
# What would lead the installation to another one's services.
_FOREIGN = ("DATABASE_URL", "REDIS_URL", "BROKER_URL", "PUBLIC_URL", "DJANGO_SETTINGS_MODULE", "PYTEST_CURRENT_TEST")
_LINK = re.compile(r"https?://\S+/setup/\S+")


@dataclass(frozen=True)
class RunningInstallation:
    """Where it is, and what its database holds."""

    data: Path
    environment: Mapping[str, str]
    url: str
    database_url: str
    first_link: str

    def rows(self, query: str, *values: object) -> list[dict[str, Any]]:
        """Return what a query of the test's own finds."""
        with psycopg.connect(self.database_url, row_factory=dict_row) as connection:
            return connection.execute(query, values).fetchall()

    def number(self, query: str, *values: object) -> int:
        """Return the one number a query finds."""
        return int(next(iter(self.rows(query, *values)[0].values())))

    def wait_for(self, query: str, expected: int, *values: object, patience: float = 30) -> int:
        """Return the number when it is the expected one, or what it is when the patience ends."""
        deadline = time.monotonic() + patience
        while (found := self.number(query, *values)) != expected and time.monotonic() < deadline:
            time.sleep(0.2)
        return found

    def setup_link(self) -> str:
        """Return a new set-up link, as an operator gets one."""
        said = subprocess.run(
            [sys.executable, "manage.py", "setup_link"],
            cwd=ROOT, env=dict(self.environment), capture_output=True, text=True, timeout=120, check=True,
        ).stdout  # fmt: skip
        found = _LINK.search(said)
        assert found, said
        return found.group()

    def state(self) -> dict[str, str]:
        """Return a checksum of every table that a letter's pages could change."""
        tables = self.rows(
            "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename ~ %s ORDER BY 1",
            "^(contacts|campaigns|tracking|accounts)_",
        )
        sums = {}
        for table in (row["tablename"] for row in tables):
            query = f"SELECT coalesce(md5(string_agg(t::text, '|' ORDER BY t::text)), '') AS sum FROM {table} t"
            sums[table] = str(self.rows(query)[0]["sum"])
        return sums


@contextmanager
def started(folder: Path, **more: str) -> Iterator[RunningInstallation]:
    """Run web server, workers, beat, local inbox, PostgreSQL and Valkey until the block ends; `more` is environment."""
    data, output = folder / "data", folder / "start.log"
    environment = {
        name: value for name, value in os.environ.items() if name not in _FOREIGN and not name.startswith("VASHSENDER_")
    } | {"VASHSENDER_DATA": str(data), **more}
    command = [sys.executable, "-m", "core.installation", "start", "--data", str(data), "--port", "0"]
    with output.open("wb") as log:
        process = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
        )
    try:
        link = _wait_for_link(process, output)
        found = record.find(data)
        assert found, output.read_text()
        yield RunningInstallation(data, environment, found.public_url, found.database_url, link)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            status = process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            status = process.wait()
    assert status == 0, output.read_text()[-4000:]


def _wait_for_link(process: subprocess.Popen[bytes], output: Path) -> str:
    """Return the link that the start prints last, when everything runs."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if found := _LINK.search(output.read_text()):
            return found.group()
        if process.poll() is not None:
            break
        time.sleep(0.2)
    raise AssertionError(f"The installation did not start:\n{output.read_text()[-4000:]}")
