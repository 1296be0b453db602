"""DKIM signatures (RFC 6376, RFC 8463): relaxed/relaxed, RSA and Ed25519, several on one letter; pure."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256

from core.errors import EspError

RSA: Final = "rsa-sha256"
ED25519: Final = "ed25519-sha256"
# What a letter has of these is signed, in this order. From stands twice: nobody can add another one (RFC 6376 8.15).
SIGNED: Final = (
    b"from", b"to", b"subject", b"date", b"message-id", b"mime-version", b"content-type", b"reply-to",
    b"list-unsubscribe", b"list-unsubscribe-post", b"list-id", b"feedback-id",
)  # fmt: skip
OVERSIGNED: Final = b"from"

_LINE: Final = 76
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_NAMES = re.compile(rf"(?=.{{1,253}}\Z){_LABEL}(?:\.{_LABEL})*\Z")
_HEADER_END = re.compile(rb"\r\n(?![ \t])")
_HEADER_NAME = re.compile(rb"[\x21-\x39\x3b-\x7e]+")
_SPACES = re.compile(rb"[ \t]+")


class SigningError(EspError):
    """The bytes or the names cannot be signed safely."""

    code = "signing"


@dataclass(frozen=True, slots=True)
class Signer:
    """A key with the names under which its public half is published.

    Raises:
        SigningError: a name is none, or the key is of another kind than the algorithm says.
    """

    domain: str
    selector: str
    algorithm: str
    key: RSAPrivateKey | Ed25519PrivateKey = field(repr=False)

    def __post_init__(self) -> None:
        if not is_name(self.domain) or not is_name(self.selector):
            raise SigningError("The domain or the selector is no name.")
        kind = {RSA: RSAPrivateKey, ED25519: Ed25519PrivateKey}.get(self.algorithm)
        if kind is None or not isinstance(self.key, kind):
            raise SigningError("The key is not one for this algorithm.")

    def signature(self, signed: bytes) -> bytes:
        """Return the raw signature of some canonical headers."""
        if isinstance(self.key, RSAPrivateKey):
            return self.key.sign(signed, PKCS1v15(), SHA256())
        # RFC 8463 3: it is the hash that is signed, not the text.
        return self.key.sign(hashlib.sha256(signed).digest())


@dataclass(frozen=True, slots=True)
class Digest:
    """What all signatures of one letter share: its signed headers in canonical form, and the hash of its body."""

    names: tuple[bytes, ...]
    headers: bytes
    body_hash: bytes


def is_name(text: str) -> bool:
    """Return whether a text may stand as a domain or a selector: lower case, in A-labels."""
    return _NAMES.match(text) is not None


def sign(message: bytes, signers: Sequence[Signer], *, at: int) -> bytes:
    """Return the letter with one signature of each signer before it; its own bytes stay as they are.

    Args:
        message: a whole letter with CRLF line ends.
        at: the time of signing, in seconds.

    Raises:
        SigningError: a line end is not CRLF, or there is not exactly one From.
    """
    if not signers:
        return message
    taken = digest(message)
    return b"".join(signature_line(taken, signer, at=at) for signer in signers) + message


def digest(message: bytes) -> Digest:
    """Return what is to be signed; the costly half, done once for a letter.

    Raises:
        SigningError: see `sign`.
    """
    line_ends = message.count(b"\r\n")
    if message.count(b"\n") != line_ends or message.count(b"\r") != line_ends:
        raise SigningError("The message has a bare CR or LF.", code="bare_line_end")
    head, _blank, body = message.partition(b"\r\n\r\n")
    found = _signed_headers(head)
    names = (*found, OVERSIGNED)
    return Digest(names, b"".join(found.values()), _encoded(hashlib.sha256(canonical_body(body)).digest()))


def _signed_headers(head: bytes) -> dict[bytes, bytes]:
    """Return the headers to sign by name, canonical; of one that stands twice the last, as verifiers read them."""
    found: dict[bytes, bytes] = {}
    for line in _HEADER_END.split(head):
        written, colon, value = line.partition(b":")
        name = written.rstrip(b" \t").lower()
        if not colon or not _HEADER_NAME.fullmatch(name):
            raise SigningError("The message has a line among its headers that is none.", code="bad_header")
        if name == OVERSIGNED and name in found:
            raise SigningError("The message has more than one From.", code="bad_header")
        if name in SIGNED:
            found[name] = canonical_header(name, value)
    if OVERSIGNED not in found:
        raise SigningError("The message has no From.", code="bad_header")
    return {name: found[name] for name in SIGNED if name in found}


def canonical_header(name: bytes, value: bytes) -> bytes:
    """Return a header as "relaxed" has it (RFC 6376 3.4.2); the name is in lower case already."""
    unfolded = value.replace(b"\r\n", b"")
    if b"\t" in unfolded or b"  " in unfolded:
        unfolded = _SPACES.sub(b" ", unfolded)
    return name + b":" + unfolded.strip(b" ") + b"\r\n"


def canonical_body(body: bytes) -> bytes:
    """Return a body as "relaxed" has it (RFC 6376 3.4.4).

    Every step looks first whether there is anything to do: most lines of a letter are canonical as they are.
    """
    if not body.endswith(b"\r\n"):
        body += b"\r\n"
    if b"\t" in body:
        body = body.replace(b"\t", b" ")
    if b"  " in body:
        start = b" " if body.startswith(b" ") else b""
        body = start + b" ".join(filter(None, body.split(b" ")))
    if b" \r\n" in body:
        body = body.replace(b" \r\n", b"\r\n")
    if body == b"\r\n" or body.endswith(b"\r\n\r\n"):
        body = body.rstrip(b"\r\n")
        return body + b"\r\n" if body else b""
    return body


def signature_line(taken: Digest, signer: Signer, *, at: int) -> bytes:
    """Return the DKIM-Signature header of one signer, folded, with its line end."""
    field_ = (
        f" v=1; a={signer.algorithm}; c=relaxed/relaxed;\r\n d={signer.domain};\r\n s={signer.selector}; t={at};\r\n "
    ).encode("ascii") + b"%b;\r\n bh=%b;\r\n b=" % (_listed(taken.names), taken.body_hash)
    # The hash takes the header itself with an empty b= and without its line end (RFC 6376 3.7).
    unsigned = canonical_header(b"dkim-signature", field_).removesuffix(b"\r\n")
    return b"DKIM-Signature:" + field_ + _folded(_encoded(signer.signature(taken.headers + unsigned))) + b"\r\n"


def _listed(names: Sequence[bytes]) -> bytes:
    """Return the h= tag, folded behind its colons."""
    lines, current = [], b"h="
    for place, name in enumerate(names):
        piece = name if place == len(names) - 1 else name + b":"
        if len(current) + len(piece) >= _LINE:
            lines.append(current)
            current = b""
        current += piece
    return b"\r\n ".join([*lines, current])


def _folded(text: bytes) -> bytes:
    return b"\r\n ".join(text[start : start + _LINE - 3] for start in range(0, len(text), _LINE - 3))


def _encoded(data: bytes) -> bytes:
    return base64.b64encode(data)
