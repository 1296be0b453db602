"""How our own processes sign in to the local inbox: passwords that only this installation can compute."""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import replace

from django.conf import settings

from apps.smtp.config import TransportConfig
from core.secretbox import Secret

SYSTEM = "system"
_WORKSPACE = re.compile(r"workspace-([1-9][0-9]{0,17})")


def inbox_username(workspace_id: int | None) -> str:
    """Return the user name whose letters belong to the workspace, or to the instance itself."""
    return SYSTEM if workspace_id is None else f"workspace-{workspace_id}"


def inbox_password(username: str) -> str:
    """Return the password of a user of the local inbox."""
    key = hashlib.sha256(b"vashsender local inbox\0" + settings.SECRET_KEY.encode()).digest()
    return hmac.new(key, username.encode(), hashlib.sha256).hexdigest()


def is_right(username: str, password: bytes) -> bool:
    """Return whether the password is the user's; takes the same time for every wrong one."""
    is_known = username == SYSTEM or _WORKSPACE.fullmatch(username) is not None
    return hmac.compare_digest(inbox_password(username).encode(), password) and is_known


def workspace_of(username: str) -> int | None:
    """Return the workspace of a user name, None for the instance's own letters."""
    found = _WORKSPACE.fullmatch(username)
    return int(found[1]) if found else None


def signed_in(config: TransportConfig, address: tuple[str, int]) -> TransportConfig:
    """Return the configuration with the local inbox's address, user and password; its own are never looked at."""
    username = inbox_username(config.workspace_id)
    password = Secret(inbox_password(username))
    return replace(config, host=address[0], port=address[1], tls="none", username=username, password=password)
