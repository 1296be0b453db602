"""Whatever becomes of a worker process (rolled, recycled, stopped, frozen, in another time), no letter pays for it."""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Callable

import pytest

from apps.campaigns.models import Delivery
from tests.chaos.conftest import MANY, Run
from tests.fault_server import Fault
from tests.workers import Group, wait_until

pytestmark = [pytest.mark.serial, pytest.mark.django_db(transaction=True), pytest.mark.timeout(900)]
Make = Callable[..., Run]
Another = Callable[..., Group]
DAY = 86_400


def test_rolling_restarts_by_sigterm_leave_nothing_unconfirmed(run: Make) -> None:
    one = run(MANY)

    for k in range(1, 5):
        one.wait_for_settled(MANY // 5 * k)
        status = one.group.terminate("mail")
        held = Delivery.objects.filter(state__in=["leased", "sending", "committing"]).count()
        one.group.start("mail")
        assert (status, held) == (0, 0)

    one.wait_for_end()
    one.check_accounted()
    assert one.states() == {"sent": MANY}


def test_sigkill_after_sigterm_with_the_server_hanging_at_the_dot_holds_at_most_what_was_in_hand(run: Make) -> None:
    one = run(200, script=(Fault("dot", "hang", nth=40), Fault("dot", "hang", nth=41)), concurrency=4)
    wait_until(lambda: one.server.fired.is_set(), what="the server to hang")
    main, brood = one.group.processes["mail"], one.group.children("mail")

    os.kill(main.pid, signal.SIGTERM)
    wait_until(lambda: one.states()["sending"] == 0, what="the others to have finished what they had in hand")
    for pid in (main.pid, *brood):
        kill(pid)
    main.wait(30)
    del one.group.processes["mail"]
    one.group.start("mail")

    one.wait_for_end()
    one.check_accounted(ambiguous_at_most=4)


def kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


@pytest.mark.parametrize(("option", "letters"), [("--max-tasks-per-child=7", 250), ("--max-memory-per-child=1000", 25)])
def test_recycled_children_lose_and_double_nothing(run: Make, option: str, letters: int) -> None:
    one = run(letters, options=[option])
    wait_until(lambda: bool(one.group.children("mail")), what="the first children")
    first = set(one.group.children("mail"))

    one.wait_for_end()

    one.check_accounted()
    assert one.states() == {"sent": letters}
    assert not first & set(one.group.children("mail"))


def test_a_frozen_child_that_wakes_after_its_lease_sends_nothing(run: Make) -> None:
    # The slow reply to RCPT keeps each letter in hand before the marker long enough to freeze its holder there.
    one = run(120, script=(Fault("rcpt", "slow", seconds=0.3),), concurrency=3)
    one.wait_for_settled(20)
    victim = random.Random(1).choice(one.group.children("mail"))
    letter_of = Delivery.objects.filter(state="sending", owner__contains=f":{victim}:")
    wait_until(letter_of.exists, what="the victim to hold a letter before its marker")

    os.kill(victim, signal.SIGSTOP)
    frozen = letter_of.first()
    try:
        if frozen is not None:
            taken_back = Delivery.objects.filter(pk=frozen.pk, token__gt=frozen.token)
            wait_until(taken_back.exists, what="the letter to be taken back after its lease")
    finally:
        os.kill(victim, signal.SIGCONT)

    one.wait_for_end()
    one.check_accounted(ambiguous_at_most=1 if frozen is None else 0)
    assert frozen is None or one.accepted()[frozen.message_id] == 1


def test_workers_a_day_ahead_and_a_day_behind_change_nothing(run: Make, another_group: Another) -> None:
    one = run(300, start=False)
    one.group.start("default", "beat")
    for name, shift in (("ahead", DAY), ("behind", -DAY)):
        another_group(name, concurrency=2, module="tests.chaos.shifted", CLOCK_SHIFT=str(shift)).start("mail")

    one.wait_for_end()

    one.check_accounted()
    assert one.states() == {"sent": 300}
    assert set(Delivery.objects.values_list("attempts", flat=True)) == {1}


def test_two_hosts_share_the_letters_and_double_none(run: Make, another_group: Another) -> None:
    one = run(MANY, concurrency=2)
    other = another_group("two", concurrency=2).start()
    one.wait_for_settled(600)

    other.kill_everything()
    other.start()

    one.wait_for_end()
    one.check_accounted(ambiguous_at_most=2)
