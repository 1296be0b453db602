"""Tokens in links of letters: 128-bit, bound to a purpose, unguessable, valid for ever and without ids in sight.

A token is SIV-shaped: a keyed hash over purpose and payload, followed by the payload masked with a stream that
the hash selects. So it cannot be forged, and neither the delivery's number nor the link's can be read from it.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from django.conf import settings

TOKEN_PATTERN = r"[A-Za-z0-9_-]{35}"  # noqa: S105 - a pattern, not a secret
_TAG = 16
_PAYLOAD = 10  # delivery: 8 bytes, part (link number): 2 bytes
_URL_SAFE = bytes.maketrans(b"+/", b"-_")


@dataclass(frozen=True, slots=True)
class Opened:
    """What a valid token names: a delivery's row id, and a part of it (a link's number, else 0)."""

    delivery_id: int
    part: int


class _Key:
    """One secret's two keyed hashes, keyed once and copied for each token."""

    __slots__ = ("_mask", "_tag", "tag_key")

    def __init__(self, secret: str) -> None:
        self.tag_key = hashlib.sha256(b"vs-token-tag:" + secret.encode()).digest()
        self._tag = hashlib.blake2b(key=self.tag_key, digest_size=_TAG)
        self._mask = hashlib.blake2b(
            key=hashlib.sha256(b"vs-token-mask:" + secret.encode()).digest(), digest_size=_PAYLOAD
        )

    def tag(self, purpose: str, payload: bytes) -> bytes:
        tag = self._tag.copy()
        tag.update(purpose.encode() + b"\0" + payload)
        return tag.digest()

    def masked(self, tag: bytes, payload: bytes) -> bytes:
        stream = self._mask.copy()
        stream.update(tag)
        return (int.from_bytes(stream.digest(), "big") ^ int.from_bytes(payload, "big")).to_bytes(_PAYLOAD, "big")

    def sealed(self, purpose: str, delivery_id: int, parts: Iterable[int]) -> list[str]:
        tag_of, mask_of = self._tag.copy(), self._mask
        delivery = delivery_id.to_bytes(8, "big")
        tag_of.update(purpose.encode() + b"\0" + delivery)
        tokens = []
        for part in parts:  # `tag` and `masked` written out: a letter has dozens of links
            part_bytes = part.to_bytes(2, "big")
            tagging, stream = tag_of.copy(), mask_of.copy()
            tagging.update(part_bytes)
            tag = tagging.digest()
            stream.update(tag)
            hidden = int.from_bytes(stream.digest(), "big") ^ int.from_bytes(delivery + part_bytes, "big")
            raw = binascii.b2a_base64(tag + hidden.to_bytes(_PAYLOAD, "big"), newline=False)
            tokens.append(raw.translate(_URL_SAFE, b"=").decode("ascii"))
        return tokens


@lru_cache(maxsize=16)
def _key(secret: str) -> _Key:
    return _Key(secret)


def _secrets() -> Sequence[str]:
    return settings.ENCRYPTION_KEYS or (settings.SECRET_KEY,)


def seal(purpose: str, delivery_id: int, part: int = 0) -> str:
    """Return the 35-character token for one purpose ("open", "click", "unsubscribe", "view")."""
    return _key(_secrets()[0]).sealed(purpose, delivery_id, (part,))[0]


def seal_each(purpose: str, delivery_id: int, parts: Iterable[int]) -> list[str]:
    """Return the tokens for several parts of one delivery, in order."""
    return _key(_secrets()[0]).sealed(purpose, delivery_id, parts)


def open_token(purpose: str, token: str) -> Opened | None:
    """Return what the token names, or None for anything we did not make for this purpose."""
    try:
        raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
    if len(raw) != _TAG + _PAYLOAD:
        return None
    tag, masked = raw[:_TAG], raw[_TAG:]
    for key in map(_key, _secrets()):
        payload = key.masked(tag, masked)
        if hmac.compare_digest(key.tag(purpose, payload), tag):
            return Opened(int.from_bytes(payload[:8], "big"), int.from_bytes(payload[8:], "big"))
    return None


def return_path(delivery_id: int, domain: str) -> str:
    """Return the VERP return path of a delivery, the same on every attempt (local part within 64 octets)."""
    return f"b+{seal_short('bounce', delivery_id)}@{domain}"


def seal_short(purpose: str, delivery_id: int) -> str:
    """Return a lower-case base32 token for places that ignore case: the delivery's number and an 80-bit tag."""
    payload = delivery_id.to_bytes(8, "big").lstrip(b"\0") or b"\0"
    tag = hashlib.blake2b(purpose.encode() + b"\0" + payload, key=_key(_secrets()[0]).tag_key, digest_size=10).digest()
    number = base64.b32encode(payload).rstrip(b"=").decode().lower()
    return f"{number}-{base64.b32encode(tag).decode().lower()}"
