"""Builds the bytes of a letter: headers, a text part and an HTML part, 7-bit, CRLF, short lines."""

from __future__ import annotations

import hashlib
from base64 import encodebytes
from dataclasses import dataclass

from apps.campaigns.rendering import quoted_printable

QUOTED_PRINTABLE = b"quoted-printable"
BASE64 = b"base64"


@dataclass(frozen=True, slots=True)
class Part:
    """A body part as it goes on the wire: its transfer encoding, and ASCII with CRLF line ends."""

    encoding: bytes
    content: bytes


def prefers_base64(text: str, size_bytes: int) -> bool:
    """Say whether base64 is shorter than quoted-printable.

    In UTF-8 about two bytes stand outside ASCII for each byte more than characters; each of them becomes three.
    """
    return 4 * (size_bytes - len(text)) > size_bytes // 3


def encode_part(text: str) -> Part:
    """Return a text with LF line ends in the shorter of the two encodings."""
    content = text.encode("utf-8", "replace")
    if not content.endswith(b"\n"):
        content += b"\n"
    if prefers_base64(text, len(content)):
        return Part(BASE64, encodebytes(content.replace(b"\n", b"\r\n")).replace(b"\n", b"\r\n"))
    return Part(QUOTED_PRINTABLE, quoted_printable.encode(content))


def boundary(message_id: str) -> bytes:
    """Return the boundary of a letter, the same on every attempt.

    "=_" stands in neither encoding: base64 has no underscore, and in quoted-printable two hexadecimal digits
    or a line end follow every "=".
    """
    return b"=_" + hashlib.sha256(message_id.encode()).hexdigest()[:24].encode()


def assemble(header_lines: bytes, *, text: Part, html: Part, message_id: str) -> bytes:
    """Return the whole letter: multipart/alternative, text first (RFC 2046 §5.1.4)."""
    mark = boundary(message_id)
    return (
        b'%bMIME-Version: 1.0\r\nContent-Type: multipart/alternative; boundary="%b"\r\n\r\n'
        b"--%b\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: %b\r\n\r\n%b\r\n"
        b"--%b\r\nContent-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: %b\r\n\r\n%b\r\n"
        b"--%b--\r\n"
    ) % (header_lines, mark, mark, text.encoding, text.content, mark, html.encoding, html.content, mark)
