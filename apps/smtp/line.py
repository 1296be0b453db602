"""A socket that always knows its stage and never waits longer than it was told."""

from __future__ import annotations

import contextlib
import socket
import ssl
from functools import lru_cache

from apps.smtp.budget import now
from apps.smtp.outcome import Reply, Stage
from apps.smtp.replies import BrokenLineError, ReplyReader

_PIECE = 64 * 1024


@lru_cache(maxsize=4)
def tls_context(verify: bool) -> ssl.SSLContext:
    """Return the shared TLS settings: TLS 1.2 or later, certificate and name checked unless told otherwise."""
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def is_broken_off(error: ssl.SSLError) -> bool:
    """Tell an end of the connection from a disagreement about TLS, which the TLS library names itself."""
    ends = (ssl.SSLEOFError, ssl.SSLZeroReturnError, ssl.SSLSyscallError)
    return isinstance(error, ends) or getattr(error, "library", None) is None


class Line:
    """One open socket to a server.

    `stage` is set before every write, so that whatever happens next can be told apart.
    """

    def __init__(self, sock: socket.socket) -> None:
        self.stage = Stage.CONNECT
        self._socket = sock
        self._replies = ReplyReader(sock)

    @classmethod
    def dial(cls, addresses: list[str], port: int, *, until: float) -> Line:
        """Connect to the first address that answers; each gets a fair share of the time.

        Raises:
            BrokenLineError: unreachable; it does not say how, so that nobody can scan ports with it.
        """
        for place, address in enumerate(addresses):
            left = until - now()
            if left <= 0:
                break
            try:
                sock = socket.create_connection((address, port), timeout=left / (len(addresses) - place))
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            except OSError:
                continue
            return cls(sock)
        raise BrokenLineError("unreachable")

    def start_tls(self, host: str, *, verify: bool, until: float) -> None:
        """Encrypt the line.

        Raises:
            BrokenLineError: tls when the peer's certificate or protocol is no good; unexpected when it had already said
                something, which an attacker may have put there.
        """
        if self._replies.has_leftovers:
            raise BrokenLineError("unexpected")
        left = until - now()
        if left <= 0:
            raise BrokenLineError("timeout")
        try:
            self._socket.getpeername()  # the standard library leaks a socket whose peer is gone already
            self._socket.settimeout(left)
            self._socket = tls_context(verify).wrap_socket(self._socket, server_hostname=host)
        except TimeoutError:
            raise BrokenLineError("timeout") from None
        except ssl.SSLError as error:
            raise BrokenLineError("closed" if is_broken_off(error) else "tls") from None
        except ValueError:
            raise BrokenLineError("tls") from None
        except OSError:
            raise BrokenLineError("closed") from None
        self._replies = ReplyReader(self._socket)

    def ask(self, stage: Stage, command: bytes, *, until: float) -> Reply:
        """Say one command and return the reply to it."""
        self.say(stage, command, until=until)
        return self.hear(until)

    def say(self, stage: Stage, command: bytes, *, until: float) -> None:
        """Write one or more whole commands."""
        self.stage = stage
        self.pour(command, until=until, patience=until - now())

    def hear(self, until: float) -> Reply:
        """Return the next reply."""
        return self._replies.read(until)

    def hear_lines(self, until: float) -> list[bytes]:
        """Return the lines of the next reply as they came."""
        return self._replies.read_lines(until)

    def pour(self, content: bytes, *, until: float, patience: float) -> None:
        """Write everything; give up at `until` or after `patience` seconds without progress.

        Raises:
            BrokenLineError: not all of it was written.
        """
        view = memoryview(content)
        while view:
            left = min(until - now(), patience)
            if left <= 0:
                raise BrokenLineError("timeout")
            try:
                self._socket.settimeout(left)
                written = self._socket.send(view[:_PIECE])
            except TimeoutError:
                raise BrokenLineError("timeout") from None
            except OSError:
                raise BrokenLineError("closed") from None
            view = view[written:]

    @property
    def is_quiet(self) -> bool:
        """True while the peer has said nothing unasked and has not hung up."""
        return self._replies.is_quiet()

    def part(self) -> None:
        """Say QUIT without waiting, and close: nothing a server answers to it could matter."""
        self.stage = Stage.QUIT
        try:
            self._socket.settimeout(0)
            self._socket.send(b"QUIT\r\n")
        except OSError:  # the peer went first
            pass
        finally:
            self.close()

    def close(self) -> None:
        """Close at once; never raises."""
        with contextlib.suppress(OSError):  # the descriptor is gone either way
            self._socket.close()
