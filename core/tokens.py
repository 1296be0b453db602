"""Tokens in links of letters: 128-bit, bound to a purpose, unguessable, valid for ever and without ids in sight.

A token is SIV-shaped: a keyed hash over purpose and payload, followed by the payload masked with a stream that
the hash selects. So it cannot be forged, and neither the delivery's number nor the link's can be read from it.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from dataclasses import dataclass
from functools import lru_cache

from django.conf import settings

TOKEN_PATTERN = r"[A-Za-z0-9_-]{35}"  # noqa: S105 - a pattern, not a secret
_TAG = 16
_PAYLOAD = 10  # delivery: 8 bytes, part (link number): 2 bytes


@dataclass(frozen=True, slots=True)
class Opened:
    """What a valid token names: a delivery's row id, and a part of it (a link's number, else 0)."""

    delivery_id: int
    part: int


@lru_cache(maxsize=8)
def _keys(secrets: tuple[str, ...]) -> tuple[tuple[bytes, bytes], ...]:
    return tuple(
        (
            hashlib.sha256(b"vs-token-tag:" + s.encode()).digest(),
            hashlib.sha256(b"vs-token-mask:" + s.encode()).digest(),
        )
        for s in secrets
    )


def _configured() -> tuple[tuple[bytes, bytes], ...]:
    return _keys(tuple(settings.ENCRYPTION_KEYS) or (settings.SECRET_KEY,))


def _tag(key: bytes, purpose: str, payload: bytes) -> bytes:
    return hashlib.blake2b(purpose.encode() + b"\0" + payload, key=key, digest_size=_TAG).digest()


def _mask(key: bytes, tag: bytes, payload: bytes) -> bytes:
    stream = hashlib.blake2b(tag, key=key, digest_size=_PAYLOAD).digest()
    return bytes(a ^ b for a, b in zip(payload, stream, strict=True))


def seal(purpose: str, delivery_id: int, part: int = 0) -> str:
    """Return the 35-character token for one purpose ("open", "click", "unsubscribe", "view")."""
    tag_key, mask_key = _configured()[0]
    payload = delivery_id.to_bytes(8, "big") + part.to_bytes(2, "big")
    tag = _tag(tag_key, purpose, payload)
    return base64.urlsafe_b64encode(tag + _mask(mask_key, tag, payload)).rstrip(b"=").decode("ascii")


def open_token(purpose: str, token: str) -> Opened | None:
    """Return what the token names, or None for anything we did not make for this purpose."""
    try:
        raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
    if len(raw) != _TAG + _PAYLOAD:
        return None
    tag, masked = raw[:_TAG], raw[_TAG:]
    for tag_key, mask_key in _configured():
        payload = _mask(mask_key, tag, masked)
        if hmac.compare_digest(_tag(tag_key, purpose, payload), tag):
            return Opened(int.from_bytes(payload[:8], "big"), int.from_bytes(payload[8:], "big"))
    return None


def return_path(delivery_id: int, domain: str) -> str:
    """Return the VERP return path of a delivery, the same on every attempt (local part within 64 octets)."""
    return f"b+{seal_short('bounce', delivery_id)}@{domain}"


def seal_short(purpose: str, delivery_id: int) -> str:
    """Return a lower-case base32 token for places that ignore case: the delivery's number and an 80-bit tag."""
    tag_key, _ = _configured()[0]
    payload = delivery_id.to_bytes(8, "big").lstrip(b"\0") or b"\0"
    tag = hashlib.blake2b(purpose.encode() + b"\0" + payload, key=tag_key, digest_size=10).digest()
    number = base64.b32encode(payload).rstrip(b"=").decode().lower()
    return f"{number}-{base64.b32encode(tag).decode().lower()}"
