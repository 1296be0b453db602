"""What a campaign stood still is added to the life of its letters exactly once, and no row of theirs is written."""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Callable

import pytest
from django.db import connection, transaction
from django.db.models import F
from django.db.models.functions import Now
from django.utils import timezone

from apps.campaigns import tally, trail
from apps.campaigns.models import Campaign, CampaignEntry, Delivery
from apps.campaigns.services import claims, follow_ups, lifecycle, outcomes, second_tries, standstill, sweeps
from apps.campaigns.services.claims import Claimed
from apps.contacts.models import Suppression
from apps.smtp import bounces
from apps.smtp.models import Throttle, Transport
from apps.smtp.outcome import Deferred, FailureClass, Reply, Stage
from apps.smtp.services import accounts, breaker
from core import queues
from tests.campaigns.conftest import letters
from tests.campaigns.inline_scene import Rings, rings, send, through
from tests.fault_server import Fault, FaultServer

__all__ = ["rings"]

Sending = Callable[..., Campaign]
REFUSED = Deferred(Stage.AUTH, Reply(535, "5.7.8", "bad password"), FailureClass.ACCOUNT, counted=False)
GREYLISTED = Deferred(Stage.RCPT, Reply(451, "4.7.1", "greylisted"), FailureClass.TRANSIENT_RECIPIENT, counted=True)
HOURS = dt.timedelta(hours=1)


@pytest.fixture(autouse=True)
def _quiet_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.jobs.ring_now", lambda _task, calls: len(calls))
    monkeypatch.setattr(queues, "depth", lambda _queue: 1)


def sweep(campaign: Campaign) -> None:
    assert sweeps.sweep() is not None
    campaign.refresh_from_db()


def break_account(transport: Transport) -> None:
    for _number in range(breaker.AUTH_FAILURES):
        breaker.note(transport.pk, REFUSED, had_failures=True, was_probe=False)


def stall_for(campaign: Campaign, hours: int) -> None:
    Campaign.objects.update(state="stalled", state_reason="account", moved_at=Now() - hours * HOURS)
    campaign.refresh_from_db()


def pass_time(hours: int) -> None:
    """Let everything that is on record have happened so much earlier."""
    Campaign.objects.update(moved_at=F("moved_at") - hours * HOURS)
    Transport.objects.update(switched_off_at=F("switched_off_at") - hours * HOURS)
    Delivery.objects.update(expires_at=F("expires_at") - hours * HOURS)


def begin(campaign: Campaign) -> Claimed:
    claimed = claims.begin(letters(campaign)[0].pk, owner="w1")
    assert claimed is not None
    return claimed


def test_the_letter_that_tries_the_account_does_not_expire(sending: Sending, transport: Transport) -> None:
    campaign = sending(1)
    break_account(transport)
    sweep(campaign)
    pass_time(80)
    Throttle.objects.update(closed_until=Now() - dt.timedelta(minutes=10))
    claimed = begin(campaign)

    assert outcomes.write(outcomes.interpret(claimed, REFUSED, was_marked=False))

    assert letters(campaign)[0].state == "queued"


def test_a_letter_that_was_in_hand_when_it_went_on_does_not_expire(sending: Sending, transport: Transport) -> None:
    campaign = sending(1)
    break_account(transport)
    sweep(campaign)
    pass_time(80)
    breaker.heal(transport.pk)
    claimed = begin(campaign)
    sweep(campaign)
    assert campaign.state == "sending"

    assert outcomes.write(outcomes.interpret(claimed, GREYLISTED, was_marked=False))

    assert letters(campaign)[0].state == "queued"


def test_what_comes_back_while_it_is_paused_waits(sending: Sending) -> None:
    campaign = sending(1)
    claimed = begin(campaign)
    Delivery.objects.update(expires_at=Now() + dt.timedelta(seconds=1))
    lifecycle.pause(campaign, by=None)

    assert outcomes.write(outcomes.interpret(claimed, GREYLISTED, was_marked=False))

    assert letters(campaign)[0].state == "queued"


def test_after_a_standstill_a_letter_still_expires(sending: Sending) -> None:
    campaign = sending(1)
    stall_for(campaign, 5)
    standstill.wake(campaign.pk)
    claimed = begin(campaign)
    Delivery.objects.update(expires_at=Now() - 5 * HOURS)

    assert outcomes.write(outcomes.interpret(claimed, GREYLISTED, was_marked=False))

    assert letters(campaign)[0].state == "expired"


