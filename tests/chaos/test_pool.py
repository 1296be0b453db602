"""The clean-up task reaches every worker child, idle ones too, and leaves a connection in use alone."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from apps.smtp.tasks import cleanup_smtp_connections
from core.models import WorkerProcess
from tests.chaos.conftest import Run
from tests.fault_server import Fault
from tests.workers import wait_until

pytestmark = [pytest.mark.serial, pytest.mark.django_db(transaction=True)]


def test_one_clean_up_closes_the_idle_connections_of_all_children(run: Callable[..., Run]) -> None:
    # The slow reply spreads the letters over all four children; beat's own clean-up comes too late to interfere.
    one = run(60, script=(Fault("dot", "slow", seconds=0.3),), concurrency=4, limits="cleanup_smtp=600")
    one.wait_for_end()
    wait_until(lambda: one.server.connections_open == 4, what="four idle connections")
    wait_until(
        lambda: WorkerProcess.objects.filter(queues="campaigns,email", counters__idle=1).count() == 4,
        what="four housekeepers to have written their counters",
    )

    cleanup_smtp_connections()

    wait_until(lambda: one.server.connections_open == 0, what="the server to see all four closed")


def test_a_connection_in_use_is_left_alone(run: Callable[..., Run]) -> None:
    one = run(
        1, script=(Fault("dot", "slow", seconds=2.5, times=1),), concurrency=1, limits="cleanup_smtp=600 dot_cap=6"
    )
    wait_until(lambda: "." in one.server.commands or one.server.connections_open == 1, what="the letter to be offered")

    cleanup_smtp_connections()

    one.wait_for_end()
    assert one.states() == {"sent": 1}
    assert one.server.connections_made == 1
