"""The time table holds on both clocks, and the tasks carry it."""

from __future__ import annotations

import pytest

from core.celery import app
from settings.limits import REAL, SHORT, Limits


@pytest.mark.parametrize("limits", [REAL, SHORT], ids=["real", "short"])
def test_every_inequality_holds(limits: Limits) -> None:
    assert [rule for rule, holds in limits.inequalities().items() if not holds] == []


def test_real_limits_are_the_users() -> None:
    assert (REAL.campaign.hard, REAL.campaign.soft) == (1800, 1500)
    assert (REAL.batch.hard, REAL.batch.soft) == (600, 480)
    assert (REAL.single.hard, REAL.single.soft) == (300, 240)


@pytest.mark.parametrize(
    ("task", "hard", "soft", "queue"),
    [
        ("apps.campaigns.tasks.send_campaign", 1800, 1500, "campaigns"),
        ("apps.campaigns.tasks.send_email_batch", 600, 480, "email"),
        ("apps.campaigns.tasks.send_single_email", 300, 240, "email"),
    ],
)
def test_registered_tasks_carry_limits_and_queue(task: str, hard: int, soft: int, queue: str) -> None:
    app.loader.import_default_modules()

    registered = app.tasks[task]

    assert (registered.time_limit, registered.soft_time_limit) == (hard, soft)
    assert app.amqp.router.route({}, task)["queue"].name == queue


def test_every_beat_entry_names_a_registered_task_and_expires_with_its_period() -> None:
    app.loader.import_default_modules()

    for name, entry in app.conf.beat_schedule.items():
        assert entry["task"] in app.tasks, name
        assert entry["options"]["expires"] == entry["schedule"], name


def test_messages_are_hints() -> None:
    conf = app.conf

    assert conf.task_acks_late
    assert conf.task_acks_on_timeout
    assert conf.task_ignore_result
    assert not conf.task_reject_on_worker_lost
    assert conf.worker_prefetch_multiplier == 1
    assert conf.accept_content == ["json"]
    assert conf.broker_transport_options["visibility_timeout"] >= 3600