def test_an_account_that_is_off_during_a_pause_counts_once(sending: Sending, transport: Transport) -> None:
    campaign = sending(1)
    lifecycle.pause(campaign, by=None)
    accounts.switch(transport, on=False)
    pass_time(96)

    lifecycle.resume(campaign, by=None)
    sweep(campaign)
    assert campaign.state == "stalled"
    transport.refresh_from_db()
    accounts.switch(transport, on=True)
    sweep(campaign)

    assert campaign.state == "sending"
    assert 96 * HOURS <= campaign.held < 97 * HOURS


@pytest.mark.django_db(transaction=True)
def test_two_who_wake_it_at_once_count_once(sending: Sending) -> None:
    campaign = sending(1)
    stall_for(campaign, 50)
    woken: list[bool] = []

    def other() -> None:
        try:
            woken.append(standstill.wake(campaign.pk))
        finally:
            connection.close()

    rival = threading.Thread(target=other)
    with transaction.atomic():
        assert standstill.wake(campaign.pk)
        rival.start()
    rival.join(timeout=30)

    campaign.refresh_from_db()
    assert woken == [False]
    assert 50 * HOURS <= campaign.held < 51 * HOURS
    assert CampaignEntry.objects.filter(kind="resumed").count() == 1


def test_going_on_writes_no_letter(sending: Sending, transport: Transport) -> None:
    campaign = sending(5)

    def written() -> list[tuple[int, ...]]:
        with connection.cursor() as cursor:
            cursor.execute("SELECT id, ctid::text FROM campaigns_delivery ORDER BY id")
            return list(cursor.fetchall())

    before = written()
    accounts.switch(transport, on=False)
    sweep(campaign)
    meanwhile = campaign.state
    accounts.switch(transport, on=True)
    sweep(campaign)
    lifecycle.pause(campaign, by=None)
    lifecycle.resume(campaign, by=None)

    assert (meanwhile, campaign.state) == ("stalled", "sending")
    assert written() == before


def test_a_second_try_late_in_a_long_pause_lives_as_long_as_any(sending: Sending) -> None:
    campaign = sending(2)
    lifecycle.pause(campaign, by=None)
    pass_time(240)
    Delivery.objects.filter(pk=letters(campaign)[0].pk).update(state="failed", reason="transient_recipient")

    assert second_tries.retry_failed(campaign, by=None) == 1
    lifecycle.resume(campaign, by=None)

    again = letters(campaign)[0]
    assert abs(again.expires_at + campaign.held - again.due_at - campaign.expires_after) < HOURS
    assert claims.begin(again.pk, owner="w1") is not None


def test_the_campaign_says_the_later_end(sending: Sending) -> None:
    campaign = sending(1)
    stall_for(campaign, 50)
    standstill.wake(campaign.pk)

    until = tally.of(campaign).pace.last_try_until

    campaign.refresh_from_db()
    end = letters(campaign)[0].expires_at + campaign.held
    assert until == end
    told = trail.tell(trail.ask_address(campaign, letters(campaign)[0].email))
    assert f"{timezone.localtime(end):%H:%M}" in told.sentence


def test_a_wall_pauses_what_is_stalled_for_its_account(sending: Sending, transport: Transport) -> None:
    campaign = sending(3)
    break_account(transport)
    sweep(campaign)
    breaker.heal(transport.pk)
    claimed = begin(campaign)
    assert claims.mark(claimed)
    wall = bounces.refused(Stage.DOT, Reply(550, "5.7.515", "Access denied"))
    pass_time(10)
    assert outcomes.write(outcomes.interpret(claimed, wall, was_marked=True))

    assert follow_ups.follow_up(claimed, wall)

    sweep(campaign)
    assert (campaign.state, campaign.state_reason) == ("paused", "policy_auth")
    assert 10 * HOURS <= campaign.held < 11 * HOURS


def test_no_progress_is_not_paused_by_a_straggler(sending: Sending) -> None:
    campaign = sending(1, state="stalled", state_reason="no_progress")

    assert not lifecycle.pause_for(campaign.pk, reason="policy_auth")


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("reply", "reason"), [("550 5.1.1 no such user", "hard_bounces"), ("550 5.7.515 Access denied", "policy_auth")]
)
def test_bad_addresses_and_walls_stop_a_stalled_campaign_early(
    sending: Sending, rings: Rings, reply: str, reason: str
) -> None:
    campaign = sending(300)
    with FaultServer([Fault("rcpt" if "5.1.1" in reply else "dot", reply)]) as server:
        through(server)
        stall_for(campaign, 0)
        send()

    campaign.refresh_from_db()
    assert (campaign.state, campaign.state_reason) == ("paused", reason)
    assert Delivery.objects.filter(state="failed").count() <= 100
    assert Suppression.objects.count() <= 100
