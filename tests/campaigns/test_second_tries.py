"""A second try: who gets one, who does not, once however often it is asked for, and the campaign closes again."""

from __future__ import annotations

import threading
from collections.abc import Callable
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from apps.accounts.models import AuditEntry, User
from apps.campaigns import chronicle
from apps.campaigns.models import Campaign, CampaignEntry, Delivery, DeliveryEntry
from apps.campaigns.services import claims, lifecycle, second_tries, sweeps
from apps.contacts.models import Contact, Subscription, Suppression
from core import queues
from core.errors import EspError, InvalidTransitionError
from tests.campaigns.conftest import letters

Sending = Callable[..., Campaign]


@pytest.fixture(autouse=True)
def _quiet_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.jobs.ring_now", lambda _task, calls: len(calls))
    monkeypatch.setattr(queues, "depth", lambda _queue: 1)


@pytest.fixture
def finished(sending: Sending) -> Campaign:
    """A finished campaign: two sent, four failed for different reasons, one expired, one unconfirmed."""
    campaign = sending(8)
    ends = [
        ("sent", ""),
        ("sent", ""),
        ("failed", "perm_recipient"),
        ("failed", "transient_recipient"),
        ("failed", "policy_reputation"),
        ("failed", "crashed"),
        ("expired", "expired"),
        ("unconfirmed", "no_reply"),
    ]
    for letter, (state, reason) in zip(letters(campaign), ends, strict=True):
        Delivery.objects.filter(pk=letter.pk).update(
            state=state,
            reason=reason,
            attempts=3,
            counted_tries=3,
            crash_count=3,
            last_stage="rcpt",
            last_code=550,
            last_text="no",
            ambiguous_count=int(state == "unconfirmed"),
        )
    assert lifecycle.finish(campaign.pk)
    campaign.refresh_from_db()
    return campaign


def states(campaign: Campaign) -> list[str]:
    return [letter.state for letter in letters(campaign)]


def test_counts_by_class_and_says_who_is_left_out(finished: Campaign) -> None:
    crashed = letters(finished)[5]
    Suppression.objects.create(workspace_id=finished.workspace_id, email_hash=crashed.email_hash, reason="manual")
    Subscription.objects.filter(contact_id=letters(finished)[7].contact_id).update(state="unsubscribed")

    found = second_tries.countable(finished)

    assert found.failed == {"transient_recipient": 1, "policy_reputation": 1, "expired": 1}
    assert found.failed_left_out == {"hard_bounce": 1, "suppressed": 1}
    assert (found.retriable, found.left_out) == (3, 2)
    assert (found.unconfirmed, found.unconfirmed_left_out) == (0, {"unsubscribed": 1})


def test_failed_letters_go_back_as_they_were_and_the_campaign_opens(finished: Campaign, owner: User) -> None:
    before = letters(finished)

    assert second_tries.retry_failed(finished, by=owner) == 4

    after = letters(finished)
    assert states(finished) == ["sent", "sent", "failed", "queued", "queued", "queued", "queued", "unconfirmed"]
    assert (finished.state, finished.finished_at) == ("sending", None)
    for was, now in zip(before[3:7], after[3:7], strict=True):
        assert (now.uuid, now.message_id, now.pk) == (was.uuid, was.message_id, was.pk)
        assert (now.reason, now.counted_tries, now.protocol_tries, now.crash_count) == ("second_try", 0, 0, 0)
        assert now.token == was.token + 1
        assert now.expires_at - now.moved_at == finished.expires_after
        assert claims.begin(now.pk, owner="w1") is not None
    entry = DeliveryEntry.objects.get(delivery=after[3])
    assert (entry.kind, entry.by, entry.campaign) == ("retried", owner, finished)
    assert entry.detail == {
        "was": "failed",
        "reason": "transient_recipient",
        "tries": 3,
        "stage": "rcpt",
        "code": 550,
        "enhanced": "",
        "text": "no",
    }


