"""What a sweep finds by state: ended leases, lost rings, remainders, campaigns that can close."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import DataError, connection, transaction

from apps.campaigns import checks, selectors, situations, tally
from apps.campaigns.models import Batch, Campaign, CampaignEntry, Delivery
from apps.campaigns.services import audience, batching, claims, dispatch, lifecycle, outcomes, spool, stuck, sweeps
from apps.smtp.models import Transport
from apps.smtp.outcome import Deferred, FailureClass, Reply, Stage
from apps.smtp.services import accounts
from core import queues
from core.health import Context, Status
from tests.campaigns.conftest import letters

Sending = Callable[..., Campaign]
HALF_HOUR = timedelta(minutes=30)


@pytest.fixture(autouse=True)
def rings(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, tuple[int, ...]]]:
    """Keep the rings instead of publishing them, and let the broker's queue hold something."""
    heard: list[tuple[str, tuple[int, ...]]] = []

    def ring_now(task: str, calls: list[tuple[int, ...]]) -> int:
        heard.extend((task, tuple(call)) for call in calls)
        return len(calls)

    monkeypatch.setattr("core.jobs.ring_now", ring_now)
    monkeypatch.setattr(queues, "depth", lambda _queue: 1)
    return heard


def sql(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)


def swept() -> sweeps.Swept:
    result = sweeps.sweep()
    assert result is not None
    return result


def test_an_ended_lease_before_the_marker_goes_back(sending: Sending) -> None:
    letter = letters(sending(1))[0]
    claimed = claims.begin(letter.pk, owner="dead")
    assert claimed is not None
    sql("UPDATE campaigns_delivery SET lease_until = now() - interval '1 second'")

    assert swept().requeued == 1

    letter.refresh_from_db()
    assert (letter.state, letter.crash_count, letter.token) == ("queued", 1, 2)
    assert claims.mark(claimed) is False


def test_after_an_outage_the_living_may_renew_their_leases_first(sending: Sending, settings: Any) -> None:
    """Nobody could renew while the database was away: an ended lease says nothing about its holder then."""
    limits = settings.LIMITS
    campaign = sending(1)
    swept()
    assert claims.begin(letters(campaign)[0].pk, owner="living")
    sql("UPDATE campaigns_delivery SET lease_until = now() - interval '1 second'")
    sql(f"UPDATE core_pulse SET at = now() - interval '{limits.lease} seconds' WHERE name = 'sweep'")

    assert [swept().requeued, swept().requeued] == [0, 0]
    assert claims.renew_leases("living") == 1

    sql("UPDATE campaigns_delivery SET lease_until = now() - interval '1 second'")
    sql(f"UPDATE core_pulse SET at = now() - interval '{limits.heartbeat} seconds' WHERE name = 'sweep_resumed'")
    assert swept().requeued == 1
    assert letters(campaign)[0].crash_count == 1


def test_the_third_crash_fails_that_letter_only(sending: Sending) -> None:
    poison, other = letters(sending(2))
    sql(f"UPDATE campaigns_delivery SET crash_count = 2 WHERE id = {poison.pk}")
    for letter in (poison, other):
        claims.begin(letter.pk, owner="dead")
    sql("UPDATE campaigns_delivery SET lease_until = now() - interval '1 second'")

    swept()

    poison.refresh_from_db()
    other.refresh_from_db()
    assert (poison.state, poison.reason) == ("failed", "crashed")
    assert other.state == "queued"


def test_twenty_crashed_letters_pause_the_campaign(sending: Sending) -> None:
    campaign = sending(21)
    sql("UPDATE campaigns_delivery SET crash_count = 2")
    for letter in letters(campaign)[:20]:
        claims.begin(letter.pk, owner="dead")
    sql("UPDATE campaigns_delivery SET lease_until = now() - interval '1 second'")

    assert swept().crashed == 20

    campaign.refresh_from_db()
    assert (campaign.state, campaign.state_reason) == ("paused", "letters_crash")


