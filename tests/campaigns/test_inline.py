"""A batch carried by its own task: what it takes, what it leaves, and what is rung after it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.db.models.functions import Now

from apps.campaigns.models import Batch, Campaign, Delivery
from apps.campaigns.rendering import RenderError
from apps.campaigns.services import (
    batching,
    dispatch,
    grouped_claims,
    inline,
    lifecycle,
    sweeps,
)
from apps.contacts.models import Suppression
from apps.smtp.models import Throttle, Transport
from apps.smtp.pool import connections
from core import database
from core.errors import EspError
from core.models import InstanceEpoch
from tests.campaigns.conftest import letters
from tests.campaigns.inline_scene import Rings, rings, send, states, through
from tests.fault_server import Fault, FaultServer

__all__ = ["rings"]

Sending = Callable[..., Campaign]
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("rings")]


def test_a_batch_carries_its_letters_without_ringing_one(sending: Sending, rings: Rings) -> None:
    campaign = sending(120)
    before = connections.counters.letters
    with FaultServer() as server:
        through(server)

        assert send() == 120

        assert sorted(server.recipients()) == sorted(letter.email for letter in letters(campaign))
    assert states(campaign) == {"sent": 120}
    assert set(Delivery.objects.values_list("attempts", "token", "owner")) == {(1, 2, "")}
    assert rings == []
    assert connections.counters.letters - before == 120


def test_a_good_letter_costs_a_small_part_of_a_statement(sending: Sending, monkeypatch: pytest.MonkeyPatch) -> None:
    sending(200)
    execute, asked = database.execute_many, list[str]()

    def counted(statement: str, values: Any) -> Any:
        asked.append(statement)
        return execute(statement, values)

    monkeypatch.setattr(database, "execute_many", counted)
    with FaultServer() as server:
        through(server)
        send()

    assert len([one for one in asked if one == grouped_claims.BEGIN_SLICE]) < 100
    assert len(asked) < 3 * 200


def test_what_goes_alone_is_rung_and_the_rest_is_carried(sending: Sending, rings: Rings) -> None:
    campaign = sending(3)
    Delivery.objects.filter(pk=letters(campaign)[1].pk).update(crash_count=1)
    with FaultServer() as server:
        through(server)
        send()

        assert len(server.letters) == 2
    assert rings == [(batching.SINGLE, (letters(campaign)[1].pk,))]


@pytest.mark.parametrize(
    "fields", [{"per_hour": 1000}, {"kind": "provider", "provider": "postmark", "host": "", "port": 587}]
)
def test_an_account_with_limits_or_an_api_is_fanned_out(sending: Sending, rings: Rings, fields: dict[str, Any]) -> None:
    campaign = sending(3)
    with FaultServer() as server:
        through(server, **fields)
        send()

        assert server.letters == []
    assert {task for task, _ in rings} == {batching.SINGLE}
    assert 0 < len(rings) <= len(letters(campaign))


def test_a_finished_batch_rings_the_campaigns_next(sending: Sending, rings: Rings, settings: Any) -> None:
    campaign = sending(3)
    (first,) = Batch.objects.all()
    second = Batch.objects.create(campaign=campaign, number=first.number + 1, size=1)
    moved = letters(campaign)[2]
    Delivery.objects.filter(pk=moved.pk).update(batch=second)
    with FaultServer() as server:
        through(server)
        dispatch.send_batch(first.pk, started=time.monotonic())

    assert rings == [(batching.BATCH, (second.pk,))]


def test_a_batch_of_which_nothing_can_move_is_not_rung_in_a_circle(sending: Sending, rings: Rings) -> None:
    sending(2)
    assert batching.next_batches(Campaign.objects.get().pk) == [Batch.objects.get().pk]
    InstanceEpoch.objects.update_or_create(id=1, defaults={"own_table": 1, "frozen_at": Now()})
    with FaultServer() as server:
        through(server)

        assert send() == 0
    assert rings == []
    assert batching.next_batches(Campaign.objects.get().pk) == []


def test_open_batches_are_bounded(sending: Sending, settings: Any) -> None:
    from dataclasses import replace

    settings.LIMITS = replace(settings.LIMITS, inline_rung_batches=2)
    campaign = sending(4)
    (first,) = Batch.objects.all()
    for number, letter in enumerate(letters(campaign)[1:], start=first.number + 1):
        Delivery.objects.filter(pk=letter.pk).update(
            batch=Batch.objects.create(campaign=campaign, number=number, size=1)
        )

    rung = batching.next_batches(campaign.pk)

    assert len(rung) == 2 and rung[0] == first.pk
    assert batching.next_batches(campaign.pk) == []
    Delivery.objects.filter(batch_id=first.pk).update(state="sent")
    assert len(batching.next_batches(campaign.pk)) == 1


def test_a_letter_that_cannot_be_composed_fails_alone(sending: Sending, monkeypatch: pytest.MonkeyPatch) -> None:
    campaign = sending(3)
    compose, bad = inline.composing.compose, letters(campaign)[1].pk

    def broken(claimed: Any) -> Any:
        if claimed.delivery_id == bad:
            raise RenderError("No such field.")
        return compose(claimed)

    monkeypatch.setattr(inline.composing, "compose", broken)
    with FaultServer() as server:
        through(server)
        send()

        assert len(server.letters) == 2
    assert [(one.state, one.reason) for one in letters(campaign)] == [("sent", ""), ("failed", "render"), ("sent", "")]


def test_a_letter_that_cannot_be_signed_waits_and_costs_no_try(
    sending: Sending, monkeypatch: pytest.MonkeyPatch
) -> None:
    campaign = sending(3)
    Batch.objects.update(rung_at=Now())
    compose, bad = inline.composing.compose, letters(campaign)[1].pk

    def unsigned(claimed: Any) -> Any:
        if claimed.delivery_id == bad:
            raise EspError("A stored signing key cannot be read.", code="bad_signing_key")
        return compose(claimed)

    monkeypatch.setattr(inline.composing, "compose", unsigned)
    with FaultServer() as server:
        through(server)
        send()

        assert len(server.letters) == 1
    # The next one could not be signed either: it stays unbegun, and the batch waits for the sweep.
    assert [(one.state, one.attempts) for one in letters(campaign)] == [("sent", 1), ("queued", 1), ("queued", 0)]
    assert not Batch.objects.filter(rung_at=None).exists()
    assert (letters(campaign)[1].reason, letters(campaign)[1].counted_tries) == ("account", 0)


def test_a_letter_none_can_build_pauses_the_campaign_after_a_few(
    sending: Sending, monkeypatch: pytest.MonkeyPatch
) -> None:
    campaign = sending(150)

    def broken(_claimed: Any) -> Any:
        raise RenderError("No such field.")

    monkeypatch.setattr(inline.composing, "compose", broken)
    with FaultServer() as server:
        through(server)
        send()
    campaign.refresh_from_db()

    assert (campaign.state, campaign.state_reason) == ("paused", "letters_unbuilt")
    assert states(campaign)["failed"] <= 100
    assert set(states(campaign)) == {"failed", "queued"}
    assert set(Delivery.objects.filter(state="queued").values_list("attempts", "owner")) == {(0, "")}


def test_a_wall_pauses_the_campaign_within_its_first_hundred(sending: Sending) -> None:
    campaign = sending(300)
    with FaultServer([Fault("rcpt", "550 5.7.26 Unauthenticated")]) as server:
        through(server)
        send()
        assert server.letters == []
    campaign.refresh_from_db()

    assert (campaign.state, campaign.state_reason) == ("paused", "policy_auth")
    assert Delivery.objects.filter(attempts__gt=0).count() <= 100
    assert not Suppression.objects.exists()


def test_a_list_of_unknown_people_pauses_the_campaign_within_its_first_hundred(sending: Sending) -> None:
    campaign = sending(300)
    with FaultServer([Fault("rcpt", "550 5.1.1 No such user")]) as server:
        through(server)
        send()
    campaign.refresh_from_db()

    assert (campaign.state, campaign.state_reason) == ("paused", "hard_bounces")
    assert Delivery.objects.filter(state="failed").count() <= 100
    assert set(states(campaign)) == {"failed", "queued"}


def test_an_account_in_trouble_stops_the_batch_and_burns_no_letter(sending: Sending) -> None:
    campaign = sending(100)
    with FaultServer([Fault("connect", "drop")]) as server:
        account = through(server)
        for _ in range(5):
            send()
    throttle = Throttle.objects.get(transport=account)

    assert throttle.closed_until is not None
    assert states(campaign) == {"queued": 100}
    assert sum(Delivery.objects.values_list("counted_tries", flat=True)) == 0
    assert Delivery.objects.filter(last_stage__gt="").count() <= 10


def test_a_yes_heals_the_account(sending: Sending) -> None:
    sending(3)
    with FaultServer() as server:
        account = through(server)
        Throttle.objects.update_or_create(transport=account, defaults={"failures": 2})
        send()

    assert Throttle.objects.get(transport=account).failures == 0


def test_letters_that_may_not_go_are_closed(sending: Sending) -> None:
    campaign = sending(3)
    (one, *_) = letters(campaign)
    Suppression.objects.create(workspace_id=one.workspace_id, email_hash=one.email_hash, reason="manual")
    with FaultServer() as server:
        through(server)
        send()

    assert states(campaign) == {"skipped": 1, "sent": 2}


def test_a_reply_that_never_comes_is_held(sending: Sending) -> None:
    campaign = sending(20)
    with FaultServer([Fault("dot", "drop", nth=3)]) as server:
        through(server)
        send()

    assert states(campaign) == {"sent": 19, "unconfirmed": 1}


def test_what_is_fanned_out_keeps_the_bounds_of_fan_out(sending: Sending, rings: Rings) -> None:
    """A provider's campaign has its few batches with rung letters, and not as many as are carried inline."""
    campaign = sending(8)
    Transport.objects.filter(pk=campaign.transport_id).update(kind="provider", provider="postmark")
    (first,) = Batch.objects.all()
    for number, letter in enumerate(letters(campaign)[1:], start=first.number + 1):
        Delivery.objects.filter(pk=letter.pk).update(
            batch=Batch.objects.create(campaign=campaign, number=number, size=1)
        )

    assert len(batching.next_batches(campaign.pk)) == inline.settings.LIMITS.max_rung_batches


def test_a_resumed_campaign_does_not_wait_for_the_rings_of_before(sending: Sending) -> None:
    campaign = sending(2)
    assert batching.next_batches(campaign.pk) != []
    assert batching.next_batches(campaign.pk) == []
    lifecycle.pause(campaign, by=None)
    campaign.refresh_from_db()
    lifecycle.resume(campaign, by=None)

    assert batching.next_batches(campaign.pk) != []


def test_the_sweep_rings_a_batch_again_when_the_broker_lost_it(
    sending: Sending, rings: Rings, monkeypatch: pytest.MonkeyPatch
) -> None:
    campaign = sending(2)
    assert batching.next_batches(campaign.pk) == [Batch.objects.get().pk]
    monkeypatch.setattr("core.queues.depth", lambda _queue: 0)
    sweeps.sweep()
    assert rings == []
    with connection.cursor() as cursor:
        cursor.execute("UPDATE campaigns_batch SET rung_at = rung_at - interval '16 seconds'")

    sweeps.sweep()

    assert rings == [(batching.BATCH, (Batch.objects.get().pk,))]
