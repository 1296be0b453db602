"""A letter of the local inbox taken apart for people to look at; a broken letter shows what can be shown."""

from __future__ import annotations

import email
import email.errors
import email.header
import re
from dataclasses import dataclass, field
from email.message import Message
from typing import Final

_HEAD: Final = re.compile(r"<head\b[^>]*>", re.IGNORECASE)
_DOCTYPE: Final = re.compile(r"\s*<!doctype\b[^>]*>", re.IGNORECASE)
# A link must leave the frame: neither our own pages nor anybody else's let themselves be framed.
_LINKS_OPEN_ABOVE: Final = '<base target="_blank">'
_NOT_TEXT: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")


@dataclass(frozen=True, slots=True)
class Attachment:
    """A part that is not shown."""

    name: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class OpenLetter:
    """What a person can look at; html or text is None where the letter has no such part."""

    headers: list[tuple[str, str]] = field(default_factory=list)
    html: str | None = None
    text: str | None = None
    attachments: list[Attachment] = field(default_factory=list)

    def header(self, name: str) -> str:
        """Return the first header of that name, empty where there is none."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), "")

    @property
    def sender(self) -> str:
        """Who it says it is from."""
        return self.header("From")

    @property
    def has_one_click(self) -> bool:
        """True when a mail client can offer its own unsubscribe button (RFC 8058)."""
        posts = self.header("List-Unsubscribe-Post").replace(" ", "").lower() == "list-unsubscribe=one-click"
        return posts and bool(self.header("List-Unsubscribe"))


def take_apart(data: bytes) -> OpenLetter:
    """Return what can be read of a letter; never raises, whatever the bytes are."""
    try:
        message = email.message_from_bytes(data)
        parts = [part for part in message.walk() if not part.is_multipart()]
        letter = OpenLetter(headers=[(name, _decoded(value)) for name, value in message.items()])
    except (RecursionError, email.errors.MessageError, LookupError, ValueError):  # nested beyond reason
        return OpenLetter()
    html: str | None = None
    text: str | None = None
    for part in parts:
        kind = part.get_content_type()
        is_file = part.get_content_disposition() == "attachment"
        if kind == "text/html" and html is None and not is_file:
            html = _text_of(part)
        elif kind == "text/plain" and text is None and not is_file:
            text = _text_of(part)
        else:
            letter.attachments.append(Attachment(_file_name(part), len(_bytes_of(part))))
    return OpenLetter(letter.headers, html, text, letter.attachments)


def for_frame(html: str) -> str:
    """Return the letter's HTML as its frame shows it: its own, with links that open in a new tab."""
    place = _HEAD.search(html) or _DOCTYPE.match(html)
    at = place.end() if place else 0
    return html[:at] + _LINKS_OPEN_ABOVE + html[at:]


def source_of(data: bytes) -> str:
    """Return the bytes as text that a page can show."""
    return _NOT_TEXT.sub("\ufffd", data.decode("utf-8", "replace").replace("\r\n", "\n"))


def _bytes_of(part: Message) -> bytes:
    try:
        payload = part.get_payload(decode=True)
    except (LookupError, ValueError):
        return b""
    return payload if isinstance(payload, bytes) else b""


def _text_of(part: Message) -> str:
    content = _bytes_of(part)
    try:
        return content.decode(part.get_content_charset() or "utf-8", "replace").replace("\r\n", "\n")
    except (LookupError, ValueError):
        return content.decode("utf-8", "replace").replace("\r\n", "\n")


def _file_name(part: Message) -> str:
    try:
        return part.get_filename() or part.get_content_type()
    except (LookupError, ValueError):
        return part.get_content_type()


def _decoded(value: object) -> str:
    written = re.sub(r"\r?\n(?=[ \t])", "", str(value))
    if "=?" not in written:
        return written
    try:
        return str(email.header.make_header(email.header.decode_header(written)))
    except (email.errors.MessageError, LookupError, ValueError):
        return written