def test_it_is_noted_in_the_campaigns_history_and_the_audit_trail(finished: Campaign, owner: User) -> None:
    second_tries.retry_failed(finished, by=owner)

    told = CampaignEntry.objects.get(kind="retried")
    assert (told.by, told.detail) == (owner, {"letters": 4, "left_out": 1, "classes": ""})
    assert chronicle.line(told).detail == (
        "4 emails went back to the queue. 1 stays as it is: nobody may or can be reached there."
    )
    audited = AuditEntry.objects.get(action="campaign_retried")
    assert (audited.actor_id, audited.target, audited.detail["letters"]) == (owner.pk, finished.name, 4)


def test_only_the_chosen_classes_go_back(finished: Campaign) -> None:
    assert second_tries.retry_failed(finished, by=None, classes=["policy_reputation", "perm_recipient"]) == 1

    assert states(finished)[4] == "queued"
    assert states(finished).count("queued") == 1
    assert CampaignEntry.objects.get(kind="retried").detail["left_out"] == 1


def test_a_class_that_does_not_exist_changes_nothing(finished: Campaign) -> None:
    with pytest.raises(EspError, match="no class of failure “policy”"):
        second_tries.retry_failed(finished, by=None, classes=["policy"])

    assert finished.state == "finished"


def test_a_second_click_does_nothing(finished: Campaign, owner: User) -> None:
    assert [second_tries.retry_failed(finished, by=owner) for _ in range(3)] == [4, 0, 0]

    assert CampaignEntry.objects.filter(kind="retried").count() == 1
    assert DeliveryEntry.objects.count() == 4


@pytest.mark.parametrize("cause", ["suppressed", "unsubscribed", "erased"])
def test_nobody_who_may_not_be_written_to_is_tried_again(finished: Campaign, cause: str) -> None:
    letter = letters(finished)[3]
    match cause:
        case "suppressed":
            Suppression.objects.create(
                workspace_id=finished.workspace_id, email_hash=letter.email_hash, reason="complaint"
            )
        case "unsubscribed":
            Subscription.objects.filter(contact_id=letter.contact_id).update(state="unsubscribed")
        case "erased":
            Contact.objects.filter(pk=letter.contact_id).delete()

    assert second_tries.countable(finished).failed_left_out == {"hard_bounce": 1, cause: 1}
    assert second_tries.retry_failed(finished, by=None) == 3
    assert states(finished)[3] == "failed"


def test_unconfirmed_letters_are_sent_again_by_a_person_only(finished: Campaign, owner: User) -> None:
    Delivery.objects.filter(state="unconfirmed").update(ambiguous_count=0)  # however it became so

    assert second_tries.resend_unconfirmed(finished, by=owner) == 1
    assert second_tries.resend_unconfirmed(finished, by=owner) == 0

    letter = letters(finished)[7]
    assert (letter.state, letter.ambiguous_count) == ("queued", 1)
    assert DeliveryEntry.objects.get().detail["was"] == "unconfirmed"
    assert "twice" in chronicle.line(CampaignEntry.objects.get(kind="resent")).detail
    assert AuditEntry.objects.filter(action="campaign_resent", actor_id=owner.pk).count() == 1


def test_a_second_click_sends_no_third_copy(finished: Campaign) -> None:
    """The first click's copy was unanswered at once, so the letter is unconfirmed again when the second click comes."""
    assert second_tries.resend_unconfirmed(finished, by=None) == 1
    Delivery.objects.filter(pk=letters(finished)[7].pk).update(state="unconfirmed", ambiguous_count=2)

    assert second_tries.resend_unconfirmed(finished, by=None) == 0

    with connection.cursor() as cursor:
        cursor.execute("UPDATE campaigns_deliveryentry SET at = now() - interval '2 minutes'")
    assert second_tries.resend_unconfirmed(finished, by=None) == 1


@pytest.mark.parametrize("state", ["draft", "scheduled", "preparing", "cancelled", "failed"])
def test_where_there_is_nothing_to_try_again_it_is_refused(finished: Campaign, state: str) -> None:
    Campaign.objects.update(state=state)

    with pytest.raises(InvalidTransitionError):
        second_tries.retry_failed(finished, by=None)

    assert "queued" not in states(finished)


