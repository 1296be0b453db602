"""One connection that never blocks: it dials, greets and encrypts in small steps, then moves a conversation's bytes."""

from __future__ import annotations

import contextlib
import errno
import math
import selectors
import socket
import ssl
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from apps.smtp import bounces
from apps.smtp.budget import StageCaps, now
from apps.smtp.config import TransportConfig
from apps.smtp.engine.talk import Talk
from apps.smtp.handshake import ConnectionFailedError, Greeting, Turn, greeting
from apps.smtp.line import is_broken_off, tls_context
from apps.smtp.outcome import Deferred, Stage
from apps.smtp.replies import BrokenLineError, ReplyBuffer

_PIECE: Final = 64 * 1024
_READ: Final = selectors.EVENT_READ
_BOTH: Final = selectors.EVENT_READ | selectors.EVENT_WRITE

Begin = Callable[[Mapping[str, str]], Talk]
"""Makes the conversation of a signed-in connection from the server's extensions."""


class Phase(Enum):
    """How far a connection is."""

    DIALLING = auto()
    ENCRYPTING = auto()
    GREETING = auto()
    OPEN = auto()
    CLOSED = auto()


@dataclass(frozen=True, slots=True)
class Place:
    """Where a connection leads and how long getting there may take."""

    config: TransportConfig
    addresses: Sequence[str]
    caps: StageCaps


