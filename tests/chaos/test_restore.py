"""A real backup taken and restored in the middle of a campaign: nobody gets a second letter, whatever was running."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from contextlib import suppress
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import call_command
from django.db import connection

from apps.campaigns.services import lifecycle, restore_guard
from core.errors import InvalidTransitionError
from core.installation import embedded_postgres
from core.models import Pulse
from tests.chaos.conftest import Run
from tests.fault_server import Fault
from tests.workers import database_url, wait_until

pytestmark = [pytest.mark.serial, pytest.mark.django_db(transaction=True)]
Make = Callable[..., Run]
SLOW = (Fault("rcpt", "slow", seconds=0.1),)
LETTERS = 300


@pytest.fixture
def epoch_file(tmp_path: Path, settings: object) -> Path:
    settings.EPOCH_FILE = tmp_path / "outside" / "epoch.json"  # type: ignore[attr-defined]
    settings.SPOOL_DIR = tmp_path / "spool"  # type: ignore[attr-defined]
    restore_guard.forget()
    return tmp_path / "outside" / "epoch.json"


def tool(name: str, *arguments: str, tries: int = 1) -> None:
    command = [str(embedded_postgres._installed() / "bin" / name), f"--dbname={database_url()}", *arguments]
    for _number in range(tries):
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        if "deadlock detected" not in done.stderr:
            break
    assert done.returncode == 0, done.stderr


def dump(folder: Path) -> Path:
    tool("pg_dump", "--format=custom", f"--file={folder / 'backup.dump'}")
    return folder / "backup.dump"


def restore(backup: Path) -> None:
    connection.close()
    # Running workers may cross it; then nothing has changed, and an operator tries again.
    tool("pg_restore", "--clean", "--if-exists", "--no-owner", "--single-transaction", str(backup), tries=10)


def rounds_pass(count: int) -> None:
    """Wait until so many sweeps have run: time enough for anything that could be sent."""
    for _number in range(count):
        before = Pulse.objects.get(name="sweep").at
        wait_until(lambda before=before: Pulse.objects.get(name="sweep").at != before, what="a sweep")  # type: ignore[misc]


def confirm_and_finish(one: Run) -> None:
    out = StringIO()
    call_command("confirm_restore", "--yes", stdout=out)
    assert "may have gone out" in out.getvalue()
    one.server.faults = []
    one.campaign.refresh_from_db()
    assert one.campaign.state in ("paused", "finished")  # where nothing waits any more it closes by itself
    if one.campaign.state == "paused":
        with suppress(InvalidTransitionError):
            lifecycle.resume(one.campaign, by=None)
    one.wait_for_end()


def check_nobody_got_two(one: Run, before: int) -> None:
    accepted, states = one.accepted(), one.states()
    assert {message_id: n for message_id, n in accepted.items() if n > 1} == {}
    assert sum(states.values()) == one.campaign.audience_size == LETTERS
    assert set(states) <= {"sent", "unconfirmed"}
    # What the backup knew as sent stays so; all that may have gone out since is held, and what had gone is among it.
    assert len(accepted) >= before
    assert states["unconfirmed"] >= len(accepted) - states["sent"]


def test_a_restore_while_the_workers_run(run: Make, epoch_file: Path, tmp_path: Path) -> None:
    one = run(LETTERS, script=SLOW, VASHSENDER_EPOCH_FILE=str(epoch_file))
    one.wait_for_settled(40)
    wait_until(epoch_file.exists, what="the copy outside")
    backup = dump(tmp_path)
    one.wait_for_settled(110)

    restore(backup)
    wait_until(lambda: (found := restore_guard.state()) is not None and found.is_settled, what="the freeze")
    begun = len(one.server.letters)
    rounds_pass(4)

    assert len(one.server.letters) == begun
    check_states = one.states()
    assert check_states["queued"] + check_states["sending"] == 0 and check_states["unconfirmed"] > 0
    confirm_and_finish(one)
    check_nobody_got_two(one, begun)


def test_a_restore_while_nothing_runs_and_a_start_that_forgets_to_confirm(
    run: Make, epoch_file: Path, tmp_path: Path
) -> None:
    one = run(LETTERS, script=SLOW, VASHSENDER_EPOCH_FILE=str(epoch_file))
    one.wait_for_settled(40)
    wait_until(epoch_file.exists, what="the copy outside")
    backup = dump(tmp_path)
    one.wait_for_settled(110)
    one.group.stop()
    begun = len(one.server.letters)

    restore(backup)
    one.group.start()
    wait_until(lambda: restore_guard.state() is not None, what="the freeze")
    rounds_pass(4)

    assert len(one.server.letters) == begun
    confirm_and_finish(one)
    check_nobody_got_two(one, begun)