@pytest.mark.parametrize("state", ["sending", "paused", "stalled"])
def test_while_it_is_under_way_its_state_stays(finished: Campaign, state: str) -> None:
    Campaign.objects.update(state=state, finished_at=None)

    assert second_tries.retry_failed(finished, by=None) == 4
    assert finished.state == state


def test_it_closes_again_only_when_it_adds_up(finished: Campaign) -> None:
    second_tries.retry_failed(finished, by=None)

    assert sweeps.sweep().finished == 0  # type: ignore[union-attr]  # nobody else sweeps
    assert states(finished).count("queued") == 4  # no remainder of a closed campaign

    Delivery.objects.filter(state="queued").update(state="sent")
    assert sweeps.sweep().finished == 1  # type: ignore[union-attr]
    finished.refresh_from_db()
    assert finished.state == "finished" and finished.finished_at is not None
    assert CampaignEntry.objects.filter(kind="finished").count() == 2


def test_a_reopened_campaign_can_be_paused_and_cancelled(finished: Campaign) -> None:
    second_tries.retry_failed(finished, by=None)

    lifecycle.pause(finished, by=None)
    lifecycle.cancel(finished, by=None)
    sweeps.sweep()

    assert states(finished).count("cancelled") == 4
    assert finished.state == "cancelled"


@pytest.mark.django_db(transaction=True)
def test_of_many_admins_at_once_one_puts_them_back(finished: Campaign, owner: User) -> None:
    moved: list[int] = []
    start = threading.Barrier(6)

    def admin() -> None:
        start.wait(10)
        moved.append(second_tries.retry_failed(Campaign.objects.get(pk=finished.pk), by=owner))
        connection.close()

    threads = [threading.Thread(target=admin) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert sorted(moved) == [0, 0, 0, 0, 0, 4]
    assert {letter.token for letter in letters(finished)[3:7]} == {1}


@pytest.mark.django_db(transaction=True)
def test_a_close_that_waited_for_a_second_try_counts_again(finished: Campaign) -> None:
    """The close must count after it holds the campaign: letters that go back meanwhile are pending."""
    Campaign.objects.update(state="sending", finished_at=None)
    closed: list[bool] = []
    started = threading.Event()

    def close() -> None:
        started.set()
        closed.append(lifecycle.finish(finished.pk))
        connection.close()

    from django.db import transaction

    with transaction.atomic():
        second_tries.retry_failed(finished, by=None)
        thread = threading.Thread(target=close)
        thread.start()
        started.wait(10)
        _wait_until_somebody_waits()
    thread.join(30)

    finished.refresh_from_db()
    assert (closed, finished.state, states(finished).count("queued")) == ([False], "sending", 4)


def _wait_until_somebody_waits() -> None:
    for _ in range(500):
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
            if cursor.fetchone()[0]:
                return
            cursor.execute("SELECT pg_sleep(0.01)")
    raise AssertionError("nobody waits")


def test_the_command_says_how_many_and_who_was_left_out(finished: Campaign) -> None:
    out = StringIO()

    call_command("retry_failed", str(finished.pk), stdout=out)
    call_command("retry_failed", str(finished.pk), "--unconfirmed", stdout=out)

    assert out.getvalue().splitlines() == [
        f"4 back in the queue of campaign {finished.pk}, which is sending",
        "left out: 1 hard_bounce",
        f"1 back in the queue of campaign {finished.pk}, which is sending",
    ]


def test_the_command_takes_classes(finished: Campaign) -> None:
    call_command("retry_failed", str(finished.pk), "--class", "crashed", "--class", "expired", stdout=StringIO())

    assert [letter.reason for letter in letters(finished) if letter.state == "queued"] == ["second_try"] * 2


def test_the_command_refuses_what_is_not_there(finished: Campaign) -> None:
    with pytest.raises(CommandError, match="no campaign 0"):
        call_command("retry_failed", "0")
    Campaign.objects.update(state="cancelled")
    with pytest.raises(CommandError, match="no second try"):
        call_command("retry_failed", str(finished.pk))
