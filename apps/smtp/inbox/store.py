"""Writes what arrived to the database: letters that wait together share one transaction, and none is told sooner."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

import psycopg
from django.db import connection

from apps.smtp.inbox import retention

log = logging.getLogger(__name__)

_GROUP: Final = 200
_TRIM_EVERY: Final = 500
_STATEMENT_TIMEOUT: Final = "15s"

_INSERT: Final = """
INSERT INTO smtp_inboxletter (workspace_id, mail_from, recipient, message_id, subject, size, data)
SELECT * FROM unnest(%b::bigint[], %b::text[], %b::text[], %b::text[], %b::text[], %b::int[], %b::bytea[])
"""


def database_parameters() -> dict[str, Any]:
    """Return what psycopg needs to reach the database of the settings, with a short patience."""
    given = connection.get_connection_params()
    ours = {key: value for key, value in given.items() if key not in ("cursor_factory", "context", "prepare_threshold")}
    return {**ours, "connect_timeout": 5, "application_name": "vashsender-inbox"}


class Verdict(Enum):
    """What became of a letter that was to be kept."""

    KEPT = "kept"
    REFUSED = "refused"
    NOT_NOW = "not now"


@dataclass(frozen=True, slots=True)
class Row:
    """One letter for one recipient, ready for its row."""

    workspace_id: int | None
    mail_from: str
    recipient: str
    message_id: str
    subject: str
    data: bytes

    def columns(self) -> tuple[int | None, str, str, str, str, int, bytes]:
        """Return the values in the order of the statement."""
        return (
            self.workspace_id,
            _fit(self.mail_from, 320),
            _fit(self.recipient, 320),
            _fit(self.message_id, 255),
            _fit(self.subject, 998),
            len(self.data),
            self.data,
        )


@dataclass(slots=True)
class _Waiting:
    row: Row
    told: asyncio.Future[Verdict]


class Store:
    """One connection and one task that empties the queue; `keep` returns after the commit.

    Args:
        parameters: for psycopg; see `database_parameters`.
    """

    def __init__(self, parameters: Mapping[str, Any]) -> None:
        self._parameters = parameters
        self._queue: asyncio.Queue[_Waiting] = asyncio.Queue()
        self._connection: psycopg.AsyncConnection | None = None
        self._since_trim = 0

    async def keep(self, row: Row) -> Verdict:
        """Return what became of the letter, when it is certain."""
        told: asyncio.Future[Verdict] = asyncio.get_running_loop().create_future()
        self._queue.put_nowait(_Waiting(row, told))
        return await told

    async def drained(self, seconds: float) -> None:
        """Wait until nothing waits for its commit, or the time is over."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._queue.join(), seconds)

    async def run(self) -> None:
        """Write groups until cancelled."""
        try:
            while True:
                group = [await self._queue.get()]
                while len(group) < _GROUP and not self._queue.empty():
                    group.append(self._queue.get_nowait())
                await self._settle(group)
                for _ in group:
                    self._queue.task_done()
                self._since_trim += len(group)
                if self._since_trim >= _TRIM_EVERY:
                    self._since_trim = 0
                    await self._trim()
        finally:
            await self._hang_up()

    async def _settle(self, group: Sequence[_Waiting]) -> None:
        verdict = await self._write([waiting.row for waiting in group])
        if verdict is Verdict.REFUSED and len(group) > 1:  # one bad row must not cost the others their place
            for waiting in group:
                await self._settle([waiting])
            return
        for waiting in group:
            if not waiting.told.done():
                waiting.told.set_result(verdict)

    async def _write(self, rows: Sequence[Row]) -> Verdict:
        columns = [list(column) for column in zip(*(row.columns() for row in rows), strict=True)]
        try:
            line = await self._connected()
            async with line.transaction():
                await line.execute(_INSERT, columns)
        except (psycopg.errors.IntegrityError, psycopg.errors.DataError):
            return Verdict.REFUSED
        except (psycopg.Error, OSError) as error:
            log.warning("The local inbox cannot write: %s", type(error).__name__)
            await self._hang_up()
            return Verdict.NOT_NOW
        return Verdict.KEPT

    async def _trim(self) -> None:
        try:
            line = await self._connected()
            async with line.transaction():
                await line.execute(retention.TRIM, retention.BOUNDS)
        except (psycopg.Error, OSError) as error:
            log.warning("The local inbox cannot drop old bodies: %s", type(error).__name__)
            await self._hang_up()

    async def _connected(self) -> psycopg.AsyncConnection:
        if self._connection is None or self._connection.closed:
            self._connection = await psycopg.AsyncConnection.connect(**self._parameters, autocommit=True)
            await self._connection.execute(f"SET statement_timeout = '{_STATEMENT_TIMEOUT}'")
        return self._connection

    async def _hang_up(self) -> None:
        if self._connection is not None:
            line, self._connection = self._connection, None
            await line.close()


def _fit(text: str, length: int) -> str:
    return text.replace("\0", "").encode("utf-8", "replace").decode()[:length]
