"""What Celery's signals set going in a worker."""

from __future__ import annotations

import logging
from typing import Any

from celery.signals import worker_init, worker_process_init, worker_process_shutdown
from django.db import Error as DatabaseError
from django.db import connections
from django.db.backends.signals import connection_created

from apps.campaigns import housekeeper, pacer
from apps.campaigns.services import restore_guard

log = logging.getLogger(__name__)


@worker_init.connect
def guard_against_restores(**_: Any) -> None:
    """Let no worker begin on a database that is not the one we knew; a restore of files breaks every connection."""
    connection_created.connect(look_at_database, dispatch_uid="restore_guard")
    try:
        restore_guard.look()
    except DatabaseError as error:
        log.warning("The database could not be looked at before the start: %s", type(error).__name__)
    finally:
        connections.close_all()  # the children that are forked now must not share it


def look_at_database(**_: Any) -> None:
    """Before anything else is done with a new connection."""
    restore_guard.look()


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
