"""Database connections kept from task to task and from request to request, with hot statements planned once on each."""

from __future__ import annotations

import select
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from django.conf import settings
from django.db import InterfaceError, InternalError, OperationalError, connection, connections

# What psycopg and Django raise when the server or the line is gone, or (InternalError) when the server has become a
# standby that only reads (25006): a new connection finds the new primary. Anything else is a bug and is not retried.
AWAY = (OperationalError, InterfaceError, InternalError)


@dataclass(frozen=True, slots=True)
class Executed:
    """What a hot statement did: how many rows it changed or returned, and the first it returned."""

    count: int
    row: tuple[Any, ...] | None


def execute(statement: str, values: Mapping[str, Any] | Sequence[Any]) -> Executed:
    """Run a statement that runs for every letter; the server parses and plans it once per connection.

    Joins the transaction that is open; without one it commits by itself. Raises what Django's cursors raise.
    """
    connection.ensure_connection()
    connection.validate_no_broken_transaction()
    raw = connection.connection
    # Switched on for this statement alone: otherwise psycopg would remember every text that Django sends, too.
    raw.prepare_threshold = 0 if settings.PREPARED_STATEMENTS else None
    try:
        with connection.wrap_database_errors, psycopg.Cursor(raw) as cursor:
            cursor.execute(statement, values)
            return Executed(cursor.rowcount, cursor.fetchone() if cursor.description else None)
    finally:
        raw.prepare_threshold = None


def execute_many(statement: str, values: Mapping[str, Any] | Sequence[Any]) -> list[tuple[Any, ...]]:
    """Run a hot statement about many letters and return all its rows; otherwise as `execute`."""
    connection.ensure_connection()
    connection.validate_no_broken_transaction()
    raw = connection.connection
    raw.prepare_threshold = 0 if settings.PREPARED_STATEMENTS else None
    try:
        with connection.wrap_database_errors, psycopg.Cursor(raw) as cursor:
            cursor.execute(statement, values)
            return cursor.fetchall()
    finally:
        raw.prepare_threshold = None


def by_index_only(cursor: Any) -> None:
    """Keep the planner from reading tables as a whole until this transaction ends, wherever there is an index.

    For questions about the few letters of one state. Their share of a table that others are filling is a guess, and
    "the first one must stand near the beginning" is a wrong one: what is done lies there.
    """
    cursor.execute("SET LOCAL enable_seqscan = off")


def replace_unfit() -> None:
    """Close the connections that the next task or request should not use; its first query then opens new ones.

    Unfit is one that met an error, is older than CONN_MAX_AGE, whose server has spoken or hung up meanwhile, or in
    which an interrupted task left a transaction open.
    """
    for one in connections.all(initialized_only=True):
        if one.connection is None:
            continue
        if one.in_atomic_block:
            # Closing it Django's way would keep the block; without a connection the next query forgets it.
            one.connection.close()
            one.connection = None
            continue
        one.close_if_unusable_or_obsolete()
        if one.connection is not None and not _is_quiet(one.connection):
            one.close()


def _is_quiet(raw: Any) -> bool:
    """Return whether an idle connection's server has said nothing: what it says unasked is a farewell."""
    if raw.closed:
        return False
    poll = select.poll()
    poll.register(raw.fileno(), select.POLLIN | select.POLLERR | select.POLLHUP)
    return not poll.poll(0)
