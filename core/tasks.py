"""The ground floor's tasks."""

from __future__ import annotations

from celery import shared_task

from core import pulses


@shared_task(name="core.tasks.canary")
def canary(queue: str) -> None:
    """Prove that a worker really executes what stands in this queue."""
    pulses.beat(f"canary:{queue}")
