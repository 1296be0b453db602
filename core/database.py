"""The database connections of a worker process: kept from task to task, replaced when they are broken or old."""

from __future__ import annotations

import select
from typing import Any

from django.db import connections


def replace_unfit() -> None:
    """Close the connections that the next task should not use; its first query then opens new ones.

    Unfit is one that met an error, is older than CONN_MAX_AGE, whose server has spoken or hung up meanwhile, or in
    which an interrupted task left a transaction open.
    """
    for connection in connections.all(initialized_only=True):
        if connection.connection is None:
            continue
        if connection.in_atomic_block:
            # Closing it Django's way would keep the block; without a connection the next query forgets it.
            connection.connection.close()
            connection.connection = None
            continue
        connection.close_if_unusable_or_obsolete()
        if connection.connection is not None and not _is_quiet(connection.connection):
            connection.close()


def _is_quiet(raw: Any) -> bool:
    """Return whether an idle connection's server has said nothing: what it says unasked is a farewell."""
    if raw.closed:
        return False
    poll = select.poll()
    poll.register(raw.fileno(), select.POLLIN | select.POLLERR | select.POLLHUP)
    return not poll.poll(0)
