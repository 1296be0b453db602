"""After a restore nothing is sent until an operator confirms: the gate, the freeze, what is held, and the command."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.db.models.functions import Now

from apps.accounts.models import AuditEntry, User
from apps.campaigns import checks
from apps.campaigns.epochs import Reason
from apps.campaigns.models import Campaign, Delivery
from apps.campaigns.services import claims, lifecycle, outside, restore_guard, stuck
from apps.campaigns.services.restore_guard import FrozenError
from core.health import Context, Status
from core.models import InstanceEpoch

from .conftest import letters

Sending = Callable[..., Campaign]
pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def guarded(tmp_path: Path, settings: object) -> Iterator[None]:
    settings.EPOCH_FILE = tmp_path / "epoch.json"  # type: ignore[attr-defined]
    settings.SPOOL_DIR = tmp_path / "spool"  # type: ignore[attr-defined]
    restore_guard.forget()
    InstanceEpoch.objects.all().delete()  # whatever a test before has written
    restore_guard.make_row()
    yield
    restore_guard.forget()


def begin(campaign: Campaign) -> bool:
    return claims.begin(letters(campaign)[0].pk, owner="me") is not None


def restore(**more: object) -> None:
    """What a dump and restore leave: the old row, in a table with another number."""
    InstanceEpoch.objects.update(own_table=1, **more)


def observed(campaign: Campaign) -> Campaign:
    restore_guard.observe()
    campaign.refresh_from_db()
    return campaign


def test_a_healthy_database_is_written_on_and_copied_outside(sending: Sending) -> None:
    campaign = sending(1)
    restore_guard.observe(has_sent=True)
    InstanceEpoch.objects.update(beat_at=Now() - timedelta(minutes=1))
    restore_guard.observe()
    row, copy = InstanceEpoch.objects.get(), outside.read()

    assert copy is not None and copy.standing.serial == row.serial > 1
    assert row.last_sent_at is not None and row.system_id and row.timeline
    assert row.last_delivery_id >= letters(campaign)[0].pk
    assert begin(campaign)


def test_the_claim_itself_sees_a_restored_table(sending: Sending) -> None:
    campaign = sending(1)
    restore_guard.observe()

    restore()

    assert not begin(campaign)
    assert restore_guard.state() is None  # nobody has noticed yet: the gate needs nobody


def test_without_its_row_nothing_leaves_and_no_worker_makes_it(sending: Sending) -> None:
    campaign = sending(1)  # restored table by table: the letters are there, the row is not
    InstanceEpoch.objects.all().delete()
    assert not begin(campaign)

    restore_guard._write_on(has_sent=False)

    assert not InstanceEpoch.objects.exists()
    assert restore_guard.finding() is Reason.UNKNOWN
    observed(campaign)
    assert not begin(campaign)
    assert campaign.state == "paused"


def test_a_new_database_gets_its_row_and_one_that_holds_work_does_not(sending: Sending) -> None:
    InstanceEpoch.objects.all().delete()
    restore_guard.make_row()
    row = InstanceEpoch.objects.get()
    assert (row.epoch, row.frozen_at) == (1, None)

    assert begin(sending(1))
    InstanceEpoch.objects.all().delete()
    restore_guard.make_row()

    assert not InstanceEpoch.objects.exists()


def test_the_marker_sees_it_too(sending: Sending) -> None:
    campaign = sending(1)
    restore_guard.observe()
    claimed = claims.begin(letters(campaign)[0].pk, owner="me")
    assert claimed is not None

    restore()

    assert not claims.mark(claimed)


def test_whoever_observes_freezes_pauses_and_holds(sending: Sending, make_campaign: Callable[..., Campaign]) -> None:
    campaign = sending(4)
    first, second, third, fourth = letters(campaign)
    Delivery.objects.filter(pk=first.pk).update(state="sent")
    Delivery.objects.filter(pk=second.pk).update(due_at=Now() + timedelta(hours=1))
    Delivery.objects.filter(pk=third.pk).update(state="committing")
    overdue = make_campaign(state="scheduled", scheduled_at=Now() - timedelta(minutes=1))
    future = make_campaign(state="scheduled", scheduled_at=Now() + timedelta(hours=1))
    half = make_campaign(state="preparing")
    restore_guard.observe()

    restore()
    observed(campaign)

    states = {letter.pk: (letter.state, letter.reason) for letter in letters(campaign)}
    assert (campaign.state, campaign.state_reason) == ("paused", "restored")
    assert states[first.pk][0] == "sent"
    assert states[second.pk][0] == "queued"  # was not due, so it did not go out
    assert states[third.pk] == states[fourth.pk] == ("unconfirmed", "restored")
    assert [Campaign.objects.get(pk=one.pk).state for one in (overdue, future, half)] == [
        "draft",
        "draft",  # since the dump it may have been sent, moved or taken back
        "cancelled",
    ]
    frozen = restore_guard.state()
    assert frozen is not None and frozen.is_settled and frozen.reason is Reason.RESTORED
    assert checks.check_restore(Context()).status is Status.CRITICAL


def test_the_health_check_sees_it_before_any_worker_does(sending: Sending) -> None:
    sending(1)
    restore_guard.observe()
    assert checks.check_restore(Context()).status is Status.OK

    restore()
    result = checks.check_restore(Context())

    assert result.status is Status.CRITICAL and "confirm_restore" in result.hint
    assert restore_guard.state() is None


def test_a_database_that_knows_less_than_the_copy_outside(sending: Sending) -> None:
    campaign = sending(1)
    restore_guard.observe()
    InstanceEpoch.objects.update(serial=90)
    restore_guard.forget()
    InstanceEpoch.objects.update(beat_at=Now() - timedelta(minutes=1))
    restore_guard.observe()

    InstanceEpoch.objects.update(serial=80)
    restore_guard.observe()

    frozen = restore_guard.state()
    assert frozen is not None and frozen.reason is Reason.BEHIND
    assert not begin(campaign)


def test_a_row_that_is_gone_while_the_copy_outside_remembers(sending: Sending) -> None:
    campaign = sending(1)
    restore_guard.observe()

    InstanceEpoch.objects.all().delete()
    restore_guard.observe()

    assert not begin(campaign)
    assert letters(campaign)[0].state == "unconfirmed"


def test_another_server_that_took_over_costs_what_was_handed_out_only(sending: Sending) -> None:
    campaign = sending(3)
    rung, held, _waiting = letters(campaign)
    Delivery.objects.filter(pk=rung.pk).update(rung_at=Now())
    Delivery.objects.filter(pk=held.pk).update(state="sending")
    restore_guard.observe()

    InstanceEpoch.objects.update(timeline="0000FFFF")
    observed(campaign)

    assert [letter.state for letter in letters(campaign)] == ["unconfirmed", "unconfirmed", "queued"]
    assert (campaign.state, campaign.state_reason) == ("paused", "restored")


def test_an_empty_database_is_taken_for_a_new_one(db: None) -> None:
    restore_guard.observe()
    InstanceEpoch.objects.update(epoch=7, serial=500, beat_at=Now() - timedelta(minutes=1))
    restore_guard.forget()
    restore_guard.observe()

    InstanceEpoch.objects.update(epoch=1, serial=1, beat_at=None)
    restore_guard.observe()

    assert restore_guard.state() is None
    assert InstanceEpoch.objects.get().epoch == 8


def test_a_machine_that_was_off_for_days_goes_on(sending: Sending) -> None:
    campaign = sending(1)
    restore_guard.observe()
    InstanceEpoch.objects.update(beat_at=Now() - timedelta(days=3))

    restore_guard.observe()

    assert begin(campaign)


def test_while_frozen_nobody_resumes_and_nothing_is_called_stuck(sending: Sending, owner: User) -> None:
    campaign = sending(2)
    restore_guard.observe()
    restore()
    observed(campaign)

    with pytest.raises(FrozenError, match="confirm_restore"):
        lifecycle.resume(campaign, by=owner)

    Campaign.objects.filter(pk=campaign.pk).update(state="sending", moved_at=Now() - timedelta(hours=2))
    Delivery.objects.update(state="queued", moved_at=Now() - timedelta(hours=2))
    assert stuck.find(timedelta(minutes=30)) == []
    assert not begin(campaign)


def confirm(*arguments: str) -> str:
    out = StringIO()
    call_command("confirm_restore", *arguments, stdout=out)
    return out.getvalue()


def test_confirming_says_what_was_found_and_lets_people_resume(sending: Sending, owner: User) -> None:
    campaign = sending(3)
    Delivery.objects.filter(pk=letters(campaign)[0].pk).update(due_at=Now() + timedelta(hours=1))
    restore_guard.observe()
    before = InstanceEpoch.objects.get()
    restore()

    said = confirm("--yes")  # no worker has looked yet

    campaign.refresh_from_db()
    copy, row = outside.read(), InstanceEpoch.objects.get()
    assert "2 emails may have gone out" in said and "Northlight Coffee: November roast (paused)" in said
    assert restore_guard.state() is None and restore_guard.finding() is None
    assert copy is not None and copy.standing.epoch == row.epoch == before.epoch + 1
    assert campaign.state == "paused"
    assert AuditEntry.objects.get(action="restore_confirmed").detail["reason"] == "restored"
    with connection.cursor() as cursor:
        cursor.execute("SELECT last_value FROM campaigns_delivery_id_seq")
        assert cursor.fetchone()[0] >= letters(campaign)[-1].pk + restore_guard.NUMBERS_LEFT_OUT

    lifecycle.resume(campaign, by=owner)
    Delivery.objects.filter(pk=letters(campaign)[0].pk).update(due_at=Now() - timedelta(hours=1))
    assert begin(campaign)
    assert [letter.state for letter in letters(campaign)[1:]] == ["unconfirmed", "unconfirmed"]


@pytest.mark.parametrize("answer", ["", "y", "no"])
def test_anything_but_yes_leaves_it_frozen(sending: Sending, monkeypatch: pytest.MonkeyPatch, answer: str) -> None:
    campaign = sending(1)
    restore_guard.observe()
    restore()
    monkeypatch.setattr("builtins.input", lambda _question: answer)

    with pytest.raises(CommandError):
        confirm()

    assert restore_guard.state() is not None
    assert not begin(campaign)


def test_there_is_nothing_to_confirm_where_nothing_was_restored(sending: Sending) -> None:
    sending(1)
    restore_guard.observe()

    assert "nothing to confirm" in confirm("--yes")
    assert InstanceEpoch.objects.get().epoch == 1
