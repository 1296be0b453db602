"""The smtp app's task."""

from __future__ import annotations

from celery import shared_task

from core import control


@shared_task(name="apps.smtp.tasks.cleanup_smtp_connections")
def cleanup_smtp_connections() -> None:
    """Tell every worker process to close its idle and old connections; each obeys within ten seconds."""
    control.raise_number(control.SMTP_CLEANUP)
