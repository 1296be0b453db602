"""Imports in the background: each task calls one service."""

from __future__ import annotations

from billiard.exceptions import SoftTimeLimitExceeded
from celery import shared_task
from django.conf import settings

from apps.contacts.services import imports
from core import jobs

_LIMIT = settings.LIMITS.chunk


@shared_task(name=imports.RUN_TASK, time_limit=_LIMIT.hard, soft_time_limit=_LIMIT.soft)
def run_import(job_id: int) -> None:
    """Work on an import for one turn; the chunk that a soft limit interrupts is rolled back and done again."""
    try:
        imports.run(job_id)
    except SoftTimeLimitExceeded:
        jobs.ring(imports.RUN_TASK, job_id)


@shared_task(name="apps.contacts.tasks.sweep_imports")
def sweep_imports() -> None:
    """Find imports whose ring was lost."""
    imports.sweep()
