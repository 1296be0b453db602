"""The high tier, whose batches carry their letters themselves: struck as the other tiers are, and owing as little."""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Callable
from functools import partial

import pytest

from apps.campaigns.models import Batch, Campaign, Delivery
from apps.campaigns.services import lifecycle
from settings.limits import SHORT
from tests.chaos.conftest import Run
from tests.chaos.test_kills import flush
from tests.fault_server import Fault
from tests.workers import wait_until

pytestmark = [pytest.mark.serial, pytest.mark.django_db(transaction=True), pytest.mark.timeout(900)]
Make = Callable[..., Run]
IN_DOUBT = min(SHORT.inline_connections, 10) * SHORT.inline_window  # the account allows ten lines to each process
# So that several processes have letters of one campaign in hand, and a blow finds many of them under way.
SLOW = Fault("dot", "slow", seconds=0.05)


@pytest.fixture
def high(run: Make) -> Make:
    """Start a campaign of so many letters, split among batches of a hundred, in the high tier."""
    return partial(run, script=(SLOW,), limits="slice_size=100", VASHSENDER_TIER="high")


def test_kill_of_every_worker_process_leaves_in_doubt_no_more_than_stated(high: Make) -> None:
    one = high(500)
    one.wait_for_settled(120)

    one.group.kill_everything()
    one.group.start()

    one.wait_for_end()
    one.check_accounted(ambiguous_at_most=4 * IN_DOUBT)
    assert Batch.objects.count() == 5


def test_random_kills_of_children_lose_and_double_nothing(high: Make) -> None:
    seed = random.randrange(1_000_000)
    print(f"seed {seed}")
    dice = random.Random(seed)
    one = high(500)
    kills = 0
    for k in range(1, 9):
        one.wait_for_settled(50 * k)
        if children := one.group.children("mail"):
            os.kill(dice.choice(children), signal.SIGKILL)
            kills += 1

    one.wait_for_end()

    one.check_accounted(ambiguous_at_most=kills * IN_DOUBT)
    assert not Delivery.objects.filter(reason="crashed").exists()


def test_rolling_restarts_by_sigterm_leave_nothing_unconfirmed(high: Make) -> None:
    one = high(500)

    for k in range(1, 4):
        one.wait_for_settled(100 * k)
        status = one.group.terminate("mail")
        held = Delivery.objects.filter(state__in=["leased", "sending", "committing"]).count()
        one.group.start("mail")
        assert (status, held) == (0, 0)

    one.wait_for_end()
    one.check_accounted()
    assert one.states() == {"sent": 500}


def test_a_flushed_broker_only_delays(high: Make) -> None:
    one = high(500)
    one.wait_for_settled(120)

    flush(one.prefix)

    one.wait_for_end()
    one.check_accounted()
    assert one.states() == {"sent": 500}


def test_the_soft_limit_gives_back_what_hangs_and_it_arrives_alone(high: Make) -> None:
    # With an offer budget beyond the soft limit, a server that hangs at RCPT is cut short by the limit itself.
    one = high(60, script=(Fault("rcpt", "hang", times=1),), concurrency=1, limits="offer=60")

    one.wait_for_end()

    one.check_accounted()
    assert one.states() == {"sent": 60}
    assert one.group.log().count("were given back unsent") == 1


def test_pause_bites_within_one_window_and_resume_sends_the_rest_once(high: Make) -> None:
    one = high(500)
    one.wait_for_settled(120)

    lifecycle.pause(one.campaign, by=None)
    at_pause = len(one.server.letters)
    in_hand = Delivery.objects.filter(state__in=["sending", "committing"])
    wait_until(lambda: not in_hand.exists(), what="all hands to be empty")
    assert len(one.server.letters) - at_pause <= 4 * IN_DOUBT
    assert Campaign.objects.get(pk=one.campaign.pk).state == "paused"

    lifecycle.resume(one.campaign, by=None)
    one.wait_for_end()
    one.check_accounted()
    assert one.states() == {"sent": 500}


def test_cancel_leaves_the_remainder_cancelled(high: Make) -> None:
    one = high(500)
    one.wait_for_settled(120)

    lifecycle.cancel(one.campaign, by=None)
    one.wait_for_end()

    states = one.states()
    assert set(states) == {"sent", "cancelled"}
    assert sum(states.values()) == 500
    assert len(one.server.letters) == states["sent"]
