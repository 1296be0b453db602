"""Limits, trouble and switches of an account hold its letters back: they wait, nothing is lost, nothing is stuck."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.models.functions import Now
from django.utils import timezone

from apps.accounts.models import Workspace
from apps.campaigns import selectors, situations, tally
from apps.campaigns.models import Campaign, Delivery
from apps.campaigns.services import batching, dispatch, pacing, stuck, sweeps
from apps.contacts.models import Suppression
from apps.smtp.models import Throttle, Transport
from apps.smtp.outcome import Accepted, Deferred, FailureClass, Outcome, Reply, Stage
from apps.smtp.services import breaker, configs, throttles
from apps.smtp.throttle import Limits
from core import jobs
from tests.campaigns.conftest import letters
from tests.contacts.rivals import race

Sending = Callable[..., Campaign]
MINUTE = timedelta(minutes=1)
OK = Accepted(Reply(250, "2.0.0", "Taken"))
WRONG_PASSWORD = Deferred(Stage.AUTH, Reply(535, "5.7.8", "No"), FailureClass.ACCOUNT, counted=False)
AWAY = Deferred(Stage.CONNECT, None, FailureClass.TRANSIENT_DEST, counted=False, reason="unreachable")
GREYLISTED = Deferred(Stage.RCPT, Reply(451, "4.7.1", "Later"), FailureClass.TRANSIENT_RECIPIENT, counted=True)


@pytest.fixture(autouse=True)
def _fresh_configs() -> None:
    configs.forget()


@pytest.fixture
def rung(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    made: list[tuple[str, int]] = []

    def ring(task: str, calls: list[tuple[int]]) -> int:
        made.extend((task, one[0]) for one in calls)
        return len(calls)

    monkeypatch.setattr(jobs, "ring_now", ring)
    return made


@pytest.fixture
def server_says(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[int]]:
    """Make every letter that is carried meet an outcome; the returned list counts them."""

    def say(*outcomes: Outcome) -> list[int]:
        carried: list[int] = []

        def carry(_config: object, _envelope: object, *, mark: Callable[[], bool], **_named: object) -> Outcome:
            outcome = outcomes[min(len(carried), len(outcomes) - 1)]
            carried.append(1)
            if isinstance(outcome, Accepted):
                assert mark()
            return outcome

        monkeypatch.setattr(dispatch.post_office, "carry", carry)
        monkeypatch.setattr(configs, "read", lambda account: configs.TransportConfig(
            id=account.pk, workspace_id=1, kind="smtp", limits=account.limits
        ))  # fmt: skip
        return carried

    return say


def limit(**limits: int) -> Transport:
    Transport.objects.update(**limits)
    configs.forget()
    return Transport.objects.get()


def send(letter: Delivery) -> None:
    dispatch.send_single(letter.pk, started=time.monotonic())


def send_all(campaign: Campaign) -> None:
    for letter in letters(campaign):
        send(letter)


def states(campaign: Campaign) -> Counter[str]:
    return Counter(Delivery.objects.filter(campaign=campaign).values_list("state", flat=True))


def batch_of(campaign: Campaign) -> int:
    return campaign.batches.get().pk


def age(campaign: Campaign, minutes: int = 40) -> None:
    with connection.cursor() as cursor:
        cursor.execute("UPDATE campaigns_delivery SET moved_at = now() - %s * interval '1 minute'", [minutes])
        cursor.execute("UPDATE campaigns_campaign SET moved_at = now() - %s * interval '1 minute'", [minutes])


def test_a_batch_admits_only_what_there_is_room_for(sending: Sending) -> None:
    campaign = sending(8)
    limit(per_hour=3)

    admitted = batching.admit(batch_of(campaign))

    assert len(admitted) == 3
    assert Delivery.objects.filter(rung_at=None, state="queued").count() == 5
    assert batching.admit(batch_of(campaign)) == []


def test_another_account_that_is_shut_changes_nothing(
    sending: Sending, workspace: Workspace, rung: list[tuple[str, int]]
) -> None:
    campaign = sending(8)
    limit(per_hour=3)
    Transport.objects.create(workspace=workspace, name="Old", kind="smtp", host="old.example", is_active=False)

    assert len(batching.admit(batch_of(campaign))) == 3
    assert dispatch.ring_paced()
    assert rung == []


def test_without_limits_everything_is_admitted(sending: Sending) -> None:
    campaign = sending(8)

    assert len(batching.admit(batch_of(campaign))) == 8


def test_a_full_account_carries_no_more(sending: Sending, server_says: Callable[..., list[int]]) -> None:
    campaign = sending(5)
    account = limit(per_day=2)
    carried = server_says(OK)

    send_all(campaign)

    waiting = Delivery.objects.filter(state="queued")
    assert (len(carried), states(campaign)) == (2, Counter(sent=2, queued=3))
    assert set(waiting.values_list("attempts", "rung_at", "owner")) == {(0, None, "")}
    assert all(one.due_at > timezone.now() for one in waiting)
    assert account.throttle.opens_at is not None
    assert account.throttle.opens_at > timezone.now() + timedelta(hours=23)


def test_a_full_account_is_not_rung_and_its_campaign_is_not_stuck(
    sending: Sending, server_says: Callable[..., list[int]], rung: list[tuple[str, int]]
) -> None:
    campaign = sending(5)
    limit(per_hour=2)
    server_says(OK)
    send_all(campaign)
    Delivery.objects.filter(state="queued").update(due_at=Now() - timedelta(minutes=1), rung_at=None)
    age(campaign)

    sweeps.sweep()
    dispatch.ring_paced()

    assert rung == []
    assert stuck.find(timedelta(minutes=30)) == []


def test_the_page_says_what_a_full_account_waits_for(sending: Sending, server_says: Callable[..., list[int]]) -> None:
    campaign = sending(5)
    limit(per_hour=2)
    server_says(OK)
    send_all(campaign)

    found = situations.of(campaign, selectors.account(campaign), tally.of(campaign).pace)

    assert found is not None
    assert (found.kind, "has used up its limit" in found.title) == ("calm", True)
    assert found.next_due_at is not None


def test_a_raised_limit_lets_the_rest_go_at_once(
    sending: Sending, server_says: Callable[..., list[int]], rung: list[tuple[str, int]]
) -> None:
    from apps.smtp.services import accounts

    campaign = sending(5)
    account = limit(per_hour=2)
    server_says(OK)
    send_all(campaign)

    accounts.save(account, Limits(per_hour=4))
    Delivery.objects.filter(state="queued").update(due_at=Now() - MINUTE)
    dispatch.ring_paced()

    assert len(rung) == 2


def test_of_many_rivals_no_more_go_than_the_limit(transport: Transport, transactional_db: None) -> None:
    limits = Limits(per_hour=20)

    def rival() -> int:
        return sum(throttles.take(transport.pk, limits).is_granted for _turn in range(10))

    taken = race(*[rival] * 6)

    assert sum(taken) == 20
    assert throttles.room(transport.pk, limits, horizon=0) == 0


def test_rivals_get_turns_one_after_another(transport: Transport, transactional_db: None) -> None:
    limits = Limits(per_second=10)

    def rival() -> float:
        grant = throttles.take(transport.pk, limits, patience=60)
        assert grant.is_granted
        return grant.wait

    waits = sorted(race(*[rival] * 8))

    assert waits[-1] - waits[0] >= 0.6
    assert Throttle.objects.get().version == 7


def test_a_turn_too_far_off_is_not_taken(transport: Transport) -> None:
    limits = Limits(per_minute=1)

    first, second = (throttles.take(transport.pk, limits) for _turn in range(2))

    assert (first.is_granted, second.is_granted) == (True, False)
    assert 55 < second.wait <= 61
    assert Throttle.objects.get().version == 0


def test_campaigns_of_one_account_share_its_room(
    sending: Sending, make_campaign: Callable[..., Campaign], rung: list[tuple[str, int]]
) -> None:
    first = sending(6)
    second = make_campaign(state="sending")
    half = list(Delivery.objects.values_list("pk", flat=True))[:3]
    Delivery.objects.filter(pk__in=half).update(campaign=second)
    account = limit(per_hour=4)

    dispatch.ring_paced()

    rung_ids = {number for _task, number in rung}
    assert len(rung_ids) == 4
    assert Delivery.objects.filter(pk__in=rung_ids, campaign=first).count() == 2
    assert pacing.room(pacing.LimitedAccount(account.pk, account.limits, [first.pk, second.pk], 0)) == 0


def test_an_account_that_is_switched_off_carries_nothing(
    sending: Sending, server_says: Callable[..., list[int]], rung: list[tuple[str, int]]
) -> None:
    campaign = sending(3)
    carried = server_says(OK)
    Transport.objects.update(is_active=False)
    age(campaign)

    send_all(campaign)
    sweeps.sweep()

    assert (carried, rung, states(campaign)) == ([], [], Counter(queued=3))
    assert stuck.find(timedelta(minutes=30)) == []
    found = situations.of(campaign, selectors.account(campaign), tally.of(campaign).pace)
    assert found is not None and "switched off" in found.title


def test_a_refused_password_stops_the_account_and_burns_nothing(
    sending: Sending, server_says: Callable[..., list[int]]
) -> None:
    campaign = sending(10)
    carried = server_says(WRONG_PASSWORD)

    send_all(campaign)

    throttle = Throttle.objects.get()
    assert len(carried) == breaker.AUTH_FAILURES
    assert (states(campaign), Suppression.objects.count()) == (Counter(queued=10), 0)
    assert Delivery.objects.filter(attempts=0).count() == 10 - breaker.AUTH_FAILURES
    assert throttle.closed_until is not None and throttle.closed_until > timezone.now()
    assert (throttle.trouble_stage, throttle.trouble_text) == ("auth", "535 5.7.8 No")


def test_after_the_pause_one_letter_looks_and_heals_it(sending: Sending, server_says: Callable[..., list[int]]) -> None:
    campaign = sending(4)
    server_says(WRONG_PASSWORD)
    send_all(campaign)
    Throttle.objects.update(closed_until=Now() - MINUTE)
    Delivery.objects.update(due_at=Now() - MINUTE)
    account = campaign.transport_id or 0

    assert breaker.may_try(account) is True
    assert breaker.may_try(account) is False

    Throttle.objects.update(closed_until=Now() - MINUTE)
    server_says(OK)
    send_all(campaign)
    healed = Throttle.objects.get()
    assert (healed.failures, healed.closed_until, healed.trouble_since) == (0, None, None)
    assert states(campaign)["sent"] == 4


def test_a_probe_that_fails_makes_the_pause_longer(sending: Sending, server_says: Callable[..., list[int]]) -> None:
    campaign = sending(6)
    server_says(WRONG_PASSWORD)
    send_all(campaign)
    pauses = []

    for _round in range(3):
        Throttle.objects.update(closed_until=Now() - MINUTE)
        Delivery.objects.update(due_at=Now() - MINUTE)
        send_all(campaign)
        until = Throttle.objects.get().closed_until
        assert until is not None
        pauses.append(round((until - timezone.now()).total_seconds() / 60))

    assert pauses == [2, 4, 8]


@pytest.mark.parametrize(("outcome", "is_shut"), [(AWAY, True), (GREYLISTED, False), (WRONG_PASSWORD, True)])
def test_only_trouble_of_the_account_shuts_it(
    sending: Sending, server_says: Callable[..., list[int]], outcome: Outcome, is_shut: bool
) -> None:
    campaign = sending(6)
    carried = server_says(outcome)

    send_all(campaign)

    throttle = Throttle.objects.first()
    assert (len(carried) < 6) is is_shut
    assert bool(throttle and throttle.closed_until) is is_shut


def test_a_test_letter_counts_too(sending: Sending, server_says: Callable[..., list[int]]) -> None:
    campaign = sending(3)
    limit(per_hour=3)
    carried = server_says(OK)
    test_letter = letters(campaign)[0]
    values: dict[str, Any] = {"kind": "test", "batch": None}
    Delivery.objects.filter(pk=test_letter.pk).update(**values)

    send_all(campaign)

    assert len(carried) == 3
    assert throttles.room(campaign.transport_id or 0, Limits(per_hour=3), horizon=0) == 0
