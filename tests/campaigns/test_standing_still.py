"""What stood still goes on only when a person or a worker may let it, and loses no time of its life by it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.db.models.functions import Now

from apps.accounts.models import User
from apps.campaigns.models import Campaign, Delivery
from apps.campaigns.services import claims, lifecycle, restore_guard
from apps.smtp import bounces
from apps.smtp.models import Throttle
from apps.smtp.outcome import Deferred, FailureClass, Stage
from apps.smtp.services import breaker
from core import clock
from core.models import InstanceEpoch
from tests.campaigns.conftest import letters

Sending = Callable[..., Campaign]
HOURS = dt.timedelta(hours=1)


@pytest.fixture
def restored(tmp_path: Path, settings: Any, db: None) -> Iterator[Callable[[], None]]:
    """Let the guard see a restore, settle it, and an operator confirm it."""
    settings.EPOCH_FILE = tmp_path / "epoch.json"
    settings.SPOOL_DIR = tmp_path / "spool"
    InstanceEpoch.objects.all().delete()
    restore_guard.forget()

    def restore() -> None:
        restore_guard.observe()
        InstanceEpoch.objects.update(own_table=1)
        restore_guard.observe()
        restore_guard.settle()
        restore_guard.thaw()

    yield restore
    restore_guard.forget()


def test_after_a_restore_a_later_appointment_is_taken_back(make_campaign: Any, restored: Callable[[], None]) -> None:
    campaign = make_campaign(state="scheduled", scheduled_at=clock.now() + 20 * HOURS, is_appointed=True)

    restored()
    Campaign.objects.update(scheduled_at=Now() - dt.timedelta(minutes=1))

    assert not lifecycle.begin_preparing(campaign.pk)
    assert Campaign.objects.get().state == "draft"


def test_after_a_restore_a_stalled_campaign_waits_for_a_person(sending: Sending, restored: Callable[[], None]) -> None:
    Campaign.objects.filter(pk=sending(2).pk).update(state="stalled", moved_at=Now() - HOURS)

    restored()

    assert (Campaign.objects.get().state, Campaign.objects.get().state_reason) == ("paused", "restored")


def test_pausing_a_stalled_campaign_costs_its_letters_no_life(sending: Sending, owner: User) -> None:
    campaign = sending(2)
    Campaign.objects.update(state="stalled", moved_at=Now() - 80 * HOURS)
    Delivery.objects.update(expires_at=Now() - 8 * HOURS)
    campaign.refresh_from_db()

    lifecycle.pause(campaign, by=owner)
    lifecycle.resume(campaign, by=owner)

    assert claims.begin(letters(campaign)[0].pk, owner="me") is not None


def test_a_full_pool_heals_no_account(sending: Sending) -> None:
    account = sending(1).transport_id
    trouble = Deferred(Stage.CONNECT, None, FailureClass.ACCOUNT, False, reason="closed")
    for _ in range(3):
        breaker.note(account, trouble, had_failures=True, was_probe=False)

    breaker.note(account, bounces.interrupted(Stage.CONNECT, "pool_full"), had_failures=True, was_probe=False)

    assert Throttle.objects.get(transport_id=account).closed_until is not None


def test_the_marker_is_durable_whatever_the_role_says(sending: Sending) -> None:
    one = letters(sending(1))[0]
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL synchronous_commit = off")
        claimed = claims.begin(one.pk, owner="me")
        cursor.execute(
            """CREATE FUNCTION pg_temp.note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
               PERFORM set_config('test.durable', current_setting('synchronous_commit'), true); RETURN NULL; END $$"""
        )
        cursor.execute(
            """CREATE TRIGGER note AFTER UPDATE ON campaigns_delivery FOR EACH ROW EXECUTE FUNCTION pg_temp.note()"""
        )
        assert claimed is not None
        assert claims.mark(claimed)
        cursor.execute("SELECT current_setting('test.durable')")
        assert cursor.fetchone()[0] == "on"
