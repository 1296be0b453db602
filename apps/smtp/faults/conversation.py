"""How the fault server talks to one client, and how it fails on purpose while doing so."""

from __future__ import annotations

import atexit
import base64
import contextlib
import dataclasses
import datetime as dt
import ipaddress
import re
import shutil
import socket
import ssl
import struct
import tempfile
import time
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from apps.smtp.faults.script import Fault

if TYPE_CHECKING:
    from apps.smtp.faults.server import FaultServer


@dataclasses.dataclass(frozen=True)
class Letter:
    """A letter that was accepted."""

    message_id: str
    recipient: str
    mail_from: str
    at: float
    data: bytes
    connection: int
    username: str
    is_answered: bool = True  # False: taken, and hung up on without a word


class HangUp(Exception):  # noqa: N818 - it ends a conversation, it is no error
    """Ends a conversation; `reset` sends RST instead of FIN."""

    def __init__(self, *, reset: bool = False) -> None:
        self.reset = reset


class Conversation:
    """One client, from the banner to QUIT."""

    def __init__(self, server: FaultServer, sock: socket.socket, number: int) -> None:
        self.server, self.sock, self.number = server, sock, number
        self.buffer = bytearray()
        self.username = ""
        self.mail_from = ""
        self.recipients: list[str] = []

    def run(self) -> None:
        self._misbehave("connect")
        if self.server.tls:
            self._encrypt()
        if not self._misbehave("banner"):
            self.say("220 fault.test ESMTP")
        while line := self._line():
            verb, _, rest = line.partition(" ")
            handler = getattr(self, f"_do_{verb.lower()}", None)
            self.server.note(line if verb.upper() != "AUTH" else "AUTH")
            if handler is None:
                self.say("502 5.5.1 Command not known")
            else:
                handler(rest)

    def say(self, reply: str) -> None:
        self.sock.sendall(reply.encode() + b"\r\n")

    def close(self, *, reset: bool) -> None:
        with contextlib.suppress(OSError):
            if reset:
                self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.sock.close()

    def _do_ehlo(self, _rest: str) -> None:
        if not self.server.knows_ehlo:
            self.say("502 5.5.1 EHLO not known")
        elif not self._misbehave("ehlo"):
            offered = ["fault.test", *self.server.extensions]
            if self.server.offers_starttls and not isinstance(self.sock, ssl.SSLSocket):
                offered.append("STARTTLS")
            if self.server.accounts is not None:
                offered.append(self.server.auth_line)
            for line in offered[:-1]:
                self.say(f"250-{line}")
            self.say(f"250 {offered[-1]}")

    def _do_helo(self, _rest: str) -> None:
        self._answer("ehlo", "250 fault.test")

    def _do_starttls(self, _rest: str) -> None:
        if not self._misbehave("starttls"):
            self.say("220 2.0.0 Go ahead")
            self._misbehave("handshake")
            self._encrypt()

    def _do_auth(self, rest: str) -> None:
        mechanism, _, initial = rest.partition(" ")
        if mechanism.upper() == "PLAIN":
            _, user, password = base64.b64decode(initial).decode().split("\0")
        else:
            self.say("334 VXNlcm5hbWU6")
            user = base64.b64decode(self._line()).decode()
            self.say("334 UGFzc3dvcmQ6")
            password = base64.b64decode(self._line()).decode()
        if self._misbehave("auth"):
            return
        if (self.server.accounts or {}).get(user) == password:
            self.username = user
            self.say("235 2.7.0 Welcome")
        else:
            self.say("535 5.7.8 Wrong user name or password")

    def _do_mail(self, rest: str) -> None:
        if self.server.accounts is not None and not self.username:
            self.say("530 5.7.0 Authentication required")
        elif not self._misbehave("mail"):
            self.mail_from, self.recipients = _address(rest), []
            self.say("250 2.1.0 Sender ok")

    def _do_rcpt(self, rest: str) -> None:
        recipient = _address(rest)
        if not self._misbehave("rcpt", recipient):
            self.recipients.append(recipient)
            self.say("250 2.1.5 Recipient ok")

    def _do_data(self, _rest: str) -> None:
        if not self.recipients:
            self.say("503 5.5.1 RCPT first")
        elif not self._misbehave("data", self.recipients[0]):
            self.say("354 End with a dot")
            self._end(self._body())

    def _do_bdat(self, rest: str) -> None:
        size = int(rest.partition(" ")[0])
        while len(self.buffer) < size:
            self._fill()
        data = bytes(self.buffer[:size])
        del self.buffer[:size]
        if self.recipients:
            self._end(data)
        else:
            self.say("503 5.5.1 RCPT first")

    def _end(self, data: bytes) -> None:
        """Answer to a whole letter."""
        fault = self._next("dot")
        if fault is None or fault.action in ("slow", "accept_then_drop"):
            self._keep(data, is_answered=fault is None or fault.action == "slow")
        elif not fault.reply:
            self.server.fall_silent(self.recipients[0])
        if not fault or not self._act(fault):
            self.say(f"250 2.0.0 Queued as {self.server.accepted}")

    def _do_rset(self, _rest: str) -> None:
        self.recipients = []
        self._answer("rset", "250 2.0.0 Reset")

    def _do_noop(self, _rest: str) -> None:
        self.say("250 2.0.0 Ok")

    def _do_quit(self, _rest: str) -> None:
        self._answer("quit", "221 2.0.0 Bye")
        raise HangUp

    def _answer(self, stage: str, reply: str) -> None:
        if not self._misbehave(stage):
            self.say(reply)

    def _body(self) -> bytes:
        if fault := self._next("body"):
            while not self.buffer:
                self._fill()
            if self._act(fault):  # it has objected too early; the rest of the letter runs into the void
                while True:
                    self._fill()
        while not (self.buffer.startswith(b".\r\n") or b"\r\n.\r\n" in self.buffer):
            self._fill()
        end = 0 if self.buffer.startswith(b".\r\n") else self.buffer.index(b"\r\n.\r\n") + 2
        stuffed = bytes(self.buffer[:end])
        del self.buffer[: end + 3]
        return re.sub(rb"(?m)^\.", b"", stuffed)

    def _keep(self, data: bytes, *, is_answered: bool) -> None:
        found = re.search(rb"(?mi)^message-id:\s*(\S+)", data)
        message_id = found[1].decode("ascii", "replace") if found else ""
        for recipient in self.recipients:
            self.server.keep(
                Letter(
                    message_id, recipient, self.mail_from, time.time(), data, self.number, self.username, is_answered
                )
            )

    def _next(self, stage: str) -> Fault | None:
        return self.server.fault_at(stage, self.recipients[0] if self.recipients else "")

    def _misbehave(self, stage: str, recipient: str = "") -> bool:
        """Return True when a fault has answered in the server's place."""
        fault = self.server.fault_at(stage, recipient)
        if fault is None:
            return False
        if recipient and fault.reply:
            self.server.refuse(recipient, fault.reply)
        return self._act(fault)

    def _act(self, fault: Fault) -> bool:
        match fault.action:
            case "drop" | "accept_then_drop":
                self.server.fired.set()
                raise HangUp
            case "rst":
                self.server.fired.set()
                raise HangUp(reset=True)
            case "hang":
                self.server.fired.set()
                self.server.stopping.wait(60)
                raise HangUp
            case "trickle":
                self.server.fired.set()
                self._pour(b"2", pause=0.02)
            case "flood":
                self.server.fired.set()
                self._pour(b"220-and another line\r\n" * 1000, pause=0)
            case "garbage":
                self.sock.sendall(b"\x16\x03\x01 what is this\r\n")
            case "slow":
                time.sleep(fault.seconds)
                return False
            case reply:
                self.say(reply)
        self.server.fired.set()
        if fault.action.startswith("421"):
            raise HangUp
        return True

    def _pour(self, piece: bytes, *, pause: float) -> None:
        while not self.server.stopping.wait(pause):
            self.sock.sendall(piece)
        raise HangUp

    def _encrypt(self) -> None:
        raw = self.sock
        raw.getpeername()  # the standard library leaks a socket whose peer is gone already
        self.sock = server_tls().wrap_socket(raw, server_side=True)
        self.server.is_now(self.number, self.sock)

    def _line(self) -> str:
        while b"\n" not in self.buffer:
            self._fill()
        line, _, rest = bytes(self.buffer).partition(b"\n")
        self.buffer = bytearray(rest)
        return line.decode("utf-8", "replace").strip("\r") or " "

    def _fill(self) -> None:
        received = self.sock.recv(65536)
        if not received:
            raise HangUp
        self.buffer += received


def _address(argument: str) -> str:
    found = re.search(r"<([^>]*)>", argument)
    return found[1] if found else ""


@lru_cache(maxsize=1)
def certificate() -> Path:
    """Return a file with a fresh self-signed certificate for localhost and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    moment = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(moment - dt.timedelta(days=1))
        .not_valid_after(moment + dt.timedelta(days=2))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    folder = Path(tempfile.mkdtemp(prefix="fault-server-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    path = folder / "certificate.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(made.public_bytes(serialization.Encoding.PEM) + private)
    return path


@lru_cache(maxsize=1)
def server_tls() -> ssl.SSLContext:
    """Return the server's side of TLS with that certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate())
    return context
