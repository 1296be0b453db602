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


class ReplyReader:
    """Turns the bytes of a socket into replies; holds at most `MAX_BYTES` and one chunk."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._buffer = bytearray()

    @property
    def has_leftovers(self) -> bool:
        """True when the server said more than it was asked."""
        return bool(self._buffer)

    def is_quiet(self) -> bool:
        """Return whether the peer has said nothing unasked and has not hung up; costs one system call."""
        if self._buffer:
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
            self._buffer += self._socket.recv(_CHUNK)
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
        lines: list[bytes] = []
        size = 0
        while True:
            line = self._line(until, MAX_BYTES - size)
            size += len(line) + 1
            parsed = _LINE.fullmatch(line)
            if not parsed or (lines and parsed[1] != lines[0][:3]):
                raise BrokenLineError("garbage")
            lines.append(line)
            if parsed[2] != b"-":
                return lines
            if len(lines) >= MAX_LINES:
                raise BrokenLineError("too_long")

    def _line(self, until: float, room: int) -> bytes:
        searched = 0
        while (end := self._buffer.find(b"\n", searched)) < 0:
            searched = len(self._buffer)
            if searched >= room:
                raise BrokenLineError("too_long")
            self._fill(until)
        if end >= room:
            raise BrokenLineError("too_long")
        line = bytes(self._buffer[:end]).rstrip(b"\r")
        del self._buffer[: end + 1]
        return line

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
        self._buffer += received


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
