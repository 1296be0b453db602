"""A front that speaks https before an installation, as a reverse proxy does in production; on this machine only."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from tests.fault_server import certificate


class Front:
    """Listens at once, so that its address is known; leads to the web server as soon as it is told where that is."""

    def __init__(self) -> None:
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificate())
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self._target = 0
        self._known = threading.Event()
        self.url = f"https://localhost:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, name="front", daemon=True).start()

    def lead_to(self, port: int) -> None:
        """Say where the web server listens."""
        self._target = port
        self._known.set()

    def close(self) -> None:
        """Stop listening."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                sock, _address = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=[sock], daemon=True).start()

    def _serve(self, sock: socket.socket) -> None:
        self._known.wait(60)
        with contextlib.suppress(OSError), contextlib.ExitStack() as open_sockets:
            open_sockets.callback(sock.close)
            inner = open_sockets.enter_context(self._context.wrap_socket(sock, server_side=True))
            outer = open_sockets.enter_context(socket.create_connection(("127.0.0.1", self._target)))
            back = threading.Thread(target=_pour, args=[outer, inner], daemon=True)
            back.start()
            _pour(inner, outer)
            back.join()


def _pour(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    for one in (source, target):
        with contextlib.suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)


@contextmanager
def https() -> Iterator[Front]:
    """Run a front until the block ends."""
    one = Front()
    try:
        yield one
    finally:
        one.close()
