"""People change their minds and servers stay silent in the middle of a campaign: every letter still has one end."""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Callable

import pytest
from django.test import Client

from apps.campaigns.models import Campaign, Delivery
from apps.campaigns.services import lifecycle
from core import tokens
from tests.chaos.conftest import Run
from tests.fault_server import Fault
from tests.workers import Group, wait_until

pytestmark = [pytest.mark.serial, pytest.mark.django_db(transaction=True), pytest.mark.timeout(900)]
Make = Callable[..., Run]
IN_HAND = ["leased", "sending", "committing"]


def test_replies_lost_after_the_dot_are_unconfirmed_one_for_one(run: Make) -> None:
    one = run(400, script=(Fault("dot", "accept_then_drop", share=0.04),))

    one.wait_for_end()

    unanswered = {letter.message_id for letter in one.server.letters if not letter.is_answered}
    unconfirmed = set(Delivery.objects.filter(state="unconfirmed").values_list("message_id", flat=True))
    assert unanswered == unconfirmed != set()
    one.check_accounted(ambiguous_at_most=len(unanswered))


def test_with_retry_once_a_lost_reply_costs_one_copy_at_most(run: Make) -> None:
    one = run(300, script=(Fault("dot", "accept_then_drop", share=0.04, times=12),), policy="retry_once")

    one.wait_for_end()

    copies = one.accepted()
    explained = dict(Delivery.objects.values_list("message_id", "ambiguous_count"))
    assert len(explained) == 300 == len(copies)
    assert {message_id for message_id, n in copies.items() if n > 1} <= {m for m, n in explained.items() if n}
    assert all(n <= 1 + explained[message_id] <= 3 for message_id, n in copies.items())
    assert 0 < sum(copies.values()) - 300 <= 12


def test_fifty_pauses_at_random_moments_double_nothing(run: Make) -> None:
    seed = random.randrange(1_000_000)
    print(f"seed {seed}")
    dice = random.Random(seed)
    one = run(1000)
    for k in range(1, 51):
        one.wait_for_settled(18 * k + dice.randrange(10))
        lifecycle.pause(one.campaign, by=None)
        at_pause = len(one.server.letters)
        if dice.random() < 0.5:
            wait_until(lambda: not Delivery.objects.filter(state__in=IN_HAND).exists(), what="all hands to be empty")
            assert len(one.server.letters) - at_pause <= one.group.concurrency
        lifecycle.resume(one.campaign, by=None)

    one.wait_for_end()
    one.check_accounted()
    assert one.states() == {"sent": 1000}


def test_nobody_gets_a_letter_after_leaving(run: Make) -> None:
    one = run(500)
    one.wait_for_settled(50)

    client = Client()
    waiting: list[int] = []
    for letter in Delivery.objects.order_by("-pk")[:60]:
        token = tokens.seal("unsubscribe", letter.pk)
        assert client.post(f"/u/{token}", {"List-Unsubscribe": "One-Click"}).status_code == 200
        waiting += Delivery.objects.filter(pk=letter.pk, state="queued").values_list("pk", flat=True)

    one.wait_for_end()
    one.check_accounted(explained={"skipped"})
    assert waiting
    assert set(Delivery.objects.filter(pk__in=waiting).values_list("state", "reason")) == {("skipped", "unsubscribed")}


def test_two_beats_start_a_campaign_once_and_the_second_takes_over(
    run: Make, another_group: Callable[..., Group]
) -> None:
    one = run(500, start=False)
    other = another_group("second")
    other.start("beat")
    one.group.start()
    one.wait_for_settled(100)
    wait_until(lambda: len(leaders(one.group, other)) == 1, what="one beat to lead")
    (leader,) = leaders(one.group, other)

    os.kill(leader.pid("beat"), signal.SIGKILL)
    leader.processes.pop("beat").wait(30)
    wait_until(lambda: len(leaders(one.group, other)) == 2, what="the other beat to lead")
    lifecycle.pause(one.campaign, by=None)
    lifecycle.resume(one.campaign, by=None)  # the rings are forgotten: only a sweep can go on

    one.wait_for_end()
    one.check_accounted()
    assert one.states() == {"sent": 500}
    assert Campaign.objects.get().entries.filter(kind="sending").count() == 1


def leaders(*groups: Group) -> list[Group]:
    """The groups whose beat has led so far."""
    return [group for group in groups if "This beat leads now" in (group.folder / "beat.log").read_text()]
