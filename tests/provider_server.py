"""A provider's API on loopback: it counts what comes, answers as it is told, and can break off anywhere."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any


@dataclass
class Answer:
    """What one request is answered with.

    Args:
        body: a mapping is sent as JSON.
        then: "hang" (no answer), "drop" (closed without one), "trickle" (a byte at a time, for ever).
    """

    status: int = 200
    body: Any = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    then: str = ""


@dataclass(frozen=True)
class Request:
    """One request as it came."""

    at: float
    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class ProviderServer:
    """Answers with the script's answers one after another, then with the last one, or with `usual`."""

    def __init__(self, script: Iterable[Answer] = (), usual: Callable[[Request], Answer] | None = None) -> None:
        self.requests: list[Request] = []
        self.connections = 0
        self._script = list(script)
        self._usual = usual
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/"

    def start(self) -> ProviderServer:
        self._thread.start()
        return self

    def stop(self) -> None:
        self._stopping.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)

    def __enter__(self) -> ProviderServer:
        return self.start()

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.stop()

    def _next(self, request: Request) -> Answer:
        with self._lock:
            self.requests.append(request)
            if self._script and (self._usual is None or len(self._script) > 0):
                return self._script.pop(0) if len(self._script) > 1 or self._usual else self._script[0]
        return self._usual(request) if self._usual else Answer(200, {"id": f"id-{len(self.requests)}"})

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self) -> None:
                super().setup()
                outer.connections += 1

            def log_message(self, *_: object) -> None:
                """Say nothing."""

            def answer(self) -> None:
                at = time.monotonic()
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                request = Request(at, self.command, self.path, dict(self.headers.items()), body)
                self.give(outer._next(request))

            do_GET = do_POST = do_PUT = answer

            def give(self, answer: Answer) -> None:
                if answer.then == "drop":
                    self.close_connection = True
                    return
                if answer.then == "hang":
                    outer._stopping.wait(30)
                    self.close_connection = True
                    return
                data = answer.body if isinstance(answer.body, bytes) else json.dumps(answer.body).encode()
                self.send_response(answer.status)
                for name, value in {"Content-Type": "application/json", **answer.headers}.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(10**6 if answer.then == "trickle" else len(data)))
                self.end_headers()
                if answer.then == "trickle":
                    self.close_connection = True
                    while not outer._stopping.wait(0.05):
                        try:
                            self.wfile.write(b" ")
                        except OSError:
                            return
                self.wfile.write(data)

        return Handler
