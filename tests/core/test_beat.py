"""One beat leads, the others wait; and the leader is only who holds the lock now."""

from __future__ import annotations

import os
import signal
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from celery import Celery
from django.db import connection

from core.beat import LEADER_LOCK, LeaderScheduler, Leadership
from core.models import Pulse
from core.tasks import canary
from settings import celery as celery_settings
from settings.limits import REAL
from tests.workers import Group, wait_until

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def leaderships() -> Iterator[tuple[Leadership, Leadership]]:
    pair = (Leadership(), Leadership())
    yield pair
    for each in pair:
        each.release()


def end_session_of_the_leader() -> None:
    """What a restart of PostgreSQL does to the leader, without restarting it for everybody."""
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT pg_terminate_backend(pid, 5000) FROM pg_locks WHERE locktype = 'advisory'
               AND (classid::bigint << 32) + objid::bigint = %s
               AND database = (SELECT oid FROM pg_database WHERE datname = current_database())""",
            [LEADER_LOCK],
        )
        assert cursor.fetchall() == [(True,)]


def test_only_one_leads(leaderships):
    first, second = leaderships

    assert (first.hold(), second.hold(), first.hold()) == (True, False, True)


def test_the_second_takes_over_when_the_first_lets_go(leaderships):
    first, second = leaderships
    first.hold()

    first.release()

    wait_until(second.hold, what="the lock of a session that has just ended")
    assert first.hold() is False


def test_a_leader_that_lost_its_session_leads_again_only_with_the_lock(leaderships):
    first, second = leaderships
    first.hold()
    end_session_of_the_leader()

    assert first.hold() is False
    assert second.hold() is True
    assert first.hold() is False
    second.release()
    wait_until(first.hold, what="the lock of a session that has just ended")


def test_a_sign_of_life_is_written_at_most_every_five_seconds(leaderships):
    leader, _other = leaderships
    leader.hold()

    leader.pulse()
    first = Pulse.objects.get(name="beat")
    leader.pulse()

    assert Pulse.objects.get(name="beat").at == first.at
    assert first.detail["pid"] == os.getpid()


class Recording(LeaderScheduler):
    """Notes what it would send."""

    def __init__(self, app: Celery) -> None:
        self.sent: list[str] = []
        super().__init__(app)

    def apply_entry(self, entry, producer=None):
        self.sent.append(entry.name)


@pytest.fixture
def make_scheduler() -> Iterator[object]:
    app = Celery("test", set_as_current=False)
    app.conf.update(celery_settings.configuration(broker_url="memory://", limits=REAL))
    made: list[Recording] = []

    def make() -> Recording:
        made.append(Recording(app))
        return made[-1]

    yield make
    for each in made:
        each.close()


def tick(scheduler: Recording, times: int = 20) -> None:
    for _ in range(times):
        scheduler.tick()


def test_a_new_leader_sends_every_entry_once(make_scheduler):
    scheduler = make_scheduler()

    tick(scheduler)

    assert sorted(scheduler.sent) == sorted(celery_settings.beat_schedule(REAL))
    assert {"canary-email", "canary-default", "canary-campaigns"} <= set(scheduler.sent)


def test_a_second_beat_sends_nothing_until_the_first_is_gone(make_scheduler):
    first, second = make_scheduler(), make_scheduler()
    tick(first)
    tick(second)
    before = list(second.sent)

    first.close()
    wait_until(second.leadership.hold, what="the lock of a session that has just ended")
    tick(second)

    assert before == []
    assert len(second.sent) == len(celery_settings.beat_schedule(REAL))


def test_a_beat_that_lost_the_database_sends_nothing(make_scheduler):
    scheduler = make_scheduler()
    tick(scheduler)
    scheduler.sent.clear()
    for entry in scheduler.schedule.values():
        entry.last_run_at = entry.default_now().replace(year=2000)
    scheduler._heap = None
    end_session_of_the_leader()

    assert scheduler.tick() == 1.0
    assert scheduler.sent == []


def test_every_entry_of_the_schedule_expires_with_its_period():
    for entry in celery_settings.beat_schedule(REAL).values():
        assert entry["options"]["expires"] == entry["schedule"]


def test_a_canary_says_that_its_queue_is_served():
    canary("email")
    first = Pulse.objects.get(name="canary:email").at
    canary("email")

    assert Pulse.objects.get(name="canary:email").at > first


@pytest.mark.serial
def test_a_real_second_beat_takes_over_when_the_first_is_killed(tmp_path: Path):
    prefix = f"beat-{uuid.uuid4().hex[:8]}-"
    first, second = Group(prefix, tmp_path / "1", name="1"), Group(prefix, tmp_path / "2", name="2")

    def leader() -> int | None:
        found = Pulse.objects.filter(name="beat").first()
        return found.detail["pid"] if found else None

    try:
        first.start("beat")
        wait_until(lambda: leader() == first.pid("beat"), what="the first beat")
        second.start("beat")
        wait_until(lambda: "this one waits" in second.log(), what="the second beat to start")
        waited = second.log()
        os.kill(first.pid("beat"), signal.SIGKILL)
        wait_until(lambda: leader() == second.pid("beat"), what="the second beat to lead")
    finally:
        first.stop()
        second.stop()

    assert "This beat leads now" not in waited
    assert "This beat leads now" in second.log()
