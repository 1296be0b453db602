"""Key pairs for DKIM and the DNS records that publish them (RFC 6376 3.6, RFC 8463); pure."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa

from apps.smtp.dkim import ED25519, RSA, SigningError
from core.secretbox import Secret

RSA_BITS = 2048
_TAG = re.compile(r"\s*([a-zA-Z][a-zA-Z0-9_]*)\s*=\s*(.*?)\s*\Z", re.DOTALL)


class Pair(NamedTuple):
    """A new key: the private half as base64 of PKCS #8, the public half as a record's p=."""

    private: Secret
    public: str


class Published(StrEnum):
    """What the name server has where a key's record belongs."""

    FOUND = "found"
    MISSING = "missing"
    DIFFERENT = "different"
    SEVERAL = "several"
    UNKNOWN = "unknown"


def make(algorithm: str) -> Pair:
    """Return a new key for the algorithm."""
    key: rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey
    if algorithm == RSA:
        key = rsa.generate_private_key(65537, RSA_BITS)
        public = key.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    elif algorithm == ED25519:
        key = ed25519.Ed25519PrivateKey.generate()
        public = key.public_key().public_bytes_raw()
    else:
        raise SigningError("There is no such algorithm.")
    private = key.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return Pair(Secret(_encoded(private)), _encoded(public))


def load(private: Secret) -> rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey:
    """Return the key that `make` gave out.

    Raises:
        SigningError: it is none; what it holds is not told.
    """
    try:
        key = serialization.load_der_private_key(base64.b64decode(private.reveal(), validate=True), None)
    except (ValueError, TypeError, binascii.Error, UnsupportedAlgorithm):
        key = None
    if isinstance(key, rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey):
        return key
    raise SigningError("A stored signing key cannot be read.", code="bad_signing_key")


def record_name(selector: str, domain: str) -> str:
    """Return the name of the TXT record."""
    return f"{selector}._domainkey.{domain}"


def record_value(algorithm: str, public: str) -> str:
    """Return the text of the TXT record."""
    return f"v=DKIM1; k={'rsa' if algorithm == RSA else 'ed25519'}; p={public}"


def judge(texts: Sequence[str], *, algorithm: str, public: str) -> Published:
    """Return whether the records that were found publish this key, and nothing else stands beside them."""
    records = [tags for tags in map(_tags, texts) if tags.get("v", "DKIM1") == "DKIM1" and "p" in tags]
    if not records:
        return Published.DIFFERENT if texts else Published.MISSING
    if len(records) > 1:
        return Published.SEVERAL  # which of them a receiver takes is its own affair (RFC 6376 3.6.2.2)
    wanted = "rsa" if algorithm == RSA else "ed25519"
    is_ours = re.sub(r"\s", "", records[0]["p"]) == public and records[0].get("k", "rsa") == wanted
    return Published.FOUND if is_ours else Published.DIFFERENT


def _tags(text: str) -> dict[str, str]:
    return {found[1]: found[2] for part in text.split(";") if (found := _TAG.match(part))}


def _encoded(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