def test_crashes_from_before_it_went_on_pause_no_campaign_again(sending: Sending) -> None:
    campaign = sending(22)
    sql("UPDATE campaigns_delivery SET crash_count = 2")
    for letter in letters(campaign)[:20]:
        claims.begin(letter.pk, owner="dead")
    sql("UPDATE campaigns_delivery SET lease_until = now() - interval '1 second'")
    swept()
    sql("UPDATE campaigns_delivery SET moved_at = now() - interval '1 hour' WHERE reason = 'crashed'")
    campaign.refresh_from_db()
    lifecycle.resume(campaign, by=None)
    sql("UPDATE campaigns_campaign SET moved_at = now() - interval '1 minute'")

    assert claims.begin(letters(campaign)[20].pk, owner="dead")
    sql("UPDATE campaigns_delivery SET lease_until = now() - interval '1 second' WHERE state = 'sending'")
    assert swept().crashed == 1

    campaign.refresh_from_db()
    assert Delivery.objects.filter(reason="crashed").count() == 21
    assert campaign.state == "sending"


def test_committing_is_never_taken_back_before_its_deadline(sending: Sending) -> None:
    letter = letters(sending(1))[0]
    claimed = claims.begin(letter.pk, owner="dead")
    assert claimed is not None
    claims.mark(claimed)
    sql("UPDATE campaigns_delivery SET lease_until = now() - interval '1 hour'")

    swept()

    letter.refresh_from_db()
    assert letter.state == "committing"


def test_committing_past_its_deadline_is_held_with_its_token(sending: Sending) -> None:
    letter = letters(sending(1))[0]
    claimed = claims.begin(letter.pk, owner="dead")
    assert claimed is not None
    claims.mark(claimed)
    sql("UPDATE campaigns_delivery SET attempt_deadline = now() - interval '1 second'")

    assert swept().unconfirmed == 1

    letter.refresh_from_db()
    assert (letter.state, letter.reason, letter.token) == ("unconfirmed", "process_died", claimed.token)


def test_committing_past_its_deadline_is_retried_once_where_the_policy_says_so(sending: Sending) -> None:
    letter = letters(sending(1))[0]
    Delivery.objects.update(policy="retry_once")
    claimed = claims.begin(letter.pk, owner="dead")
    assert claimed is not None
    claims.mark(claimed)
    sql("UPDATE campaigns_delivery SET attempt_deadline = now() - interval '1 second'")

    swept()

    letter.refresh_from_db()
    assert (letter.state, letter.ambiguous_count, letter.token) == ("queued", 1, claimed.token)
    assert letter.due_at - letter.moved_at == timedelta(minutes=10)


def test_rings_are_bounded_and_made_once(
    sending: Sending, rings: list[tuple[str, tuple[int, ...]]], settings: object
) -> None:
    campaign = sending(3)
    batch = Batch.objects.get(campaign=campaign)

    first, second = batching.admit(batch.pk), batching.admit(batch.pk)

    assert first == [letter.pk for letter in letters(campaign)]
    assert second == []
    assert batching.next_batches(campaign.pk) == []


@pytest.mark.parametrize(("age", "is_empty", "lost"), [(20, True, 3), (20, False, 0), (301, False, 3), (10, True, 0)])
def test_a_ring_is_lost_when_nobody_can_answer_it(
    sending: Sending, monkeypatch: pytest.MonkeyPatch, age: int, is_empty: bool, lost: int
) -> None:
    sending(3)
    sql(f"UPDATE campaigns_delivery SET rung_at = now() - interval '{age} seconds'")
    monkeypatch.setattr(queues, "depth", lambda _queue: 0 if is_empty else 7)

    assert swept().lost_rings == lost


def test_a_sweep_rings_batches_with_due_letters(sending: Sending, rings: list[tuple[str, tuple[int, ...]]]) -> None:
    campaign = sending(3)

    swept()

    # on_commit fires at the end of the test's transaction only, so look at the batch's own note
    assert Batch.objects.get(campaign=campaign).rung_at is not None


def test_paused_campaigns_are_left_alone(sending: Sending) -> None:
    campaign = sending(3, state="paused")

    result = swept()

    assert (result.rung_batches, result.finished) == (0, 0)
    assert Batch.objects.get(campaign=campaign).rung_at is None


def test_cancelled_remainder_is_cancelled_and_the_campaign_closed(sending: Sending) -> None:
    campaign = sending(3)
    lifecycle.cancel(campaign, by=None)

    result = swept()

    campaign.refresh_from_db()
    assert (result.cancelled, campaign.state) == (3, "cancelled")
    assert campaign.finished_at is not None
    assert {letter.state for letter in letters(campaign)} == {"cancelled"}


