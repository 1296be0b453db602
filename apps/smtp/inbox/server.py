"""The local inbox's SMTP server: takes letters from our own processes only, keeps them, and relays none."""

from __future__ import annotations

import asyncio
import email.errors
import email.header
import logging
import re
import threading
import warnings
from collections.abc import Mapping
from typing import Any, Final

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from apps.smtp.inbox import credentials
from apps.smtp.inbox.store import Row, Store, Verdict

MAX_LETTER_BYTES: Final = 25 * 1000 * 1000
_IDLE_SECONDS: Final = 300
_DRAIN_SECONDS: Final = 5.0

_REPLIES: Final = {
    Verdict.KEPT: "250 2.0.0 Kept in the local inbox",
    Verdict.REFUSED: "550 5.6.0 The letter cannot be kept",
    Verdict.NOT_NOW: "451 4.3.0 The database is away, try again",
}
_HEADERS: Final = re.compile(rb"(?im)^(message-id|subject):[ \t]*((?:[^\r\n]|\r\n[ \t])*)")


def quieten() -> None:
    """Keep the library's log, which quotes commands and addresses, out of ours."""
    logging.getLogger("mail.log").setLevel(logging.CRITICAL)


def row_of(data: bytes, *, workspace_id: int | None, mail_from: str, recipient: str) -> Row:
    """Return the letter as a row, with the Message-ID and subject its header gives."""
    head = data[: data.find(b"\r\n\r\n") + 2] if b"\r\n\r\n" in data else data
    found: dict[bytes, str] = {}
    for name, value in _HEADERS.findall(head):
        found.setdefault(name.lower(), re.sub(rb"\r\n(?=[ \t])", b"", value).decode("utf-8", "replace").strip())
    return Row(
        workspace_id=workspace_id,
        mail_from=mail_from,
        recipient=recipient,
        message_id=found.get(b"message-id", ""),
        subject=_decoded(found.get(b"subject", "")),
        data=data,
    )


def _decoded(subject: str) -> str:
    if "=?" not in subject:
        return subject
    try:
        return str(email.header.make_header(email.header.decode_header(subject)))
    except (email.errors.HeaderParseError, LookupError, UnicodeError, ValueError):
        return subject


class _Handler:
    def __init__(self, store: Store) -> None:
        self._store = store

    async def handle_DATA(  # noqa: N802 - the library looks for this name
        self, _server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        data = envelope.content if isinstance(envelope.content, bytes) else str(envelope.content or "").encode()
        workspace_id = credentials.workspace_of(str(session.auth_data))
        rows = [
            row_of(data, workspace_id=workspace_id, mail_from=envelope.mail_from or "", recipient=recipient)
            for recipient in envelope.rcpt_tos
        ]
        verdicts = await asyncio.gather(*(self._store.keep(row) for row in rows))
        return next((_REPLIES[verdict] for verdict in verdicts if verdict is not Verdict.KEPT), _REPLIES[Verdict.KEPT])


def _authenticate(_server: SMTP, _session: Session, _envelope: Envelope, _mechanism: str, given: Any) -> AuthResult:
    if isinstance(given, LoginPassword):
        username = given.login.decode("utf-8", "replace")
        if credentials.is_right(username, given.password):
            return AuthResult(success=True, auth_data=username)
    return AuthResult(success=False, handled=False)


class InboxServer:
    """Listens on loopback; start and stop it inside a running event loop.

    Args:
        host: an address of this machine that strangers cannot reach.
        port: 0 lets the system choose; see `port` after the start.
        database: connection parameters for psycopg.
    """

    def __init__(self, host: str, port: int, *, database: Mapping[str, Any]) -> None:
        self._host = host
        self.port = port
        self._store = Store(database)
        self._server: asyncio.Server | None = None
        self._writer: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Listen; returns when clients can connect."""
        quieten()
        self._writer = asyncio.create_task(self._store.run())
        self._server = await asyncio.get_running_loop().create_server(
            self._protocol, self._host, self.port, backlog=512
        )
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Take no new client, finish what waits for its commit, and close."""
        if self._server is not None:
            self._server.close()
        await self._store.drained(_DRAIN_SECONDS)
        if self._writer is not None:
            self._writer.cancel()
            await asyncio.gather(self._writer, return_exceptions=True)

    def _protocol(self) -> SMTP:
        with warnings.catch_warnings():  # it warns of AUTH without TLS, which never leaves this machine
            warnings.simplefilter("ignore")
            return SMTP(
                _Handler(self._store),
                data_size_limit=MAX_LETTER_BYTES,
                enable_SMTPUTF8=True,
                hostname="local-inbox",
                ident="VashSender local inbox",
                timeout=_IDLE_SECONDS,
                auth_required=True,
                auth_require_tls=False,
                authenticator=_authenticate,
                loop=asyncio.get_running_loop(),
            )


class InboxThread:
    """Runs an inbox server in a thread of its own: a context manager for tests and single-process tools."""

    def __init__(self, *, database: Mapping[str, Any], host: str = "127.0.0.1", port: int = 0) -> None:
        self._server = InboxServer(host, port, database=database)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="local-inbox", daemon=True)
        self.host = host

    @property
    def port(self) -> int:
        """Where it listens."""
        return self._server.port

    def __enter__(self) -> InboxThread:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._server.start(), self._loop).result(10)
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._server.stop(), self._loop).result(15)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()
