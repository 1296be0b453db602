"""The secrets an installation makes for itself, once."""

from __future__ import annotations

import base64
import os
import secrets
from collections.abc import Callable
from pathlib import Path

from core.installation.errors import MissingKeyError

SECRET_KEY = "secret_key"
ENCRYPTION_KEY = "encryption_key"
DATABASE_PASSWORD = "database_password"


def ensure(folder: Path, *, holds_data: bool, is_encryption_key_given: bool = False) -> None:
    """Make the keys that are missing, each with mode 0600; an existing key is never changed.

    Raises:
        MissingKeyError: the encryption key is gone while the data it protects is still there.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)
    if holds_data and not is_encryption_key_given and not (folder / ENCRYPTION_KEY).exists():
        raise MissingKeyError(
            f"{folder / ENCRYPTION_KEY} is missing, and without it stored passwords cannot be read: "
            "put the key back from a backup, or set VASHSENDER_ENCRYPTION_KEYS."
        )
    ensure_one(folder / SECRET_KEY, lambda: secrets.token_urlsafe(50))
    ensure_one(folder / ENCRYPTION_KEY, _fernet_key)


def database_password(folder: Path) -> str:
    """Return the embedded database's password, made on first use."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return ensure_one(folder / DATABASE_PASSWORD, lambda: secrets.token_urlsafe(32))


def ensure_one(path: Path, make: Callable[[], str]) -> str:
    """Return a key's text; whoever makes it first wins, and nobody ever sees half of it."""
    if not path.exists():
        interim = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        descriptor = os.open(interim, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "w", encoding="ascii") as stream:
                stream.write(make() + "\n")
                stream.flush()
                os.fsync(stream.fileno())
            os.link(interim, path)
        except FileExistsError:
            pass
        finally:
            interim.unlink()
    path.chmod(0o600)
    return path.read_text(encoding="ascii").strip()


def _fernet_key() -> str:
    return base64.urlsafe_b64encode(os.urandom(32)).decode("ascii")