def test_a_campaign_finishes_only_when_its_states_make_its_audience(sending: Sending) -> None:
    campaign = sending(3)
    Delivery.objects.filter(campaign=campaign).update(state="sent")
    Campaign.objects.update(audience_size=4)
    assert swept().finished == 0

    Campaign.objects.update(audience_size=3)
    assert swept().finished == 1

    campaign.refresh_from_db()
    assert campaign.state == "finished"
    assert swept().finished == 0


def test_unconfirmed_letters_do_not_keep_a_campaign_open(sending: Sending) -> None:
    campaign = sending(2)
    Delivery.objects.filter(campaign=campaign).update(state="unconfirmed")

    swept()

    campaign.refresh_from_db()
    assert campaign.state == "finished"


# stuck


def quiet(minutes: int = 31) -> None:
    sql(f"UPDATE campaigns_delivery SET moved_at = now() - interval '{minutes} minutes'")
    sql(f"UPDATE campaigns_campaign SET moved_at = now() - interval '{minutes} minutes'")


def test_a_sending_campaign_with_due_letters_and_no_movement_is_stuck(sending: Sending) -> None:
    campaign = sending(2)
    assert stuck.find(HALF_HOUR) == []
    quiet()

    found = stuck.find(HALF_HOUR)

    assert [(one.campaign_id, one.reason) for one in found] == [(campaign.pk, "letters_due")]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE campaigns_campaign SET state = 'paused'",
        "UPDATE campaigns_campaign SET state = 'stalled'",
        "UPDATE campaigns_delivery SET due_at = now() + interval '1 hour'",
        "UPDATE campaigns_delivery SET state = 'committing'",
        "UPDATE campaigns_delivery SET state = 'unconfirmed'",
    ],
)
def test_waiting_is_not_stuck(sending: Sending, statement: str) -> None:
    sending(2)
    quiet()
    sql(statement)

    assert stuck.find(HALF_HOUR) == []


def test_a_reset_sets_going_and_touches_nothing_else(sending: Sending) -> None:
    campaign = sending(4)
    lost, marked, held, future = letters(campaign)
    claims.begin(lost.pk, owner="dead")
    claimed = claims.begin(marked.pk, owner="dead")
    assert claimed is not None
    claims.mark(claimed)
    sql("UPDATE campaigns_delivery SET rung_at = now(), lease_until = now() - interval '1 hour' WHERE owner = 'dead'")
    sql(f"UPDATE campaigns_delivery SET state = 'unconfirmed', ambiguous_count = 1 WHERE id = {held.pk}")
    sql(f"UPDATE campaigns_delivery SET due_at = now() + interval '1 hour', attempts = 2 WHERE id = {future.pk}")
    quiet()

    found = stuck.check(HALF_HOUR)

    assert len(found) == 1
    for letter in (lost, marked, held, future):
        letter.refresh_from_db()
    assert (lost.state, lost.attempts, lost.rung_at) == ("queued", 1, None)
    assert (marked.state, marked.token) == ("committing", claimed.token)
    assert (held.state, future.state, future.attempts) == ("unconfirmed", "queued", 2)
    assert future.due_at > future.moved_at
    campaign.refresh_from_db()
    assert (campaign.state, campaign.resets) == ("sending", 1)
    assert CampaignEntry.objects.get(kind="reset").detail == {"reason": "lease_ended", "leases": 1}


def test_three_resets_without_progress_then_stalled(sending: Sending) -> None:
    campaign = sending(1)
    for _ in range(4):
        quiet()
        stuck.check(HALF_HOUR)

    campaign.refresh_from_db()
    assert (campaign.state, campaign.state_reason) == ("stalled", "no_progress")
    assert CampaignEntry.objects.filter(kind="reset").count() == 3


def test_a_campaign_that_cannot_be_prepared_fails_in_the_end_and_nothing_of_it_is_left(
    make_campaign: Callable[..., Campaign], make_contact: Callable[..., Any], settings: Any
) -> None:
    settings.LIMITS = dataclasses.replace(settings.LIMITS, slice_size=2)
    for number in range(4):
        make_contact(f"reader{number}@example.com")
    campaign = make_campaign()
    audience.make_slice(campaign.pk)
    Campaign.objects.filter(pk=campaign.pk).update(message_domain="x" * 250)  # the next slice is refused, each time
    for _ in range(4):
        with pytest.raises(DataError), transaction.atomic():
            audience.make_slice(campaign.pk)
        sql("UPDATE campaigns_campaign SET moved_at = now() - interval '1 hour'")
        sql("UPDATE campaigns_delivery SET moved_at = now() - interval '1 hour'")
        stuck.check(HALF_HOUR)
    sweeps.sweep()

    campaign.refresh_from_db()
    assert (campaign.state, campaign.state_reason) == ("failed", "not_prepared")
    assert {(one.state, one.reason) for one in letters(campaign)} == {("cancelled", "not_prepared")}
    assert stuck.find(HALF_HOUR) == []
    found = situations.of(campaign, selectors.account(campaign), tally.of(campaign).pace)
    assert found is not None and "could not be prepared" in found.title
    assert CampaignEntry.objects.filter(kind="failed", campaign=campaign).count() == 1


