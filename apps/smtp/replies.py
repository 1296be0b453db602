"""Reads one server reply at a time, within a deadline and within bounds that no server can exceed."""

from __future__ import annotations

import re
import select
import socket
import ssl
from typing import Final

from apps.smtp.budget import now
from apps.smtp.outcome import Reply, one_line
from core.errors import EspError

MAX_LINES: Final = 100
MAX_BYTES: Final = 64 * 1024
MAX_TEXT: Final = 2000
_CHUNK: Final = 8192

_LINE = re.compile(rb"([2-5][0-9]{2})(?:([ -]).*)?", re.DOTALL)
_ENHANCED = re.compile(r"([245]\.\d{1,3}\.\d{1,3})(?:\s+|$)")


class BrokenLineError(EspError):
    """The conversation cannot go on; `code` is a key of `bounces.BREAKS`."""

    code = "closed"

    def __init__(self, code: str) -> None:
        super().__init__(f"The conversation with the server broke: {code}.", code=code)


class ReplyBuffer:
    """Turns bytes into replies, whoever reads them; holds at most `MAX_BYTES` and what was fed last."""

    __slots__ = ("_buffer", "_lines", "_searched", "_size")

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._lines: list[bytes] = []
        self._size = self._searched = 0

    @property
    def has_leftovers(self) -> bool:
        """True when there are bytes that nobody has taken."""
        return bool(self._buffer or self._lines)

    def feed(self, received: bytes) -> None:
        """Add what came."""
        self._buffer += received

    def take(self) -> list[bytes] | None:
        """Return the lines of the next complete reply, or None while it is not complete.

        Raises:
            BrokenLineError: garbage or too_long.
        """
        while (line := self._line()) is not None:
            self._size += len(line) + 1
            parsed = _LINE.fullmatch(line)
            if not parsed or (self._lines and parsed[1] != self._lines[0][:3]):
                raise BrokenLineError("garbage")
            self._lines.append(line)
            if parsed[2] != b"-":
                lines, self._lines, self._size = self._lines, [], 0
                return lines
            if len(self._lines) >= MAX_LINES:
                raise BrokenLineError("too_long")
        return None

    def _line(self) -> bytes | None:
        room = MAX_BYTES - self._size
        end = self._buffer.find(b"\n", self._searched)
        if end < 0:
            self._searched = len(self._buffer)
            if self._searched >= room:
                raise BrokenLineError("too_long")
            return None
        if end >= room:
            raise BrokenLineError("too_long")
        line = bytes(self._buffer[:end]).rstrip(b"\r")
        del self._buffer[: end + 1]
        self._searched = 0
        return line


class ReplyReader:
    """Reads the replies of a socket, each within its time."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._replies = ReplyBuffer()

    @property
    def has_leftovers(self) -> bool:
        """True when the server said more than it was asked."""
        return self._replies.has_leftovers

    def is_quiet(self) -> bool:
        """Return whether the peer has said nothing unasked and has not hung up; costs one system call."""
        if self._replies.has_leftovers:
            return False
        encrypted = isinstance(self._socket, ssl.SSLSocket)
        poll = select.poll()
        poll.register(self._socket, select.POLLIN | select.POLLERR | select.POLLHUP)
        if not poll.poll(0) and not (isinstance(self._socket, ssl.SSLSocket) and self._socket.pending()):
            return True
        return encrypted and self._only_tls_housekeeping()

    def _only_tls_housekeeping(self) -> bool:
        # A TLS 1.3 server sends session tickets when it likes: bytes on the wire, but nothing for us.
        try:
            self._socket.settimeout(0)
            self._replies.feed(self._socket.recv(_CHUNK))
        except ssl.SSLWantReadError:
            return True
        except OSError:
            return False
        return False

    def read(self, until: float) -> Reply:
        """Return the next complete reply; see `read_lines`."""
        return parse(self.read_lines(until))

    def read_lines(self, until: float) -> list[bytes]:
        """Return the lines of the next complete reply.

        Raises:
            BrokenLineError: timeout, closed, garbage or too_long.
        """
        while (lines := self._replies.take()) is None:
            self._fill(until)
        return lines

    def _fill(self, until: float) -> None:
        left = until - now()
        if left <= 0:
            raise BrokenLineError("timeout")
        try:
            self._socket.settimeout(left)
            received = self._socket.recv(_CHUNK)
        except TimeoutError:
            raise BrokenLineError("timeout") from None
        except OSError:
            raise BrokenLineError("closed") from None
        if not received:
            raise BrokenLineError("closed")
        self._replies.feed(received)


def parse(lines: list[bytes]) -> Reply:
    """Return the reply that the lines of one code make up; the text is fit for a database column and a log."""
    code = int(lines[0][:3])
    enhanced = ""
    texts = []
    for line in lines:
        text = one_line(line[4:].decode("utf-8", "replace"))
        if found := _ENHANCED.match(text):
            enhanced = enhanced or found[1]
            text = text[found.end() :]
        texts.append(text)
    return Reply(code, enhanced, " ".join(text for text in texts if text)[:MAX_TEXT])
