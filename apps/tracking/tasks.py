"""The tracking floor's tasks: doors that call one service and may run twice or never."""

from __future__ import annotations

from celery import shared_task
from celery.exceptions import SoftTimeLimitExceeded
from django.conf import settings

from apps.tracking.services import effects, exports, kept_wishes
from settings.limits import TaskLimit

DEFAULT: TaskLimit = settings.LIMITS.default
EXPORT: TaskLimit = settings.LIMITS.export


@shared_task(name="apps.tracking.tasks.catch_up", time_limit=DEFAULT.hard, soft_time_limit=DEFAULT.soft)
def catch_up() -> None:
    """Carry out wishes that waited for the database, and close letters whose reader was faster than the reaper."""
    kept_wishes.replay()
    effects.prove_arrivals()


@shared_task(name=exports.RUN_TASK, time_limit=EXPORT.hard, soft_time_limit=EXPORT.soft)
def run_export(job_id: int) -> None:
    """Make one file."""
    try:
        exports.run(job_id)
    except SoftTimeLimitExceeded:
        exports.took_too_long(job_id)


@shared_task(name="apps.tracking.tasks.sweep_exports", time_limit=DEFAULT.hard, soft_time_limit=DEFAULT.soft)
def sweep_exports() -> None:
    """Find files that stand still, and delete those that have had their day."""
    exports.sweep()
