"""How an account's row becomes what carries its letters: the connection's configuration, with its secrets."""

from __future__ import annotations

import time
from urllib.parse import urlsplit

from django.conf import settings
from django.utils.translation import gettext as _

from apps.smtp.config import TransportConfig
from apps.smtp.inbox import credentials
from apps.smtp.models import Transport
from core.errors import EspError

_FRESH_SECONDS = 10.0
_cache: dict[int, tuple[float, TransportConfig]] = {}


def config_of(transport_id: int) -> TransportConfig:
    """Return the account as the pool sees it; at most ten seconds old."""
    kept = _cache.get(transport_id)
    if kept and kept[0] > time.monotonic():
        return kept[1]
    config = read(Transport.objects.get(pk=transport_id))
    _cache[transport_id] = (time.monotonic() + _FRESH_SECONDS, config)
    return config


def forget(transport_id: int | None = None) -> None:
    """Read an account, or all of them, anew next time."""
    if transport_id is None:
        _cache.clear()
    else:
        _cache.pop(transport_id, None)


def read(transport: Transport) -> TransportConfig:
    """Return the account as it stands in its row now."""
    if transport.is_local_inbox:
        return inbox_config(transport.pk, workspace_id=transport.workspace_id)
    if transport.is_provider:
        return TransportConfig(
            id=transport.pk,
            workspace_id=transport.workspace_id,
            kind="provider",
            provider=transport.provider,
            options=transport.options,
            limits=transport.limits,
        )
    return TransportConfig(
        id=transport.pk,
        workspace_id=transport.workspace_id,
        kind="smtp",
        host=transport.host,
        port=transport.port,
        tls=transport.tls,  # type: ignore[arg-type]  # the column's choices are the literal's values
        username=transport.username,
        password=transport.password,
        ehlo_name=_own_name(),
        max_connections=transport.max_connections,
        max_letters_per_connection=transport.max_letters_per_connection,
        limits=transport.limits,
    )


def inbox_config(account_id: int | str, *, workspace_id: int | None) -> TransportConfig:
    """Return the way into the local inbox for a workspace, or for the system's own letters.

    Raises:
        EspError: no local inbox runs.
    """
    if not settings.INBOX_ADDRESS:
        raise EspError(
            _("The local inbox does not run. Start VashSender with scripts/start, or set VASHSENDER_INBOX_ADDRESS."),
            code="no_local_inbox",
        )
    config = TransportConfig(
        id=account_id, workspace_id=workspace_id, kind="local_inbox", max_letters_per_connection=1000
    )
    return credentials.signed_in(config, settings.INBOX_ADDRESS)


def _own_name() -> str:
    """Return the name to greet servers with: the public one, which they can look up."""
    return urlsplit(settings.PUBLIC_URL).hostname or "localhost"
