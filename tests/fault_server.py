"""An SMTP server of ours that fails on purpose: at any stage, in any way, for any letter; and remembers what it took.

As a process: `python -m tests.fault_server --port 0 --letters FILE [--script JSON] [--accounts]` prints its port and
appends one JSON line per accepted letter before it says 250, so that a test which kills senders can count.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import json
import os
import random
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from tests.fault_conversation import ACTIONS, Conversation, Fault, HangUp, Letter, certificate

__all__ = ["ACTIONS", "Fault", "FaultServer", "Letter", "certificate"]


class FaultServer:
    """A context manager: listens on a loopback port of its own and behaves as `script` says.

    Args:
        script: faults, looked at in order; `faults` may be replaced while it runs.
        accounts: user name → password; given, AUTH is offered and required.
        starttls: offer STARTTLS with a self-signed certificate for localhost and 127.0.0.1.
        tls: speak TLS from the start.
        extensions: further EHLO lines, such as PIPELINING or "SIZE 1000".
        letters_file: append accepted letters there as JSON lines.
        knows_ehlo: False answers 502 to EHLO.
        auth_line: how the ways to sign in are offered.
    """

    def __init__(
        self,
        script: Iterable[Fault] = (),
        *,
        port: int = 0,
        accounts: dict[str, str] | None = None,
        starttls: bool = False,
        tls: bool = False,
        extensions: Sequence[str] = ("PIPELINING", "8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES"),
        letters_file: Path | None = None,
        knows_ehlo: bool = True,
        auth_line: str = "AUTH PLAIN LOGIN",
        keep_data: bool = True,
        seed: int = 1,
    ) -> None:
        self.faults = list(script)
        self.accounts = accounts
        self.offers_starttls, self.tls, self.extensions = starttls, tls, tuple(extensions)
        self.auth_line = auth_line
        self.knows_ehlo, self.keep_data = knows_ehlo, keep_data
        self.letters: list[Letter] = []
        self.commands: list[str] = []
        self.connections_made = 0
        self.fired = threading.Event()
        self.stopping = threading.Event()
        self._lock = threading.Lock()
        self._reached: dict[int, int] = {}
        self._done: dict[int, int] = {}
        self._random = random.Random(seed)
        self._live: dict[int, socket.socket] = {}
        self._file = os.open(letters_file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600) if letters_file else None
        self._listener = socket.create_server(("127.0.0.1", port), backlog=512)
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._accept, name="fault-server", daemon=True)

    def __enter__(self) -> FaultServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> FaultServer:
        return self.__enter__()

    def stop(self) -> None:
        """Stop listening and hang up on everybody."""
        self.stopping.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            live = list(self._live.values())
        for sock in live:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        if self._thread.is_alive():
            self._thread.join(5)
        deadline = time.monotonic() + 5
        while self.connections_open and time.monotonic() < deadline:
            time.sleep(0.005)
        if self._file is not None:
            os.close(self._file)
            self._file = None

    @property
    def connections_open(self) -> int:
        """How many clients are connected now."""
        with self._lock:
            return len(self._live)

    def wait_for_connections(self, count: int, *, seconds: float = 10) -> bool:
        """Wait until exactly `count` clients are connected; for tests that ask after the fact."""
        deadline = time.monotonic() + seconds
        while self.connections_open != count:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.005)
        return True

    def hang_up(self) -> None:
        """Close every connection from this side, as a server does after its own idle time."""
        with self._lock:
            live = list(self._live.values())
        for sock in live:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        self.wait_for_connections(0)

    def recipients(self) -> list[str]:
        """Return the recipients of the accepted letters, in order."""
        with self._lock:
            return [letter.recipient for letter in self.letters]

    def _accept(self) -> None:
        while not self.stopping.is_set():
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            with self._lock:
                self.connections_made += 1
                number = self.connections_made
                self._live[number] = sock
            threading.Thread(target=self._serve, args=(sock, number), name=f"fault-{number}", daemon=True).start()

    def _serve(self, sock: socket.socket, number: int) -> None:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        conversation = Conversation(self, sock, number)
        reset = False
        try:
            conversation.run()
        except HangUp as hang_up:
            reset = hang_up.reset
        except (OSError, ValueError):
            pass
        finally:
            conversation.close(reset=reset)
            with self._lock:
                self._live.pop(number, None)

    def fault_at(self, stage: str, recipient: str) -> Fault | None:
        with self._lock:
            for fault in self.faults:
                if fault.stage != stage or fault.recipient not in (None, recipient):
                    continue
                key = id(fault)
                self._reached[key] = self._reached.get(key, 0) + 1
                if fault.nth is not None and self._reached[key] != fault.nth:
                    continue
                if fault.times is not None and self._done.get(key, 0) >= fault.times:
                    continue
                if fault.share < 1 and self._random.random() >= fault.share:
                    continue
                self._done[key] = self._done.get(key, 0) + 1
                return fault
        return None

    def is_now(self, number: int, sock: socket.socket) -> None:
        """Remember the encrypted socket of a connection."""
        with self._lock:
            self._live[number] = sock

    def keep(self, letter: Letter) -> None:
        with self._lock:
            self.letters.append(letter if self.keep_data else dataclasses.replace(letter, data=b""))
            if self._file is not None:
                record = {
                    "message_id": letter.message_id,
                    "recipient": letter.recipient,
                    "mail_from": letter.mail_from,
                    "at": letter.at,
                    "size": len(letter.data),
                    "username": letter.username,
                }
                os.write(self._file, json.dumps(record).encode() + b"\n")

    def note(self, command: str) -> None:
        with self._lock:
            self.commands.append(command)


def _arguments(argv: Sequence[str] | None) -> Any:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--letters", type=Path)
    parser.add_argument("--script", default="[]", help='JSON: [{"stage": "dot", "action": "drop", "share": 0.01}]')
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Serve until SIGTERM or the end of standard input's parent."""
    given = _arguments(argv)
    faults = [Fault(**fault) for fault in json.loads(given.script)]
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    with FaultServer(faults, port=given.port, letters_file=given.letters, keep_data=False, seed=given.seed) as server:
        print(server.port, flush=True)
        stop.wait()
    sys.exit(0)


if __name__ == "__main__":
    main()
