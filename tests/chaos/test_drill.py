"""`manage.py drill` does what it says, tells the truth about it, touches nothing else and leaves nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from apps.campaigns.drill.crew import Process
from apps.campaigns.models import Campaign
from core.installation.record import process_started
from tests.chaos import drilling
from tests.chaos.conftest import MANY
from tests.workers import database_url, wait_until

pytestmark = [pytest.mark.serial, pytest.mark.timeout(900)]
KEYS = {
    *("n", "kills", "lost", "doubled", "doubled_outside_window", "unconfirmed", "false_suppressions", "seconds"),
    *("time_to_recover", "stuck", "peak_memory_mb", "accounted"),
}


@pytest.fixture
def scratch(tmp_path: Path) -> Iterator[Path]:
    """Where drills make their folders; empty again afterwards."""
    with tempfile.TemporaryDirectory(prefix="vs-t-", dir="/tmp") as made:
        folder = Path(made)
        folder.chmod(0o711)
        yield folder
        assert list(folder.glob("vs-drill-*")) == []


def descendants(pid: int) -> list[Process]:
    """Every process below one."""
    parents = {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
    found, level = [], [pid]
    while level := [child for child, parent in parents.items() if parent in level]:
        found += level
    return [Process(child, process_started(child)) for child in found]


def test_kills_and_restarts_without_any_installation_lose_and_double_nothing(scratch: Path) -> None:
    told = drilling.drilled(
        *(f"--letters={MANY}", "--kills=8", "--rolling=1", "--restart-broker=2", "--restart-database=1", "--seed=3"),
        TMPDIR=str(scratch),
    )

    assert told.keys() >= KEYS
    assert (told["n"], told["kills"], told["restarts"], told["seed"]) == (MANY, 8, 4, 3)
    assert (told["lost"], told["doubled"], told["doubled_outside_window"], told["stuck"]) == (0, 0, 0, 0)
    assert (told["false_suppressions"], told["accounted"]) == (0, True)
    assert told["unconfirmed"] <= told["processes_killed"]
    assert told["states"]["sent"] + told["unconfirmed"] == MANY
    assert 20 < told["peak_memory_mb"] < 300


def test_lost_replies_are_retried_once_and_copies_stay_inside_the_window(scratch: Path) -> None:
    told = drilling.drilled(
        *("--letters=200", "--kills=2", "--policy=retry_once", "--script=0.05", "--concurrency=2"), TMPDIR=str(scratch)
    )

    assert told["unanswered"] > 0
    assert 0 < told["doubled"] <= told["unanswered"] + told["processes_killed"]
    assert (told["lost"], told["doubled_outside_window"], told["accounted"]) == (0, 0, True)


@pytest.mark.django_db(transaction=True)
def test_an_installation_beside_it_is_neither_asked_nor_told_anything(scratch: Path) -> None:
    told = drilling.drilled(
        *("--letters=60", "--kills=0"),
        TMPDIR=str(scratch),
        DATABASE_URL=database_url(),
        REDIS_URL="redis://127.0.0.1:1/0",
        BROKER_URL="amqp://127.0.0.1:1//",
        PUBLIC_URL="https://live.example",
        VASHSENDER_SECRET_KEY="the live installation's",
    )

    assert told["states"] == {"sent": 60}
    assert not Campaign.objects.exists()


def test_a_campaign_that_stops_itself_is_not_passed_and_costs_no_contact(scratch: Path) -> None:
    script = '[{"stage": "rcpt", "action": "550 5.7.515 Access denied, sender not authenticated"}]'

    done = drilling.run("--letters=150", "--kills=0", f"--script={script}", TMPDIR=str(scratch))

    assert done.returncode == 1
    said = dict(line.split(":", 1) for line in done.stdout.splitlines() if ":" in line)
    assert said["false suppressions"].strip() == "0"
    assert "the campaign is paused" in said["took"]
    assert done.stdout.splitlines()[-1] == "NOT PASSED"


@pytest.mark.parametrize(
    ("option", "said"), [("--letters=0", "number of letters"), ("--script=nonsense", "neither JSON nor a number")]
)
def test_what_cannot_be_run_is_refused_before_anything_starts(scratch: Path, option: str, said: str) -> None:
    done = drilling.run(option, TMPDIR=str(scratch))

    assert done.returncode == 1
    assert said in done.stderr
    assert done.stdout == ""


def test_whoever_stops_it_stops_everything_it_started(scratch: Path, tmp_path: Path) -> None:
    progress = tmp_path / "progress"
    with progress.open("wb") as stream:
        drill = subprocess.Popen(
            drilling.command("--letters=3000", "--kills=5"),
            cwd=drilling.ROOT,
            env=drilling.surroundings(TMPDIR=str(scratch)),
            stdout=stream,
            stderr=stream,
        )
    try:
        wait_until(lambda: "drill: sending" in progress.read_text(), seconds=120, what="the letters to flow")
        below = descendants(drill.pid)

        os.kill(drill.pid, signal.SIGTERM)

        assert drill.wait(120) == 130
        assert len(below) > 10
        wait_until(lambda: not any(process.is_alive for process in below), what="every process to be gone")
        assert progress.read_text().splitlines()[-1] == "drill: stopped before the end"
    finally:
        drill.kill()
        drill.wait()
