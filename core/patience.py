"""How long a request waits for PostgreSQL: one that hangs answers nobody, and no limit of its own ends the wait."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import Any

import psycopg
from django.db import connection
from django.db.backends.signals import connection_created

# A mailbox that unsubscribes somebody waits for a few seconds; a wish that cannot be written by then is kept on disk.
DOOR_SECONDS = 5.0
# Nobody waits longer for a page, and a change to very many rows is made by a task.
READING_SECONDS = 30.0
WRITING_SECONDS = 300.0

_CANCEL_SECONDS = 0.5

_until: ContextVar[float | None] = ContextVar("patience_until", default=None)


@contextmanager
def at_most(seconds: float) -> Iterator[None]:
    """Let the statements within wait so long, all together; what waits longer raises OperationalError.

    Within another one the earlier end counts. A connection on which it struck is closed: what it says later would
    answer another question. Signing in is limited by `connect_timeout` alone.
    """
    until, outer = time.monotonic() + seconds, _until.get()
    token = _until.set(until if outer is None else min(until, outer))
    try:
        if connection.connection is not None:
            _watch(connection.connection)
        yield
    finally:
        _until.reset(token)
        if connection.connection is not None and connection.connection.closed and not connection.in_atomic_block:
            connection.close()


def _on_connected(connection: Any, **_: Any) -> None:
    if _until.get() is not None:
        _watch(connection.connection)


def _watch(raw: Any) -> None:
    """Let a connection's waits look at the time; once watched it stays so, which costs nothing outside `at_most`."""
    if "wait" in vars(raw):
        return
    usual = raw.wait

    def wait(generator: Any, *arguments: Any, **options: Any) -> Any:
        until = _until.get()
        if until is None:
            return usual(generator, *arguments, **options)
        try:
            return usual(generator, *arguments, **{**options, "timeout": max(0.0, until - time.monotonic())})
        except psycopg.OperationalError:
            if time.monotonic() >= until:
                _abandon(raw)
            raise

    raw.wait = wait


def _abandon(raw: Any) -> None:
    """Close a connection; a server that is only slow shall not go on with a statement, and its locks, for nobody."""
    token = _until.set(None)
    try:
        with suppress(psycopg.Error):
            raw.cancel_safe(timeout=_CANCEL_SECONDS)
    finally:
        _until.reset(token)
        raw.close()


connection_created.connect(_on_connected, dispatch_uid="core.patience")
