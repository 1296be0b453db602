"""A soft time limit may strike between any two bytecodes before the mark, and leaves nothing half done."""

from __future__ import annotations

import random
import signal
import threading

import pytest

from apps.smtp.outcome import Accepted
from apps.smtp.pool import Pool
from apps.smtp.services import post_office
from tests.fault_server import FaultServer
from tests.smtp.conftest import PATIENT, budget, letter, to

LETTERS = 400
ALARM = {signal.SIGALRM}


class SoftLimitError(BaseException):
    """Stands for Celery's."""


def strike(_number: int, _frame: object) -> None:
    raise SoftLimitError


def hold_back() -> bool:
    """Block the signal from the mark on, as the sender does until the result is recorded."""
    signal.pthread_sigmask(signal.SIG_BLOCK, ALARM)
    return True


# A connection that is lost between two bytecodes is closed by the collector, which says so.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_signal_at_any_moment_loses_no_lock_no_place_and_sends_nothing_unmarked(
    server: FaultServer, pool: Pool
) -> None:
    seed = random.Random(20)
    config = to(server, max_connections=1, max_letters_per_connection=5)
    accepted, struck = [], []
    before = signal.signal(signal.SIGALRM, strike)
    try:
        for number in range(LETTERS):
            recipient = f"r{number}@example.com"
            limits = budget()
            # To this thread alone: a signal to the process could land in a thread that lets it through.
            moment = seed.uniform(0, 0.003)
            limit = threading.Timer(moment, signal.pthread_kill, (threading.get_ident(), signal.SIGALRM))
            hold_back()
            limit.start()
            try:
                try:
                    signal.pthread_sigmask(signal.SIG_UNBLOCK, ALARM)
                    outcome = post_office.carry(
                        config, letter(recipient), budget=limits, mark=hold_back, caps=PATIENT, pool=pool
                    )
                finally:
                    hold_back()
                assert isinstance(outcome, Accepted)
                accepted.append(recipient)
            except SoftLimitError:
                struck.append(recipient)
            limit.join()
            signal.sigtimedwait(ALARM, 0)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, ALARM)
    finally:
        signal.signal(signal.SIGALRM, before)

    assert server.recipients() == accepted
    assert len(accepted) + len(struck) == LETTERS
    assert accepted
    assert struck
    assert pool.counters.in_use == 0
