"""What Celery's signals set going in a worker."""

from __future__ import annotations

from typing import Any

from celery.signals import worker_process_init, worker_process_shutdown

from apps.campaigns import housekeeper, pacer


@worker_process_init.connect
def start_housekeeper(**_: Any) -> None:
    """Give each child its housekeeper, and the children that carry letters a pacer."""
    from core.celery import app

    queues = app.amqp.queues.consume_from
    housekeeper.start(",".join(sorted(queues)))
    if "email" in queues:
        pacer.start()


@worker_process_shutdown.connect
def stop_housekeeper(**_: Any) -> None:
    """Let a child that ends in order sign off."""
    pacer.stop()
    housekeeper.stop()
