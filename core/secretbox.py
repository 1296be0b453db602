"""Secrets: a string that prints as ***, and a model field that is encrypted at rest."""

from __future__ import annotations

from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.db import models

from core.errors import EspError


class Secret:
    """A value that never shows itself in logs, reprs or formatted strings; call `reveal()` to use it."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """Return the real value."""
        return self._value

    def __str__(self) -> str:
        return "***"

    __repr__ = __str__

    def __bool__(self) -> bool:
        return bool(self._value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)


def _box() -> MultiFernet:
    if not settings.ENCRYPTION_KEYS:
        raise EspError(
            "No encryption key: set VASHSENDER_ENCRYPTION_KEYS or restore keys/encryption_key.",
            code="no_encryption_key",
        )
    return MultiFernet([Fernet(key) for key in settings.ENCRYPTION_KEYS])


def encrypt(value: str) -> str:
    """Encrypt with the first key."""
    return _box().encrypt(value.encode()).decode("ascii")


def decrypt(value: str) -> str:
    """Decrypt with any of the keys.

    Raises:
        EspError: no key fits.
    """
    try:
        return _box().decrypt(value.encode("ascii")).decode()
    except InvalidToken:
        raise EspError(
            "A stored secret cannot be read with the present encryption keys.", code="wrong_encryption_key"
        ) from None


class EncryptedField(models.TextField):  # type: ignore[type-arg]  # the stubs' parameters are the Python types, given below
    """A text column holding a Fernet token; in Python it is a `Secret`."""

    def from_db_value(self, value: str | None, *_: Any) -> Secret:
        """Wrap the stored token; it is decrypted only when revealed."""
        return _Stored(value) if value else Secret("")

    def to_python(self, value: Any) -> Any:
        """Accept plain strings from code and forms."""
        return value if isinstance(value, Secret) else Secret(value or "")

    def get_prep_value(self, value: Any) -> str:
        """Encrypt on the way to the database."""
        if isinstance(value, _Stored):
            return value.token
        revealed = value.reveal() if isinstance(value, Secret) else (value or "")
        return encrypt(revealed) if revealed else ""


class _Stored(Secret):
    __slots__ = ("token",)

    def __init__(self, token: str) -> None:
        super().__init__(token)
        self.token = token

    def reveal(self) -> str:
        return decrypt(self.token)
