"""What a connection to a sending account needs to know."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Literal

from apps.smtp.throttle import Limits
from core.secretbox import Secret

Kind = Literal["local_inbox", "smtp", "provider"]
Tls = Literal["none", "starttls", "tls"]


@dataclass(frozen=True, slots=True)
class TransportConfig:
    """One sending account as the pool sees it; two equal configurations share connections.

    Args:
        tls: "starttls" is required when chosen, never merely tried.
        verify_tls: False only where the account says so in as many words.
        max_connections: per process.
        provider: a name in the providers' catalogue.
        options: the provider's options as JSON, keys and all.
    """

    id: int | str
    workspace_id: int | None
    kind: Kind
    host: str = ""
    port: int = 587
    tls: Tls = "starttls"
    username: str = ""
    password: Secret = field(default=Secret(""))
    ehlo_name: str = "localhost"
    verify_tls: bool = True
    max_connections: int = 10
    max_letters_per_connection: int = 100
    max_age: timedelta = timedelta(minutes=10)
    idle: timedelta = timedelta(seconds=60)
    limits: Limits = field(default=Limits())
    provider: str = ""
    options: Secret = field(default=Secret(""))
