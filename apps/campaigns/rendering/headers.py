"""Writes header lines as bytes: one line in, never two out; RFC 2047 words where ASCII is not enough."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from datetime import datetime
from email.utils import format_datetime
from functools import lru_cache

from apps.campaigns.rendering.errors import RenderError
from apps.campaigns.rendering.types import Letter
from apps.campaigns.rendering.urls import domain_to_ascii
from apps.campaigns.rendering.values import clean_line

LINE = 76  # RFC 2047 §2: a line with encoded words has at most 76 characters
MAX_SUBJECT_CHARS = 998
MAX_NAME_CHARS = 320
CUSTOM_HEADERS = frozenset(["auto-submitted", "importance", "priority", "organization", "keywords", "comments"])
_CUSTOM_NAME = re.compile(r"[Xx]-[A-Za-z0-9-]{1,60}\Z")
_OWN_X_HEADERS = frozenset(["x-auto-response-suppress"])
_PLAIN_PHRASE = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?: [A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*\Z")
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LOCAL = re.compile(rf"{_ATOM}(?:\.{_ATOM})*\Z")
_DOMAIN = re.compile(
    r"(?=.{1,253}\Z)[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)*\Z"
)
_VISIBLE = re.compile(r"[\x21-\x7e]+\Z")
_MESSAGE_ID = re.compile(r"<[\x21-\x3b\x3d\x3f-\x7e]+@[\x21-\x3b\x3d\x3f-\x7e]+>\Z")


def ascii_address(email: str) -> str:
    """Return an address for the wire, its domain in A-labels.

    Raises:
        RenderError: "needs_smtputf8" for letters outside ASCII before the @, "bad_address" for anything else.
    """
    local, at, domain = email.rpartition("@")
    domain = domain_to_ascii(domain)
    if at and local and not local.isascii() and clean_line(local) == local and _DOMAIN.match(domain):
        raise RenderError.of("needs_smtputf8")
    if len(local) > 64 or not _LOCAL.match(local) or not _DOMAIN.match(domain):
        raise RenderError.of("bad_address")
    return f"{local}@{domain}"


def encoded_words(text: str, first_room: int) -> list[str]:
    """Return RFC 2047 words of at most 75 characters, none of which splits a character.

    Args:
        text: one clean line.
        first_room: how many characters the first line still has.
    """
    words: list[str] = []
    piece = bytearray()
    room = _bytes_that_fit(first_room)
    for character in text:
        encoded = character.encode()
        if len(piece) + len(encoded) > room and (piece or not words):
            if piece:
                words.append(_word(piece))
            piece = bytearray()
            room = _bytes_that_fit(LINE - 1)
        piece += encoded
    if piece:
        words.append(_word(piece))
    return words


def _bytes_that_fit(room: int) -> int:
    return (min(room, LINE - 1) - len("=?utf-8?B??=")) // 4 * 3


def _word(piece: bytearray) -> str:
    return f"=?utf-8?B?{base64.b64encode(piece).decode()}?="


def _needs_words(text: str) -> bool:
    return not text.isascii() or "=?" in text


def text_line(name: str, value: str) -> bytes:
    """Return a header of free text (Subject and its like), folded."""
    value = clean_line(value)
    if not _needs_words(value):
        if len(name) + 2 + len(value) <= LINE:
            return f"{name}: {value}\r\n".encode()
        folded = _folded_at_spaces(name, value)
        if folded:
            return folded
    words = "\r\n ".join(encoded_words(value, LINE - len(name) - 2))
    return f"{name}: {words}\r\n".encode()


def _folded_at_spaces(name: str, value: str) -> bytes | None:
    """Fold plain ASCII before single spaces; None where that cannot give the same text back."""
    first, *words = value.split(" ")
    lines, current = [], f"{name}: {first}"
    for word in words:
        if len(current) + 1 + len(word) > LINE:
            lines.append(current)
            current = word
        else:
            current = f"{current} {word}"
    lines.append(current)
    if "  " in value or max(map(len, lines)) >= LINE:
        return None
    return "\r\n ".join(lines).encode("ascii") + b"\r\n"


def mailbox_line(name: str, display_name: str, address: str) -> bytes:
    """Return From, To or Reply-To with one mailbox; the address is already fit for the wire."""
    display_name = clean_line(display_name)[:MAX_NAME_CHARS].strip()
    if not display_name:
        return f"{name}: {address}\r\n".encode("ascii")
    if _needs_words(display_name) or len(display_name) > 60:
        phrase = "\r\n ".join(encoded_words(display_name, LINE - len(name) - 2))
    elif _PLAIN_PHRASE.match(display_name):
        phrase = display_name
    else:
        phrase = '"' + display_name.replace("\\", "\\\\").replace('"', '\\"') + '"'
    start = f"{name}: {phrase}"
    last_line = len(start) - start.rfind("\n") - 1
    gap = " " if last_line + len(address) + 3 <= LINE else "\r\n "
    return f"{start}{gap}<{address}>\r\n".encode("ascii")


def list_id_line(list_name: str, list_id: str) -> bytes:
    """Return List-Id: a phrase and a stable name in the form of a domain (RFC 2919)."""
    identifier = domain_to_ascii(clean_line(list_id).strip("<>"))
    if not _DOMAIN.match(identifier):
        raise RenderError.of("bad_header", detail="List-Id")
    if not clean_line(list_name):
        return f"List-Id: <{identifier}>\r\n".encode("ascii")
    return mailbox_line("List-Id", list_name, identifier)


def custom_lines(custom: Mapping[str, str]) -> bytes:
    """Return a marketer's own headers: `X-…` and a few harmless ones.

    Raises:
        RenderError: the name is not one of those.
    """
    lines = []
    for name, value in custom.items():
        is_known = name.lower() in CUSTOM_HEADERS or _CUSTOM_NAME.match(name)
        if not is_known or name.lower() in _OWN_X_HEADERS:
            raise RenderError.of("bad_header", detail=clean_line(name)[:60])
        if clean_line(value):
            lines.append(text_line(name, value))
    return b"".join(lines)


@lru_cache(maxsize=256)
def sender_lines(from_name: str, from_email: str, reply_to: str) -> bytes:
    """Return From and, where it is given, Reply-To: the same for every letter of a version."""
    lines = mailbox_line("From", from_name, ascii_address(from_email))
    if reply_to:
        lines += mailbox_line("Reply-To", "", ascii_address(reply_to))
    return lines


@lru_cache(maxsize=64)
def _date_line(moment: datetime) -> bytes:
    return f"Date: {format_datetime(moment)}\r\n".encode("ascii")


def bracketed(message_id: str) -> str:
    """Return a Message-ID with its angle brackets.

    Raises:
        RenderError: it is not one.
    """
    message_id = message_id if message_id.startswith("<") else f"<{message_id}>"
    if not _MESSAGE_ID.match(message_id) or len(message_id) > 250:
        raise RenderError.of("bad_message_id")
    return message_id


def letter_lines(letter: Letter, subject: str, sender: bytes) -> bytes:
    """Return every header of one letter but those of its body.

    List-Unsubscribe stands on one line and is never encoded: mail clients show no button otherwise (RFC 8058).

    Raises:
        RenderError: the subject, an address or a custom header cannot be written.
    """
    subject = clean_line(subject)
    if not subject:
        raise RenderError.of("empty_subject")
    if len(subject) > MAX_SUBJECT_CHARS:
        raise RenderError.of("subject_too_long")
    lines = [
        sender,
        mailbox_line("To", letter.to_name, ascii_address(letter.to_email)),
        text_line("Subject", subject),
        _date_line(letter.date.replace(microsecond=0)),
        f"Message-ID: {bracketed(letter.message_id)}\r\n".encode("ascii"),
    ]
    if letter.is_bulk:
        lines.append(_list_lines(letter))
    if letter.feedback_id:
        lines.append(_feedback_line(letter.feedback_id))
    if letter.headers:
        lines.append(custom_lines(letter.headers))
    return b"".join(lines)


def _list_lines(letter: Letter) -> bytes:
    if not _VISIBLE.match(letter.unsubscribe_url):
        raise RenderError.of("missing_unsubscribe_url")
    return (
        f"List-Unsubscribe: <{letter.unsubscribe_url}>\r\n"
        "List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"
        "Precedence: bulk\r\n"
        "X-Auto-Response-Suppress: OOF, AutoReply\r\n"
    ).encode("ascii") + (list_id_line(letter.list_name, letter.list_id) if letter.list_id else b"")


def _feedback_line(feedback_id: str) -> bytes:
    if not _VISIBLE.match(feedback_id) or feedback_id.count(":") > 3:
        raise RenderError.of("bad_header", detail="Feedback-ID")
    return f"Feedback-ID: {feedback_id}\r\n".encode("ascii")
