"""The tracking floor's tasks: doors that call one service and may run twice or never."""

from __future__ import annotations

from celery import shared_task
from django.conf import settings

from apps.tracking.services import effects, kept_wishes
from settings.limits import TaskLimit

DEFAULT: TaskLimit = settings.LIMITS.default


@shared_task(name="apps.tracking.tasks.catch_up", time_limit=DEFAULT.hard, soft_time_limit=DEFAULT.soft)
def catch_up() -> None:
    """Carry out wishes that waited for the database, and close letters whose reader was faster than the reaper."""
    kept_wishes.replay()
    effects.prove_arrivals()
