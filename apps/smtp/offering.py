"""What is said to offer a letter, and which letters a server has told us beforehand that it cannot take."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from apps.smtp.envelope import Envelope
from apps.smtp.outcome import Deferred, FailureClass, Rejected, Reply, Stage

WANTED: Final = {Stage.MAIL: range(250, 251), Stage.RCPT: range(250, 253), Stage.DATA: range(354, 355)}
"""The codes of each stage with which the conversation goes on."""


def commands(envelope: Envelope, extensions: Mapping[str, str]) -> list[tuple[Stage, bytes, range]]:
    """Return the commands that offer the letter, each with its stage and the codes that let it go on."""
    return [
        (Stage.MAIL, mail(envelope, extensions), WANTED[Stage.MAIL]),
        (Stage.RCPT, rcpt(envelope), WANTED[Stage.RCPT]),
        (Stage.DATA, b"DATA\r\n", WANTED[Stage.DATA]),
    ]


def mail(envelope: Envelope, extensions: Mapping[str, str]) -> bytes:
    """Return the MAIL command with what the server wants to know beforehand."""
    parameters = ""
    if "SIZE" in extensions:
        parameters += f" SIZE={len(envelope.data)}"
    if not envelope.data.isascii():
        parameters += " BODY=8BITMIME"
    if envelope.needs_smtputf8:
        parameters += " SMTPUTF8"
    return f"MAIL FROM:<{envelope.mail_from}>{parameters}\r\n".encode()


def rcpt(envelope: Envelope) -> bytes:
    """Return the RCPT command."""
    return f"RCPT TO:<{envelope.rcpt_to}>\r\n".encode()


def cannot_travel(envelope: Envelope, extensions: Mapping[str, str]) -> Rejected | Deferred | None:
    """Say no to what the server has told us in EHLO that it cannot take; nothing goes out."""
    size = extensions.get("SIZE", "")
    if size.isascii() and size.isdigit() and 0 < int(size) < len(envelope.data):
        return _message_refused("5.3.4", f"The server takes up to {int(size)} bytes; this has {len(envelope.data)}.")
    if envelope.needs_smtputf8 and "SMTPUTF8" not in extensions:
        return _message_refused("5.6.7", "The server does not take addresses with characters outside ASCII.")
    if not envelope.data.isascii() and "8BITMIME" not in extensions:
        return _message_refused("5.6.3", "The server takes 7-bit messages only.")
    return None


def _message_refused(enhanced: str, text: str) -> Rejected:
    return Rejected(Stage.MAIL, Reply(0, enhanced, text), FailureClass.MESSAGE)