def test_a_slice_forgives_earlier_resets(
    make_campaign: Callable[..., Campaign], make_contact: Callable[..., Any]
) -> None:
    make_contact("reader@example.com")
    campaign = make_campaign(resets=3)

    audience.make_slice(campaign.pk)

    campaign.refresh_from_db()
    assert campaign.resets == 0


def test_a_campaign_that_cannot_close_is_named_once_and_everywhere(
    sending: Sending, caplog: pytest.LogCaptureFixture
) -> None:
    campaign = sending(2)
    sql("UPDATE campaigns_delivery SET state = 'sent', sent_at = now()")
    sql("DELETE FROM campaigns_delivery WHERE id = (SELECT max(id) FROM campaigns_delivery)")
    for _ in range(3):
        sweeps.sweep()
        stuck.check(HALF_HOUR)

    campaign.refresh_from_db()
    assert campaign.state == "sending"
    assert caplog.text.count("cannot close") == 1
    assert CampaignEntry.objects.get(kind="does_not_add_up").detail == {"audience": 2, "letters": 1}
    result = checks.check_open_accounts(Context())
    assert (result.status, campaign.name in result.detail) == (Status.CRITICAL, True)
    found = situations.of(campaign, selectors.account(campaign), tally.of(campaign).pace)
    assert found is not None and found.command == f"manage.py account {campaign.pk}"


@pytest.mark.parametrize(
    ("started", "seen", "queues_heard", "state"),
    [
        ("now()", "now()", "campaigns,email", "sending"),
        ("now() - interval '1 day'", "now()", "campaigns,email", "stalled"),  # it was there all along
        ("now()", "now() - interval '5 minutes'", "campaigns,email", "stalled"),  # it is gone again
        ("now()", "now()", "default", "stalled"),
    ],
)
def test_a_stalled_campaign_goes_on_when_a_mail_worker_has_come(
    sending: Sending, started: str, seen: str, queues_heard: str, state: str
) -> None:
    campaign = sending(1, state="stalled", state_reason="no_progress", resets=3)
    sql("UPDATE campaigns_campaign SET moved_at = now() - interval '1 hour'")
    sql("UPDATE campaigns_delivery SET expires_at = now() + interval '1 minute'")
    sql(
        f"""INSERT INTO core_workerprocess (name, queues, started_at, seen_at, counters)
            VALUES ('w1', '{queues_heard}', {started}, {seen}, '{{}}')"""
    )

    stuck.check(HALF_HOUR)

    campaign.refresh_from_db()
    assert campaign.state == state
    woken = CampaignEntry.objects.filter(kind="resumed", detail__reason="worker_came").count()
    assert woken == (1 if state == "sending" else 0)
    if state == "sending":
        assert (campaign.state_reason, campaign.resets) == ("", 0)
        assert campaign.held >= timedelta(hours=1)


def test_progress_forgives_earlier_resets(sending: Sending) -> None:
    campaign = sending(2, resets=3)
    quiet()
    Delivery.objects.filter(pk=letters(campaign)[0].pk).update(state="sent")
    sql(
        f"UPDATE campaigns_delivery SET moved_at = now() - interval '30.5 minutes' WHERE id = {letters(campaign)[0].pk}"
    )

    stuck.check(HALF_HOUR)

    campaign.refresh_from_db()
    assert (campaign.state, campaign.resets) == ("sending", 1)


# what a closed campaign, a switched-off account and a torn file must survive


