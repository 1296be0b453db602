"""The production script rehearsed: real workers, a real campaign, and whatever may happen to them in between."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from apps.campaigns.models import Delivery
from core.installation.record import process_started
from tests.chaos.conftest import Run
from tests.fault_server import Fault
from tests.production.conftest import Production
from tests.workers import wait_until

pytestmark = [pytest.mark.serial, pytest.mark.django_db(transaction=True)]
MakeRun = Callable[..., Run]
Make = Callable[..., Production]
SLOW = (Fault("rcpt", "slow", seconds=0.2),)  # so that there is a middle to strike in
NAMES = ("mail", "default", "beat")


@pytest.fixture
def stranger() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(["sleep", "300"])
    yield process
    process.kill()
    process.wait()


def test_monitor_brings_back_what_died_and_the_campaign_ends_accounted(
    run: MakeRun, production: Make, stranger: subprocess.Popen[bytes]
) -> None:
    one = run(250, script=SLOW, start=False)
    script = production(broker_prefix=one.prefix, VASHSENDER_LOG_BYTES="30000")
    script.run_dir.mkdir(parents=True)
    script.logs.mkdir()
    (script.run_dir / "default.pid").write_text(f"{stranger.pid}\n1 of-another-boot\n")
    (script.logs / "celery_worker.log").write_text("an old line\n" * 3000)

    started = script("start")
    first = {name: script.pid(name) for name in NAMES}
    again = script("start")
    status = script("status")
    monitor = script.spawn("monitor")
    one.wait_for_settled(60)
    os.kill(first["mail"], signal.SIGKILL)
    one.server.faults = []
    wait_until(lambda: script.pid("mail") not in (0, first["mail"]), what="another mail worker")
    one.wait_for_end()
    second = script("monitor")
    stopped = script("stop")
    watched, _ = monitor.communicate(timeout=30)

    one.check_accounted(ambiguous_at_most=4)
    assert (started.returncode, again.returncode, status.returncode, stopped.returncode) == (0, 0, 0, 0), started
    assert "default: the pid file is stale" in started.stdout
    assert process_started(stranger.pid)
    assert [f"{name} runs already (pid {pid})." for name, pid in first.items()] == again.stdout.splitlines()
    assert [line.split()[:4] for line in status.stdout.splitlines()[:3]] == [
        [name, "runs", "pid", f"{first[name]},"] for name in sorted(NAMES)
    ]
    assert (second.returncode, "A monitor runs already" in second.stderr) == (1, True)
    assert (monitor.returncode, f"mail (pid {first['mail']}) died; started again" in watched) == (0, True)
    assert stopped.stdout.count("ended after SIGTERM") == 3
    assert script.living() == []
    assert sorted(path.name for path in script.run_dir.iterdir()) == ["lock"]
    assert (script.logs / "celery_worker.log.1").read_text().startswith("an old line\n")
    assert "an old line" not in (script.logs / "celery_worker.log").read_text()
    assert "died; started again" in (script.logs / "celery.log").read_text()
    assert (script.logs / "celery_beat.log").stat().st_size > 0


def test_stop_in_the_middle_loses_doubles_and_leaves_open_nothing(run: MakeRun, production: Make) -> None:
    one = run(250, script=SLOW, start=False)
    script = production(broker_prefix=one.prefix)
    script("start")
    one.wait_for_settled(60)

    stopped = script("stop")
    in_hand = Delivery.objects.filter(state__in=["leased", "sending", "committing"]).count()
    settled = one.settled()
    living = script.living()
    status = script("status")
    one.server.faults = []
    script("start")
    one.wait_for_end()

    assert stopped.stdout.count("ended after SIGTERM") == 3
    assert (in_hand, living, status.returncode) == (0, [], 3)
    assert settled < 250
    one.check_accounted()
    assert one.states() == {"sent": 250}


def test_what_does_not_end_is_told_to_quit_then_killed(run: MakeRun, production: Make) -> None:
    one = run(20, script=(Fault("rcpt", "hang"),), start=False)
    script = production(broker_prefix=one.prefix)
    # A letter that hangs outlives the patience of `stop`.
    hasty = {"VASHSENDER_TEST_LIMITS": "stop=1 soft_shutdown=1 offer=100 single=120/110 lease=4"}
    script("start", **hasty)
    assert one.server.fired.wait(60)
    os.kill(script.pid("default"), signal.SIGSTOP)

    stopped = script("stop", **hasty)
    living = script.living()
    one.server.faults = []
    script("start")
    one.wait_for_end()

    said = stopped.stdout.splitlines()
    # On a busy machine beat, too, may need longer than the second it was given.
    assert any(re.fullmatch(r"Still there after 1 s: (beat )?default mail\. Sending SIGQUIT\.", line) for line in said)
    assert any(re.match(r"Still there after 6 s more: (beat )?default", line) for line in said)
    assert any(line.startswith("default (pid") and "ended after SIGKILL" in line for line in said)
    assert any(line.startswith("mail (pid") and "ended after SIG" in line for line in said)
    assert (stopped.returncode, living) == (0, [])
    one.check_accounted()
    assert one.states() == {"sent": 20}


def test_restart_changes_the_tier_under_a_monitor_that_then_leaves_the_workers(production: Make, prefix: str) -> None:
    script = production(broker_prefix=prefix)
    script("start")
    before = {script.pid(name) for name in NAMES}
    monitor = script.spawn("monitor")
    wait_until(lambda: script.pid("monitor") == monitor.pid, what="the monitor's pid file")

    restarted = script("restart", VASHSENDER_TIER="high")
    monitor.terminate()
    said, _ = monitor.communicate(timeout=30)

    after = {name: script.pid(name) for name in ("mail1", "mail2", "default", "beat")}
    assert restarted.returncode == 0, restarted
    assert (monitor.returncode, said.splitlines()[-1]) == (0, "The monitor ends; the workers go on.")
    assert "died" not in said
    assert not before & set(script.living())
    assert set(after.values()) <= set(script.living())
    mail, default = (_title(after[name]) for name in ("mail1", "default"))
    for option in (
        "campaigns,email",
        "max-tasks-per-child=250",
        "max-memory-per-child=400000",
        "prefetch-multiplier=1",
    ):
        assert option in mail
    assert "--queues=default" in default
    assert "--concurrency=1" in default


def _title(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_text()
