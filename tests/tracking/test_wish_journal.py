"""A restored backup forgets no unsubscribe: every wish is kept outside the database too, and carried out again."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path

import pytest

from apps.campaigns.models import Delivery
from apps.contacts.models import Contact, ContactList, Subscription, Suppression
from apps.tracking import letters
from apps.tracking.letters import Letter
from apps.tracking.machines import Fetch
from apps.tracking.services import opt_outs, wish_journal
from apps.tracking.services.opt_outs import Scope
from core import clock

pytestmark = pytest.mark.django_db
MakeDelivery = Callable[..., Delivery]
FETCH = Fetch(method="POST", user_agent="")


@pytest.fixture(autouse=True)
def spool(tmp_path: Path, settings: object) -> Path:
    settings.SPOOL_DIR = tmp_path / "spool"  # type: ignore[attr-defined]
    return tmp_path / "spool"


def letter(delivery: Delivery) -> Letter:
    found = letters.get(delivery.pk)
    assert found is not None
    return found


def forget_what_happened() -> None:
    """What the database of the backup knows: everybody is on the list."""
    Suppression.objects.all().delete()
    Subscription.objects.update(state="confirmed")


def test_a_wish_is_carried_out_again(make_delivery: MakeDelivery, spool: Path) -> None:
    opt_outs.stop(letter(make_delivery()), Scope.LIST, fetch=FETCH, how="one-click")
    forget_what_happened()

    done = wish_journal.replay(clock.now() - dt.timedelta(hours=1))

    assert done == 1
    assert Subscription.objects.get().state == "unsubscribed"
    assert "orchard" not in (spool / "wishes-journal.jsonl").read_text()
    assert (spool / "wishes-journal.jsonl").stat().st_mode & 0o777 == 0o600


def test_all_is_stopped_again_for_who_wanted_nothing_more(make_delivery: MakeDelivery) -> None:
    opt_outs.stop(letter(make_delivery()), Scope.EVERYTHING, fetch=FETCH, how="page")
    forget_what_happened()

    wish_journal.replay(None)

    assert Suppression.objects.get().reason == "unsubscribed"


def test_the_last_wish_counts(make_delivery: MakeDelivery) -> None:
    one = letter(make_delivery())
    opt_outs.stop(one, Scope.LIST, fetch=FETCH, how="page")
    opt_outs.undo(one, fetch=FETCH)
    forget_what_happened()

    assert wish_journal.replay(None) == 2
    assert Subscription.objects.get().state == "confirmed"


def test_who_is_not_in_the_backup_is_suppressed(make_delivery: MakeDelivery, contact_list: ContactList) -> None:
    opt_outs.stop(letter(make_delivery()), Scope.LIST, fetch=FETCH, how="one-click")
    forget_what_happened()
    Delivery.objects.all().delete()
    Contact.objects.all().delete()

    wish_journal.replay(None)

    assert Suppression.objects.get().reason == "unsubscribed"


def test_a_workspace_that_is_not_in_the_backup_is_left_out(make_delivery: MakeDelivery, spool: Path) -> None:
    opt_outs.stop(letter(make_delivery()), Scope.EVERYTHING, fetch=FETCH, how="page")
    forget_what_happened()
    kept = spool / "wishes-journal.jsonl"
    kept.write_text(kept.read_text().replace('"workspace": ', '"workspace": 9999'))

    wish_journal.replay(None)

    assert not Suppression.objects.exists()


def test_what_the_backup_knows_is_not_done_again(make_delivery: MakeDelivery) -> None:
    opt_outs.stop(letter(make_delivery()), Scope.LIST, fetch=FETCH, how="one-click")
    forget_what_happened()

    assert wish_journal.replay(clock.now() + dt.timedelta(hours=1)) == 0
    assert Subscription.objects.get().state == "confirmed"


def test_a_torn_line_costs_itself_only(make_delivery: MakeDelivery, spool: Path) -> None:
    spool.mkdir()
    (spool / "wishes-journal.jsonl").write_text('{"at": "2026-11-20T10:00:00+00:00", "ki')
    opt_outs.stop(letter(make_delivery()), Scope.LIST, fetch=FETCH, how="one-click")

    assert wish_journal.replay(None) == 1


def test_a_disk_that_takes_nothing_costs_no_wish(make_delivery: MakeDelivery, spool: Path) -> None:
    spool.write_text("a file where the folder should be")

    opt_outs.stop(letter(make_delivery()), Scope.LIST, fetch=FETCH, how="one-click")

    assert Subscription.objects.get().state == "unsubscribed"
