"""An SMTP server of ours that fails on purpose: at any stage, in any way, for any letter; and remembers what it took.

`python -m apps.smtp.faults` runs it as a process of its own.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import random
import socket
import threading
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from apps.smtp.faults.conversation import Conversation, HangUp, Letter
from apps.smtp.faults.script import Fault


class FaultServer:
    """A context manager: listens on a loopback port of its own and behaves as `script` says.

    Args:
        script: faults, looked at in order; `faults` may be replaced while it runs.
        accounts: user name → password; given, AUTH is offered and required.
        starttls: offer STARTTLS with a self-signed certificate for localhost and 127.0.0.1.
        tls: speak TLS from the start.
        extensions: further EHLO lines, such as PIPELINING or "SIZE 1000".
        letters_file: append a JSON line for each letter there before it is answered, and for each refused recipient;
            a witness that outlives whoever is killed.
        knows_ehlo: False answers 502 to EHLO.
        auth_line: how the ways to sign in are offered.
        keep_data: keep the bytes of the letters.
        remembers: keep letters and commands in memory; False leaves only the file.
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
        remembers: bool = True,
        seed: int = 1,
    ) -> None:
        self.faults = list(script)
        self.accounts = accounts
        self.offers_starttls, self.tls, self.extensions = starttls, tls, tuple(extensions)
        self.auth_line = auth_line
        self.knows_ehlo, self.keep_data, self.remembers = knows_ehlo, keep_data, remembers
        self.accepted = 0
        self.letters: list[Letter] = []
        self.commands: list[str] = []
        self.connections_made = 0
        self.fired = threading.Event()
        self.stopping = threading.Event()
        self._lock = threading.Lock()
        self._reached: dict[int, int] = {}
        self._done: dict[int, int] = {}
        self._random = random.Random(seed)  # noqa: S311 - a repeatable run, no secret
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
        """Begin to listen."""
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
        """Return the fault that strikes now, and count it."""
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
        """Remember an accepted letter; on return the file has it."""
        with self._lock:
            self.accepted += 1
            if self.remembers:
                self.letters.append(letter if self.keep_data else dataclasses.replace(letter, data=b""))
            record = {**dataclasses.asdict(dataclasses.replace(letter, data=b"")), "size": len(letter.data)}
            del record["data"]
            self._write("accepted", record)

    def refuse(self, recipient: str, reply: str) -> None:
        """Note that a recipient was answered with something else than "fine"."""
        with self._lock:
            self._write("refused", {"recipient": recipient, "reply": reply})

    def fall_silent(self, recipient: str) -> None:
        """Note that a letter was neither taken nor answered."""
        with self._lock:
            self._write("silent", {"recipient": recipient})

    def note(self, command: str) -> None:
        """Remember a command."""
        if self.remembers:
            with self._lock:
                self.commands.append(command)

    def _write(self, what: str, record: dict[str, object]) -> None:
        if self._file is not None:
            os.write(self._file, json.dumps({"what": what, **record}).encode() + b"\n")
