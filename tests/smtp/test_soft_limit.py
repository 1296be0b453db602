"""A soft time limit may strike between any two bytecodes before the mark, and leaves nothing half done."""

from __future__ import annotations

import random
import signal
from collections.abc import Iterator

import pytest

from apps.smtp.outcome import Accepted
from apps.smtp.pool import Pool
from apps.smtp.services import post_office
from tests.fault_server import FaultServer
from tests.smtp.conftest import PATIENT, budget, letter, to

LETTERS = 400


class SoftLimitError(BaseException):
    """Stands for Celery's."""


def strike(_number: int, _frame: object) -> None:
    raise SoftLimitError


@pytest.fixture
def deaf_server() -> Iterator[FaultServer]:
    """A fault server whose threads never take the signal in the main thread's place."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGALRM})
    with FaultServer() as running:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGALRM})
        yield running


# A connection that is lost between two bytecodes is closed by the collector, which says so.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_signal_at_any_moment_loses_no_lock_no_place_and_sends_nothing_unmarked(
    pool: Pool, deaf_server: FaultServer
) -> None:
    server = deaf_server
    seed = random.Random(20)
    before = signal.signal(signal.SIGALRM, strike)
    accepted, struck = [], []
    config = to(server, max_connections=1, max_letters_per_connection=5)

    def mark() -> bool:
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGALRM})
        return True

    try:
        for number in range(LETTERS):
            recipient = f"r{number}@example.com"
            try:
                signal.setitimer(signal.ITIMER_REAL, seed.uniform(0.00005, 0.003))
                limits = budget()
                outcome = post_office.carry(
                    config, letter(recipient), budget=limits, mark=mark, caps=PATIENT, pool=pool
                )
                signal.setitimer(signal.ITIMER_REAL, 0)
                assert isinstance(outcome, Accepted)
                accepted.append(recipient)
            except SoftLimitError:
                struck.append(recipient)
            finally:
                signal.setitimer(signal.ITIMER_REAL, 0)
                if signal.SIGALRM in signal.sigpending():
                    signal.sigwait({signal.SIGALRM})
                signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGALRM})
    finally:
        signal.signal(signal.SIGALRM, before)

    assert server.recipients() == accepted
    assert len(accepted) + len(struck) == LETTERS
    assert accepted
    assert struck
    assert pool.counters.in_use == 0