class Channel:
    """One connection, from the dialling to the end.

    Attributes:
        talk: the conversation, once it is signed in.
        failure: why there is no conversation.
        opened_at: when it was signed in.
        used_at: when it last took a letter.
    """

    def __init__(self, place: Place, selector: selectors.BaseSelector, begin: Begin) -> None:
        self.phase = Phase.DIALLING
        self.talk: Talk | None = None
        self.failure: Deferred | None = None
        self.opened_at = self.used_at = math.inf
        self._deadline = math.inf
        self._place = place
        self._selector = selector
        self._begin = begin
        self._addresses = list(place.addresses)
        self._socket: socket.socket | None = None
        self._events = 0
        self._pending = memoryview(b"")
        self._attempted = self._given = 0
        self._replies = ReplyBuffer()
        self._greeting: Greeting = greeting(place.config)
        self._turn = Turn(Stage.CONNECT)

    @property
    def deadline(self) -> float:
        """When it has waited for too long."""
        return self.talk.deadline if self.talk else self._deadline

    @property
    def is_closed(self) -> bool:
        """True when it has come to its end, whoever ended it."""
        return self.phase is Phase.CLOSED

    @property
    def is_coming(self) -> bool:
        """True while a server is to answer before anything can be done here."""
        return self.talk is not None and not self.is_closed and not self.talk.room and not self.talk.at_mark

    def dial(self) -> None:
        """Begin to connect to the next address; each gets a fair share of the time."""
        until = now() + self._place.caps.connect
        while self._addresses:
            self._deadline = now() + (until - now()) / len(self._addresses)
            address = self._addresses.pop(0)
            family = socket.AF_INET6 if ":" in address else socket.AF_INET
            try:
                self._socket = socket.socket(family, socket.SOCK_STREAM)
                self._socket.setblocking(False)
                self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                answer = self._socket.connect_ex((address, self._place.config.port))
            except OSError:
                answer = errno.ECONNREFUSED
            if answer in (0, errno.EINPROGRESS):
                self._want(_BOTH)
                return
            self._drop()
        self._fail(bounces.interrupted(Stage.CONNECT, "unreachable"))

    def handle(self, events: int) -> None:
        """Do what the socket is ready for."""
        try:
            match self.phase:
                case Phase.OPEN:
                    if events & selectors.EVENT_READ:
                        self._read()
                    if self.phase is Phase.OPEN and (events & selectors.EVENT_WRITE or (self.talk and self.talk.out)):
                        self.flush()
                case Phase.GREETING:
                    if events & selectors.EVENT_WRITE:
                        self._write()
                    self._read()
                case Phase.ENCRYPTING:
                    self._shake_hands()
                case Phase.DIALLING:
                    self._dialled()
        except BrokenLineError as broken:
            self.broke(broken.code)

    def flush(self) -> None:
        """Write what the conversation has to say, as far as the system takes it."""
        try:
            self._write()
        except BrokenLineError as broken:
            self.broke(broken.code)

    def is_late(self, moment: float) -> bool:
        """End it if it has waited for too long; return whether it was ended."""
        if moment < self.deadline:
            return False
        if self.phase is Phase.DIALLING:
            self._drop()
            self.dial()
        else:
            self.broke("timeout")
        return self.is_closed

    def broke(self, reason: str) -> None:
        """The line broke: close it, and end what it carried."""
        self._close_socket()
        if self.is_closed:
            return
        if self.talk:
            self.talk.broke(reason, written=self._attempted)
        elif self.failure is None:
            self.failure = bounces.interrupted(self._turn.stage, reason)
        self.phase = Phase.CLOSED

    def part(self) -> None:
        """Say QUIT without waiting, and close."""
        if self._socket and self.phase is Phase.OPEN and not self._pending:
            with contextlib.suppress(OSError):  # the peer went first
                self._socket.send(b"QUIT\r\n")
        self.close()

    def close(self) -> None:
        """Close at once; never raises, and says nothing about letters."""
        self.phase = Phase.CLOSED
        self._close_socket()

    def _dialled(self) -> None:
        sock = self._socket
        if sock is None or sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            self._drop()
            self.dial()
            return
        self.phase = Phase.GREETING
        self._want(_READ)
        self._step(None)

    def _step(self, lines: list[bytes] | None) -> None:
        """Send the greeting what was heard, and do what it asks for next."""
        try:
            self._turn = next(self._greeting) if lines is None else self._greeting.send(lines)
        except StopIteration as done:
            self._opened(done.value)
            return
        except ConnectionFailedError as failed:
            self._fail(failed.outcome)
            return
        self._deadline = self._place.caps.until(self._turn.stage, math.inf)
        if self._turn.then_encrypt:
            self._encrypt()
        elif self._turn.command:
            self._pending = memoryview(self._turn.command)
            self._write()

    def _opened(self, extensions: Mapping[str, str]) -> None:
        if self._replies.has_leftovers:
            raise BrokenLineError("unexpected")
        self.phase = Phase.OPEN
        self.opened_at = self.used_at = now()
        self.talk = self._begin(extensions)

    def _encrypt(self) -> None:
        if self._replies.has_leftovers:  # which an attacker may have put there
            raise BrokenLineError("unexpected")
        plain, config = self._socket, self._place.config
        if plain is None:
            raise BrokenLineError("closed")
        self._selector.unregister(plain)
        self._events = 0
        try:
            plain.getpeername()  # the standard library leaks a socket whose peer is gone already
            self._socket = tls_context(config.verify_tls).wrap_socket(
                plain, server_hostname=config.host, do_handshake_on_connect=False
            )
        except ValueError:
            raise BrokenLineError("tls") from None
        except OSError:
            raise BrokenLineError("closed") from None
        self._replies = ReplyBuffer()
        self.phase = Phase.ENCRYPTING
        self._shake_hands()

    def _shake_hands(self) -> None:
        if not isinstance(self._socket, ssl.SSLSocket):
            raise BrokenLineError("closed")
        try:
            self._socket.do_handshake()
        except ssl.SSLWantReadError:
            self._want(_READ)
        except ssl.SSLWantWriteError:
            self._want(_BOTH)
        except ssl.SSLError as error:
            raise BrokenLineError("closed" if is_broken_off(error) else "tls") from None
        except ValueError:
            raise BrokenLineError("tls") from None
        except OSError:
            raise BrokenLineError("closed") from None
        else:
            self.phase = Phase.GREETING
            self._want(_READ)
            self._step([])
            if self.phase is Phase.GREETING:
                self._read()  # its first words may have come with the last of the handshake

    def _read(self) -> None:
        while self._socket is not None:
            try:
                received = self._socket.recv(_PIECE)
            except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                return
            except OSError:
                raise BrokenLineError("closed") from None
            if not received:
                raise BrokenLineError("closed")
            self._take(received)
            if not isinstance(self._socket, ssl.SSLSocket) or not self._socket.pending():
                return

    def _take(self, received: bytes) -> None:
        if self.talk:
            self.talk.receive(received)
            return
        self._replies.feed(received)
        while self.phase is Phase.GREETING and (lines := self._replies.take()) is not None:
            self._step(lines)

    def _write(self) -> None:
        talk = self.talk
        while self._socket is not None:
            if not self._pending:
                if talk is None or not talk.out:
                    break
                self._pending = memoryview(b"".join(talk.out) if len(talk.out) > 1 else talk.out[0])
                talk.out.clear()
            piece = self._pending[:_PIECE]
            self._attempted = self._given + len(piece)
            try:
                written = self._socket.send(piece)
            except (BlockingIOError, ssl.SSLWantWriteError, ssl.SSLWantReadError):
                self._want(_BOTH)
                return
            except OSError:
                raise BrokenLineError("closed") from None
            self._given += written
            self._pending = self._pending[written:]
            if talk and self._pending:
                talk.progressed()
        self._want(_READ)
        if talk:
            talk.flushed()

    def _want(self, events: int) -> None:
        if self._socket is None or events == self._events:
            return
        if self._events:
            self._selector.modify(self._socket, events, self)
        else:
            self._selector.register(self._socket, events, self)
        self._events = events

    def _fail(self, outcome: Deferred) -> None:
        self.failure = outcome
        self.close()

    def _drop(self) -> None:
        self._close_socket()
        self.phase = Phase.DIALLING

    def _close_socket(self) -> None:
        sock, self._socket = self._socket, None
        if sock is None:
            return
        if self._events:
            self._events = 0
            with contextlib.suppress(KeyError, ValueError):
                self._selector.unregister(sock)
        with contextlib.suppress(OSError):  # the descriptor is gone either way
            sock.close()
