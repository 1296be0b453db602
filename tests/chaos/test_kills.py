"""Kill anything at any moment: nothing is lost, nothing doubled, and what nobody can know is unconfirmed."""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Callable

import psycopg
import pytest
from redis import Redis

from apps.campaigns.models import Campaign, Delivery
from apps.campaigns.services import lifecycle
from tests.chaos.conftest import MANY, Run
from tests.fault_server import Fault
from tests.workers import database_url, wait_until

pytestmark = [pytest.mark.serial, pytest.mark.django_db(transaction=True), pytest.mark.timeout(900)]
Make = Callable[..., Run]


def test_a_campaign_arrives_whole(run: Make) -> None:
    one = run(200)

    one.wait_for_end()

    one.check_accounted()
    assert one.states() == {"sent": 200}
    assert one.campaign.state == "finished"


def test_kill_of_every_worker_process_loses_and_doubles_nothing(run: Make) -> None:
    one = run(MANY)
    one.wait_for_settled(600)

    one.group.kill_everything()
    one.group.start()

    one.wait_for_end()
    one.check_accounted(ambiguous_at_most=4)


def test_random_kills_of_children_lose_and_double_nothing(run: Make) -> None:
    seed = random.randrange(1_000_000)
    print(f"seed {seed}")
    dice = random.Random(seed)
    one = run(MANY)
    for k in range(1, 21):
        one.wait_for_settled(90 * k)
        children = one.group.children("mail")
        if children:
            os.kill(dice.choice(children), signal.SIGKILL)

    one.wait_for_end()

    one.check_accounted(ambiguous_at_most=20)


def test_flushed_broker_only_delays(run: Make) -> None:
    one = run(MANY)
    one.wait_for_settled(500)

    flush(one.prefix)

    one.wait_for_end()
    one.check_accounted()
    assert one.states() == {"sent": MANY}


def flush(prefix: str) -> None:
    """FLUSHALL for this test's part of the broker: every key under its prefix, at once."""
    from django.conf import settings

    client = Redis.from_url(settings.REDIS_URL.replace("redis+socket://", "unix://"))
    keys = list(client.scan_iter(match=f"{prefix}*", count=1000))
    assert keys
    client.delete(*keys)
    client.close()


def test_sigterm_in_the_middle_costs_nothing(run: Make) -> None:
    one = run(MANY)
    one.wait_for_settled(300)

    status = one.group.terminate("mail")
    held = Delivery.objects.filter(state__in=["leased", "sending", "committing"]).count()
    one.group.start("mail")

    assert (status, held) == (0, 0)
    one.wait_for_end()
    one.check_accounted()
    assert one.states() == {"sent": MANY}


def test_soft_limit_gives_the_letter_back_unsent(run: Make) -> None:
    # With an offer budget beyond the soft limit, a server that hangs at RCPT is cut short by the limit itself.
    one = run(5, script=(Fault("rcpt", "hang", times=1),), concurrency=1, limits="offer=60")

    one.wait_for_end()

    one.check_accounted()
    assert one.states() == {"sent": 5}
    assert set(Delivery.objects.values_list("attempts", flat=True)) == {1}
    assert one.group.log().count("was given back unsent") == 1


def test_soft_limit_inside_a_database_call_is_survived(run: Make) -> None:
    one = run(40, concurrency=2, start=False)
    with psycopg.connect(database_url()) as rival:
        one.group.start()
        one.wait_for_settled(3)
        rival.execute("LOCK TABLE contacts_suppression IN ACCESS EXCLUSIVE MODE")
        wait_until(lambda: "Soft limit" in one.group.log(), what="the soft limit to strike")
        rival.rollback()

    one.wait_for_end()

    one.check_accounted(ambiguous_at_most=2)


def test_a_child_killed_by_the_hard_limit_loses_nothing(run: Make) -> None:
    one = run(5, script=(Fault("rcpt", "hang", times=1),), concurrency=1, limits="offer=60 single=6/40")

    one.wait_for_end()

    one.check_accounted()
    assert one.states() == {"sent": 5}
    assert Delivery.objects.filter(crash_count=1).count() == 1


def test_pause_bites_at_once_and_resume_sends_the_rest_once(run: Make) -> None:
    one = run(600)
    one.wait_for_settled(100)

    lifecycle.pause(one.campaign, by=None)
    at_pause = len(one.server.letters)
    in_hand = Delivery.objects.filter(state__in=["sending", "committing"])
    wait_until(lambda: not in_hand.exists(), what="all hands to be empty")
    after = len(one.server.letters)
    assert after - at_pause <= 4
    assert Campaign.objects.get(pk=one.campaign.pk).state == "paused"

    lifecycle.resume(one.campaign, by=None)
    one.wait_for_end()
    one.check_accounted()
    assert one.states() == {"sent": 600}


def test_cancel_leaves_the_remainder_cancelled(run: Make) -> None:
    one = run(600)
    one.wait_for_settled(100)

    lifecycle.cancel(one.campaign, by=None)
    one.wait_for_end()

    states = one.states()
    assert set(states) == {"sent", "cancelled"}
    assert sum(states.values()) == 600
    assert len(one.server.letters) == states["sent"]
