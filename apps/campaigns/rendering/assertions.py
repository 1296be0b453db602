"""Looks at the bytes of every letter before they leave: what must hold on the wire, whatever built them."""

from __future__ import annotations

import binascii
import re
from collections.abc import Callable, Collection
from dataclasses import dataclass

from apps.campaigns.rendering.errors import RenderError
from apps.campaigns.rendering.message import BASE64, QUOTED_PRINTABLE
from core.tokens import TOKEN_PATTERN

MAX_LINE_BYTES = 998
_PRINTABLE = bytes(range(32, 127)) + b"\t"
_HEADER = re.compile(rb"([A-Za-z][A-Za-z0-9-]*): ([^\x00-\x1f\x7f-\xff]*(?:\r\n [^\x00-\x1f\x7f-\xff]+)*)\r\n")
_FOLD = b"\r\n "
_NAMES = frozenset(
    b"from to subject date message-id reply-to list-unsubscribe list-unsubscribe-post list-id feedback-id "
    b"mime-version content-type precedence auto-submitted importance priority organization keywords comments".split()
)
_REQUIRED = (b"from", b"to", b"subject", b"date", b"message-id", b"mime-version", b"content-type")
_SECURE_URL = re.compile(rb"<https://[\x21-\x3b\x3d\x3f-\x7e]+>(?:, ?<mailto:[\x21-\x3b\x3d\x3f-\x7e]+>)?\Z")
_LOOPBACK_URL = re.compile(
    rb"<http://(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])(?::\d{1,5})?/[\x21-\x3b\x3d\x3f-\x7e]*>\Z", re.IGNORECASE
)
_MULTIPART = re.compile(rb'multipart/alternative; boundary="(=_[0-9a-f]{24})"\Z')
_PART = re.compile(
    rb"Content-Type: text/(plain|html); charset=utf-8\r\nContent-Transfer-Encoding: (quoted-printable|base64)\r\n\r\n"
)
_ORIGIN = re.compile(r"https?://[^/]+")
_TOKEN = re.compile(rf"[^\s/]*/[a-z]/({TOKEN_PATTERN})(?![A-Za-z0-9_-])".encode())
_OWN_TOKEN = re.compile(rf"/({TOKEN_PATTERN})(?![A-Za-z0-9_-])".encode())


@dataclass(frozen=True, slots=True)
class Expected:
    """What the letter was meant to be; `own_urls` are all addresses in it that lead back to this delivery."""

    message_id: str
    is_bulk: bool
    allow_http_loopback: bool
    unsubscribe_url: str
    own_urls: Collection[str]


def check(message: bytes, expected: Expected) -> None:
    """Raise `RenderError` where the bytes break a rule of the wire or of this delivery."""
    _check_lines(message)
    head, _blank, body = message.partition(b"\r\n\r\n")
    headers = _headers(head + b"\r\n")
    if headers[b"message-id"] != expected.message_id.encode():
        raise RenderError.of("bad_message_id")
    if expected.is_bulk:
        _check_list_headers(headers, allow_http_loopback=expected.allow_http_loopback)
    own_tokens = set(_OWN_TOKEN.findall("\n".join(expected.own_urls).encode()))
    origin = _origin(expected.own_urls)
    for content in _parts(headers[b"content-type"], body):
        _check_tokens(content, own_tokens, origin)
        if expected.is_bulk:
            _check_way_out(content, expected.unsubscribe_url)


def _check_lines(message: bytes) -> None:
    if not message.isascii():
        raise RenderError.of("not_ascii")
    line_ends = message.translate(None, _PRINTABLE)
    pairs = len(line_ends) // 2
    # as many lines as pairs: a CR and an LF that stand apart would end two; counting b"\r\n" takes twice as long
    if line_ends != b"\r\n" * pairs or len(message.splitlines()) != pairs + (message[-1:] != b"\n"):
        raise RenderError.of("bare_newline" if set(line_ends) <= set(b"\r\n") else "control_character")
    start, size = 0, len(message)
    while size - start > MAX_LINE_BYTES:  # from line end to line end in steps as long as a line may be
        end = message.rfind(b"\n", start, start + MAX_LINE_BYTES + 2)
        if end < 0:
            raise RenderError.of("long_line")
        start = end + 1


def _headers(head: bytes) -> dict[bytes, bytes]:
    """Return the headers by lower-case name; none may be unknown, repeated, malformed or missing."""
    headers: dict[bytes, bytes] = {}
    position = 0
    while position < len(head):
        found = _HEADER.match(head, position)
        if found is None:
            raise RenderError.of("bad_header", detail=head[position : position + 40].decode("ascii"))
        name = found[1].lower()
        if name in headers or (name not in _NAMES and not name.startswith(b"x-")):
            raise RenderError.of("bad_header", detail=name.decode("ascii"))
        headers[name] = found[2]
        position = found.end()
    for name in _REQUIRED:
        if not headers.get(name):
            raise RenderError.of("bad_header", detail=name.decode("ascii"))
    if headers[b"to"].count(b"@") != 1 and not _has_one_mailbox(headers[b"to"]):
        raise RenderError.of("bad_header", detail="to")
    return headers


def _has_one_mailbox(value: bytes) -> bool:
    """Say whether exactly one address stands outside quotes."""
    unquoted = re.sub(rb'"(?:[^"\\]|\\.)*"', b"", value.replace(_FOLD, b" "))
    return unquoted.count(b"@") == 1 and b"," not in unquoted


def _check_list_headers(headers: dict[bytes, bytes], *, allow_http_loopback: bool) -> None:
    url = headers.get(b"list-unsubscribe", b"")
    is_secure = _SECURE_URL.match(url) is not None
    if not is_secure and not (allow_http_loopback and _LOOPBACK_URL.match(url)):
        raise RenderError.of("bad_list_unsubscribe")
    if headers.get(b"list-unsubscribe-post") != b"List-Unsubscribe=One-Click":
        raise RenderError.of("bad_header", detail="List-Unsubscribe-Post")


def _parts(content_type: bytes, body: bytes) -> list[bytes]:
    """Return the decoded text and HTML parts."""
    multipart = _MULTIPART.match(content_type)
    pieces = body.split(b"--" + multipart[1]) if multipart else []
    if len(pieces) != 4 or pieces[0] or pieces[3] != b"--\r\n":
        raise RenderError.of("bad_structure")
    decoded = []
    for kind, piece in zip((b"plain", b"html"), pieces[1:3], strict=True):
        found = _PART.match(piece, 2)
        if found is None or found[1] != kind or not piece.startswith(b"\r\n"):
            raise RenderError.of("bad_structure")
        decoded.append(_DECODERS[found[2]](piece[found.end() :]))
    return decoded


_DECODERS: dict[bytes, Callable[[bytes], bytes]] = {QUOTED_PRINTABLE: binascii.a2b_qp, BASE64: binascii.a2b_base64}


def _check_tokens(content: bytes, own_tokens: set[bytes], origin: bytes) -> None:
    """One recipient's letter leads to nobody else's pages."""
    _before, *behind_origin = content.split(origin)
    for text in behind_origin:
        found = _TOKEN.match(text)
        if found and found[1] not in own_tokens:
            raise RenderError.of("foreign_token")


def _check_way_out(content: bytes, unsubscribe_url: str) -> None:
    if unsubscribe_url.encode() not in content and unsubscribe_url.replace("&", "&amp;").encode() not in content:
        raise RenderError.of("missing_unsubscribe_link")


def _origin(own_urls: Collection[str]) -> bytes:
    return next((found[0].encode() for url in own_urls if (found := _ORIGIN.match(url))), b"://")
