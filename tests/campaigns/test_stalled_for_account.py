"""A campaign whose account carries nothing is stalled, says why, loses no letter to it, and goes on by itself."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import connection
from django.db.models import F
from django.db.models.functions import Now
from django.test import Client
from django.urls import reverse

from apps.accounts.models import User
from apps.campaigns import selectors, situations, tally
from apps.campaigns.models import Campaign, CampaignEntry, Delivery
from apps.campaigns.services import batching, claims, lifecycle, outcomes, stuck, sweeps
from apps.campaigns.services.claims import Claimed
from apps.smtp.models import Throttle, Transport
from apps.smtp.outcome import Accepted, Deferred, FailureClass, Reply, Stage
from apps.smtp.services import accounts, breaker
from core import queues
from tests.campaigns.conftest import letters

Sending = Callable[..., Campaign]
REFUSED = Deferred(Stage.AUTH, Reply(535, "5.7.8", "bad password"), FailureClass.ACCOUNT, counted=False)
OK = Reply(250, "2.0.0", "queued")


@pytest.fixture(autouse=True)
def _quiet_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.jobs.ring_now", lambda _task, calls: len(calls))
    monkeypatch.setattr(queues, "depth", lambda _queue: 1)


def sweep(campaign: Campaign) -> sweeps.Swept:
    swept = sweeps.sweep()
    assert swept is not None  # nobody else sweeps
    campaign.refresh_from_db()
    return swept


def break_account(transport: Transport) -> None:
    for _number in range(breaker.AUTH_FAILURES):
        breaker.note(transport.pk, REFUSED, had_failures=True, was_probe=False)


def begin(letter: Delivery) -> Claimed | None:
    return claims.begin(letter.pk, owner="w1")


def test_refused_credentials_stall_it_with_a_reason(sending: Sending, transport: Transport) -> None:
    campaign = sending(2)
    assert sweep(campaign).stalled == 0
    break_account(transport)

    assert sweep(campaign).stalled == 1

    assert (campaign.state, campaign.state_reason) == ("stalled", "account")
    found = situations.of(campaign, selectors.account(campaign), tally.of(campaign).pace)
    assert found is not None and found.kind == "bad" and "refuses our password" in found.title
    assert sweep(campaign).stalled == 0  # once
    assert CampaignEntry.objects.filter(kind="stalled").count() == 1


def test_it_goes_on_by_itself_when_the_account_is_well(sending: Sending, transport: Transport) -> None:
    campaign = sending(1)
    break_account(transport)
    sweep(campaign)
    Campaign.objects.update(moved_at=F("moved_at") - timedelta(hours=5))

    breaker.heal(transport.pk)
    assert sweep(campaign).woken == 1

    assert (campaign.state, campaign.state_reason) == ("sending", "")
    assert timedelta(hours=5) <= campaign.held < timedelta(hours=6)
    assert CampaignEntry.objects.get(kind="resumed").detail["reason"] == "account_well"


def test_one_letter_tries_the_account_from_a_stalled_campaign_and_is_not_lost(
    sending: Sending, transport: Transport
) -> None:
    """The pause of the breaker is over: the letter that tries the account passes both gates, whatever the state is."""
    campaign = sending(2)
    break_account(transport)
    sweep(campaign)
    assert begin(letters(campaign)[0]) is None  # shut
    Throttle.objects.update(closed_until=Now() - timedelta(minutes=10))
    sweep(campaign)
    assert campaign.state == "stalled"

    (batch_id,) = Campaign.objects.get().batches.values_list("pk", flat=True)
    Delivery.objects.update(rung_at=None)
    assert batching.admit(batch_id)
    claimed = begin(letters(campaign)[0])
    assert claimed is not None and breaker.may_try(transport.pk) is True
    assert begin(letters(campaign)[1]) is None  # one at a time
    sweep(campaign)
    assert claims.mark(claimed)
    assert outcomes.write(outcomes.interpret(claimed, Accepted(OK), was_marked=True))
    breaker.note(transport.pk, Accepted(OK), had_failures=True, was_probe=True)
    sweep(campaign)

    assert (campaign.state, letters(campaign)[0].state) == ("sending", "sent")


def test_a_letter_begun_before_the_state_flips_still_goes(sending: Sending, transport: Transport) -> None:
    campaign = sending(2)
    claimed = begin(letters(campaign)[0])
    assert claimed is not None
    break_account(transport)
    sweep(campaign)
    assert campaign.state == "stalled"

    assert claims.mark(claimed)


def test_its_page_leads_to_the_account_and_lets_nobody_go_on_in_vain(
    sending: Sending, transport: Transport, owner: User, owner_client: Client
) -> None:
    campaign = sending(1)
    break_account(transport)
    sweep(campaign)
    page = reverse("campaigns:detail", args=[campaign.workspace.slug, campaign.pk])

    shown = owner_client.get(page).content.decode()
    assert 'id="pause"' in shown and "Test the account" in shown and 'id="resume"' not in shown
    assert "The next try is at" in shown
    with pytest.raises(lifecycle.NotReadyError, match="carries nothing yet"):
        lifecycle.resume(campaign, by=owner)
    assert not CampaignEntry.objects.filter(kind="resumed").exists()

    accounts.switch(transport, on=False)
    assert "Switch it on" in owner_client.get(page).content.decode()
    accounts.switch(transport, on=True)
    breaker.heal(transport.pk)
    lifecycle.resume(campaign, by=owner)
    assert campaign.state == "sending"


def test_letters_do_not_age_meanwhile(sending: Sending, transport: Transport) -> None:
    campaign = sending(1)
    break_account(transport)
    sweep(campaign)
    Delivery.objects.update(expires_at=Now() - timedelta(hours=1))
    Throttle.objects.update(closed_until=Now() - timedelta(minutes=10))

    assert not claims.settle_refused(letters(campaign)[0].pk)
    assert begin(letters(campaign)[0]) is not None


def test_switching_the_account_off_and_on(sending: Sending, transport: Transport) -> None:
    campaign = sending(1)
    accounts.switch(transport, on=False)
    sweep(campaign)
    assert (campaign.state, campaign.state_reason) == ("stalled", "account")
    found = situations.of(campaign, selectors.account(campaign), tally.of(campaign).pace)
    assert found is not None and "switched off" in found.title

    accounts.switch(transport, on=True)
    sweep(campaign)

    assert campaign.state == "sending"


@pytest.mark.parametrize("deed", [lifecycle.pause, lifecycle.cancel])
def test_a_person_may_pause_or_cancel_it_and_then_it_does_not_wake(
    sending: Sending, transport: Transport, owner: User, deed: Callable[..., None]
) -> None:
    campaign = sending(2)
    break_account(transport)
    sweep(campaign)

    deed(campaign, by=owner)
    state = campaign.state
    breaker.heal(transport.pk)
    assert sweep(campaign).woken == 0

    assert campaign.state == state
    assert all(begin(letter) is None for letter in letters(campaign))
    assert campaign.finished_at is not None or state == "paused"


def test_limits_that_are_used_up_stall_nothing(sending: Sending, transport: Transport) -> None:
    campaign = sending(1)
    Throttle.objects.create(transport=transport, opens_at=Now() + timedelta(hours=1))

    assert sweep(campaign).stalled == 0


def test_a_worker_that_comes_does_not_wake_it(sending: Sending, transport: Transport) -> None:
    campaign = sending(1)
    break_account(transport)
    sweep(campaign)
    Campaign.objects.update(moved_at=Now() - timedelta(hours=1))
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO core_workerprocess (name, queues, started_at, counters) VALUES ('w', 'email', now(), '{}')"
        )

    stuck.check(timedelta(minutes=30))

    campaign.refresh_from_db()
    assert campaign.state == "stalled"


def test_what_is_stalled_with_nothing_left_closes(sending: Sending, transport: Transport) -> None:
    campaign = sending(1)
    break_account(transport)
    sweep(campaign)
    Delivery.objects.update(state="sent", sent_at=Now())

    sweep(campaign)

    assert (campaign.state, campaign.state_reason) == ("finished", "")
