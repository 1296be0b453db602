"""What real workers and a real beat write down about themselves, as the System page reads it."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

import pytest

from apps.accounts.models import Workspace
from apps.web import system
from core.models import Incident, Pulse, WorkerProcess
from tests.chaos.conftest import Run
from tests.fault_server import Fault
from tests.workers import wait_until

pytestmark = [pytest.mark.serial, pytest.mark.django_db(transaction=True)]
Make = Callable[..., Run]
SLOW = (Fault("rcpt", "slow", seconds=0.3),)


def test_workers_tell_what_they_do_and_beat_what_it_rings(run: Make, workspace: Workspace) -> None:
    one = run(60, script=SLOW)
    letter = "apps.campaigns.tasks.send_single_email"
    wait_until(lambda: WorkerProcess.objects.filter(queues="campaigns,email").count() == 4, what="four processes")
    wait_until(lambda: WorkerProcess.objects.filter(task=letter).exists(), what="a process that carries a letter")
    wait_until(lambda: Pulse.objects.filter(name="ran:apps.campaigns.tasks.sweep").exists(), what="a sweep that ended")
    wait_until(lambda: "sweep" in Pulse.objects.get(name="beat").detail["rung"], what="beat's word about the sweep")

    seen = system.of(workspace, sees_all=True)

    mail = next(worker for worker in seen.workers if worker.name.startswith("mail-one@"))
    assert (mail.queues, mail.processes) == ("campaigns, email", 4)
    assert mail.memory_kib > 10_000
    assert {queue.name: queue.listeners for queue in seen.queues} == {"email": 4, "campaigns": 4, "default": 1}
    sweep = next(entry for entry in seen.entries if entry.word == system.ENTRIES["sweep"])
    assert sweep.ran_seconds is not None and sweep.next_seconds is not None and not sweep.is_late
    one.server.faults = []
    one.wait_for_end()
    one.check_accounted()


def test_the_leading_beat_keeps_that_a_worker_went_away(run: Make) -> None:
    one = run(1)
    one.wait_for_end()
    children = one.group.children("mail")

    for pid in [one.group.pid("mail"), *children]:
        os.kill(pid, signal.SIGKILL)
    # The minute of silence is not waited for.
    WorkerProcess.objects.filter(queues="campaigns,email").update(seen_at="2020-01-01T00:00:00Z")
    Pulse.objects.filter(name="canary:email").update(at="2020-01-01T00:00:00Z")

    wait_until(
        lambda: Incident.objects.filter(kind="queue_deserted", subject="email", ended_at=None).exists(),
        what="the incident",
    )