def test_a_result_that_comes_after_the_close_leaves_nothing_waiting(sending: Sending) -> None:
    campaign = sending(1)
    letter = letters(campaign)[0]
    claimed = claims.begin(letter.pk, owner="w1")
    assert claimed is not None
    claims.mark(claimed)
    sql("UPDATE campaigns_delivery SET attempt_deadline = now() - interval '1 second'")
    swept()
    refused = Deferred(Stage.DOT, Reply(451, "4.3.0", "later"), FailureClass.TRANSIENT_DEST, counted=False)
    assert outcomes.write(outcomes.interpret(claimed, refused, was_marked=True))

    swept()

    letter.refresh_from_db()
    campaign.refresh_from_db()
    assert (campaign.state, letter.state, letter.reason) == ("finished", "failed", "too_late")


def test_a_switched_off_account_carries_nothing_and_is_not_stuck(sending: Sending) -> None:
    campaign = sending(1)
    letter = letters(campaign)[0]
    Transport.objects.update(is_active=False)
    quiet()

    assert claims.begin(letter.pk, owner="w1") is None
    assert batching.admit(Batch.objects.get(campaign=campaign).pk) == []
    assert batching.next_batches(campaign.pk) == []
    assert stuck.find(HALF_HOUR) == []
    Transport.objects.update(is_active=True)
    assert claims.begin(letter.pk, owner="w1") is not None


def test_a_pause_does_not_age_the_letters(sending: Sending) -> None:
    campaign = sending(1)
    lifecycle.pause(campaign, by=None)
    sql("UPDATE campaigns_delivery SET expires_at = now() - interval '1 hour'")
    sql("UPDATE campaigns_campaign SET moved_at = now() - interval '3 hours'")

    lifecycle.resume(campaign, by=None)

    letter = letters(campaign)[0]
    assert claims.begin(letter.pk, owner="w1") is not None


def test_an_account_that_is_off_does_not_age_its_letters(sending: Sending) -> None:
    campaign = sending(2)
    account = Transport.objects.get()
    accounts.switch(account, on=False)
    sql("UPDATE smtp_transport SET switched_off_at = now() - interval '80 hours'")
    sql("UPDATE campaigns_campaign SET moved_at = now() - interval '90 hours'")
    sql("UPDATE campaigns_delivery SET expires_at = now() - interval '18 hours'")
    assert not claims.settle_refused(letters(campaign)[0].pk)

    accounts.switch(account, on=True)

    campaign.refresh_from_db()
    assert timedelta(hours=80) <= campaign.held < timedelta(hours=81)
    assert claims.begin(letters(campaign)[0].pk, owner="w1") is not None
    accounts.switch(account, on=True)  # on already: nobody waited
    assert Campaign.objects.get().held == campaign.held
    assert Transport.objects.get().switched_off_at is None


def test_a_pause_while_the_account_is_off_counts_once(sending: Sending) -> None:
    campaign = sending(1)
    account = Transport.objects.get()
    accounts.switch(account, on=False)
    sql("UPDATE smtp_transport SET switched_off_at = now() - interval '20 hours'")
    sql("UPDATE campaigns_campaign SET moved_at = now() - interval '30 hours'")
    lifecycle.pause(campaign, by=None)
    assert timedelta(hours=20) <= campaign.held < timedelta(hours=21)
    sql("UPDATE smtp_transport SET switched_off_at = now() - interval '80 hours'")
    sql("UPDATE campaigns_campaign SET moved_at = now() - interval '60 hours'")

    accounts.switch(account, on=True)
    lifecycle.resume(campaign, by=None)

    assert timedelta(hours=80) <= campaign.held < timedelta(hours=81)


def test_an_account_that_cannot_be_used_costs_no_letter(sending: Sending, settings: Any) -> None:
    settings.INBOX_ADDRESS = None
    letter = letters(sending(1))[0]

    dispatch.send_single(letter.pk, started=time.monotonic())

    letter.refresh_from_db()
    assert (letter.state, letter.failure, letter.crash_count) == ("queued", "account", 0)


def test_a_torn_line_in_the_spool_costs_only_itself(tmp_path: Path, settings: Any) -> None:
    settings.SPOOL_DIR = tmp_path
    (tmp_path / "results.jsonl").write_text('{"delivery_id": 1, "tok')
    spool.append({"delivery_id": 2})
    written: list[int] = []

    spool.replay(lambda line: written.append(line["delivery_id"]))

    assert written == [2]
    assert not spool.has_lines()


def test_a_campaign_that_moved_on_is_not_reset(sending: Sending) -> None:
    campaign = sending(1)
    quiet()
    found = stuck.find(HALF_HOUR)
    lifecycle.cancel(campaign, by=None)

    stuck.reset(found[0])

    campaign.refresh_from_db()
    assert campaign.resets == 0
