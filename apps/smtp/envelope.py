"""What a transport carries: a return path, one recipient and the bytes of the letter."""

from __future__ import annotations

import re
from dataclasses import dataclass

from core.errors import EspError

_LINE_END = re.compile(rb"\r\n|\r|\n")
# A dot-atom whose characters may lie outside ASCII (RFC 6531); quoted local parts are refused as in contacts.
_LOCAL = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.\-\u00a0-\U0010ffff]+")
_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_DOMAIN = re.compile(rf"(?=.{{1,253}}\Z){_LABEL}(?:\.{_LABEL})*")


class InvalidEnvelopeError(EspError):
    """The envelope could not travel safely; nothing was offered to a server."""

    code = "invalid_envelope"


@dataclass(frozen=True, slots=True)
class Envelope:
    """One letter to one recipient.

    Args:
        mail_from: the return path; empty means the null sender.
        rcpt_to: the one recipient.
        data: the message with CRLF line ends, not dot-stuffed.
        message_id: the Message-ID, the same on every attempt.

    Raises:
        InvalidEnvelopeError: an address is not a plain addr-spec, or a line end is not CRLF (SMTP smuggling).
    """

    mail_from: str
    rcpt_to: str
    data: bytes
    message_id: str

    def __post_init__(self) -> None:
        _check_addresses(self)
        lines = self.data.count(b"\r\n")
        if self.data.count(b"\n") != lines or self.data.count(b"\r") != lines:
            raise InvalidEnvelopeError("The message has a bare CR or LF.", code="bare_line_end")
        if b"\0" in self.data:
            raise InvalidEnvelopeError("The message has a NUL byte.", code="nul_byte")

    @classmethod
    def of_checked(cls, data: bytes, *, mail_from: str, rcpt_to: str, message_id: str) -> Envelope:
        """Return an envelope for bytes in which the caller has just made sure of every line end; looks at the rest.

        For letters composed in bulk, whose wire assertions ask that and more of each.
        """
        envelope = object.__new__(cls)
        for name, value in (("mail_from", mail_from), ("rcpt_to", rcpt_to), ("data", data), ("message_id", message_id)):
            object.__setattr__(envelope, name, value)
        _check_addresses(envelope)
        return envelope

    @property
    def needs_smtputf8(self) -> bool:
        """True when an address can only travel to a server that offers SMTPUTF8."""
        return not (self.mail_from.isascii() and self.rcpt_to.isascii())


def with_crlf(data: bytes) -> bytes:
    """Return the bytes with every kind of line end made CRLF."""
    return _LINE_END.sub(b"\r\n", data)


def dot_stuffed(data: bytes) -> bytes:
    """Return what goes on the wire between DATA and the final dot, ending with CRLF (RFC 5321 4.5.2)."""
    stuffed = data.replace(b"\r\n.", b"\r\n..")
    if stuffed.startswith(b"."):
        stuffed = b"." + stuffed
    return stuffed if stuffed.endswith(b"\r\n") else stuffed + b"\r\n"


def _check_addresses(envelope: Envelope) -> None:
    if envelope.mail_from:
        _check_address(envelope.mail_from)
    _check_address(envelope.rcpt_to)


def _check_address(address: str) -> None:
    local, at, domain = address.rpartition("@")
    if not at or not _LOCAL.fullmatch(local) or not _DOMAIN.fullmatch(domain):
        raise InvalidEnvelopeError("The address cannot be written in an envelope.", code="invalid_address")
    if not local.isprintable():  # the pattern has no ASCII space, and Python calls no other space printable
        raise InvalidEnvelopeError("The address has a space or a control character.", code="invalid_address")
    try:
        octets = local.encode()
    except UnicodeEncodeError:
        raise InvalidEnvelopeError("The address has a broken character.", code="invalid_address") from None
    if len(octets) > 64 or len(address) > 254:
        raise InvalidEnvelopeError("The address is too long.", code="invalid_address")
