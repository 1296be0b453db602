"""What the production script says in one sentence instead of doing it, and whom it leaves alone."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from core.installation.record import process_started
from tests.production.conftest import ROOT, SCRIPT, Production

pytestmark = pytest.mark.serial
Make = Callable[..., Production]


@pytest.fixture
def stranger() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(["sleep", "300"])
    yield process
    process.kill()
    process.wait()


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"VASHSENDER_TIER": "hgih"}, "VASHSENDER_TIER is 'hgih'; it may be low, medium, high."),
        ({"DATABASE_URL": ""}, "DATABASE_URL is not set: put it into .env or the environment."),
        ({"REDIS_URL": ""}, "REDIS_URL (or BROKER_URL) is not set: put it into .env or the environment."),
        ({"VASHSENDER_LOG_DIR": "/dev/null/logs"}, "The folder for logs, /dev/null/logs, cannot be written to: "),
        ({"VASHSENDER_RUN_DIR": "/dev/null/run"}, "The folder for pid files, /dev/null/run, cannot be written to: "),
        ({"VASHSENDER_LOG_BYTES": "50M"}, "VASHSENDER_LOG_BYTES is '50M'; it has to be a number."),
        ({"VASHSENDER_LOCAL_INBOX": "perhaps"}, "The environment or .env holds a value that cannot be read: "),
        ({"DJANGO_SETTINGS_MODULE": ""}, "Set VASHSENDER_SECRET_KEY, or put a random key into keys/secret_key"),
    ],
)
def test_refuses_to_start_in_one_sentence(production: Make, changes: dict[str, str], sentence: str) -> None:
    script = production(**changes)

    refused = script("start")

    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr.startswith(sentence)
    assert refused.stderr.count("\n") == 1
    assert script.living() == []


@pytest.mark.parametrize("verb", ["start", "restart", "monitor", "run default"])
def test_refuses_to_run_workers_as_root_unless_told(production: Make, tmp_path: Path, verb: str) -> None:
    script = production(VASHSENDER_ALLOW_ROOT="", PATH=f"{tmp_path}:/usr/bin:/bin")
    # Whoever runs the tests, the script is told that it is root.
    (tmp_path / "id").write_text('#!/bin/sh\n[ "$1" = -u ] && echo 0 || echo root\n')
    (tmp_path / "id").chmod(0o755)

    refused = script(*verb.split())

    assert refused.returncode == 1
    assert refused.stderr.startswith("Workers are not run as root: ")
    assert script.living() == []


def test_says_that_there_is_no_environment(production: Make, tmp_path: Path) -> None:
    script = production()
    shutil.copytree(ROOT / "scripts", tmp_path / "bare" / "scripts")
    script.root = tmp_path / "bare"

    refused = script("start")

    assert (refused.returncode, refused.stderr) == (
        1,
        f"There is no .venv in {script.root}: run python3 scripts/bootstrap.py install there.\n",
    )


def test_a_value_with_a_password_is_not_repeated(production: Make) -> None:
    script = production(VASHSENDER_LOCAL_INBOX="postgresql://u:hunter2@db/x")

    assert "hunter2" not in script("start").stderr


@pytest.mark.parametrize("has_settings", [True, False])
def test_stop_leaves_a_foreign_process_with_the_noted_number_alone(
    production: Make, stranger: subprocess.Popen[bytes], tmp_path: Path, has_settings: bool
) -> None:
    script = production()
    if not has_settings:
        shutil.copytree(ROOT / "scripts", tmp_path / "bare" / "scripts")
        script.root = tmp_path / "bare"
    script.run_dir.mkdir(parents=True)
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    (script.run_dir / "mail.pid").write_text(f"{stranger.pid}\n1 {boot}\n")
    (script.run_dir / "beat.pid").write_text(f"{stranger.pid}\n")
    (script.run_dir / "default.pid").write_text("\n")

    seen = script("status")
    stopped = script("stop")

    assert f"mail      dead   its process {stranger.pid} is gone" in seen.stdout
    assert (seen.returncode, stopped.returncode) == (3, 0)
    assert f"mail: the pid file is stale (process {stranger.pid} is gone or somebody else's)" in stopped.stdout
    assert stranger.poll() is None
    assert process_started(stranger.pid)
    assert list(script.run_dir.glob("*.pid")) == []


def test_a_pid_file_of_another_user_proves_nothing(production: Make, stranger: subprocess.Popen[bytes]) -> None:
    script = production()
    script.run_dir.mkdir(parents=True)
    planted = script.run_dir / "mail.pid"
    # Only root can give a file away; anybody has the number of a process of root's.
    pid = stranger.pid if os.geteuid() == 0 else 1
    boot, _, ticks = process_started(pid).partition(":")
    planted.write_text(f"{pid}\n{ticks} {boot}\n")
    if os.geteuid() == 0:
        os.chown(planted, 65534, 65534)

    stopped = script("stop")

    assert f"mail: the pid file is stale (process {pid} is gone or somebody else's)" in stopped.stdout
    assert process_started(pid) == f"{boot}:{ticks}"


def test_nothing_runs_and_nothing_is_watched_before_the_first_start(production: Make) -> None:
    script = production()

    stopped, status, monitor = script("stop"), script("status"), script("monitor")

    assert (stopped.returncode, stopped.stdout) == (0, "Nothing runs.\n")
    assert (status.returncode, status.stdout.splitlines()[-1]) == (3, "Nothing was started.")
    assert (monitor.returncode, monitor.stderr) == (1, "Nothing was started that could be watched: run start first.\n")


@pytest.mark.parametrize("arguments", [(), ("begin",), ("start", "mail"), ("run",), ("run", "../beat")])
def test_a_mistyped_command_shows_the_usage(production: Make, arguments: tuple[str, ...]) -> None:
    answered = production()(*arguments)

    assert (answered.returncode, answered.stdout) == (2, "")
    assert answered.stderr.startswith(f"usage: {SCRIPT} start|stop|restart|status|monitor|run NAME\n")
