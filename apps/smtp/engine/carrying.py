"""The door of the engine: many letters to one sending account, whatever kind of SMTP it speaks."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from django.conf import settings

from apps.smtp import bounces, dialing
from apps.smtp.budget import DEFAULT_CAPS, Budget, StageCaps
from apps.smtp.config import TransportConfig
from apps.smtp.engine.loop import Engine, Report
from apps.smtp.engine.parcels import Bearer
from apps.smtp.handshake import ConnectionFailedError, Resolve
from apps.smtp.inbox import credentials
from apps.smtp.outcome import Stage


def carry_many(
    config: TransportConfig,
    bearer: Bearer,
    *,
    connections: int,
    window: int = 1,
    begin_until: float,
    budget: Callable[[], Budget],
    caps: StageCaps = DEFAULT_CAPS,
    lookup: dialing.Lookup = dialing.system_lookup,
) -> Report:
    """Carry what the bearer brings until it has no more, `begin_until` (monotonic) is over, or it asks to stop.

    Every parcel that `bearer.next` gave is settled exactly once before this returns. When it raises instead, which only
    the bearer's own calls or a signal can make it do, the replies to what was sent are heard first, then all
    connections are closed, and nothing unmarked was sent.
    """
    engine = engine_for(
        config,
        bearer,
        connections=connections,
        window=window,
        begin_until=begin_until,
        budget=budget,
        caps=caps,
        lookup=lookup,
    )
    return engine.run()


def engine_for(
    config: TransportConfig,
    bearer: Bearer,
    *,
    connections: int,
    window: int = 1,
    begin_until: float,
    budget: Callable[[], Budget],
    caps: StageCaps = DEFAULT_CAPS,
    lookup: dialing.Lookup = dialing.system_lookup,
) -> Engine:
    """Return an engine to `run`; after an exception it still tells which letters are `in_doubt` and `finished`."""
    resolve: Resolve = partial(dialing.addresses, private_hosts=settings.PRIVATE_SMTP_HOSTS, lookup=lookup)
    if config.kind == "local_inbox":
        resolve = partial(dialing.look_up, lookup=lookup)
        if settings.INBOX_ADDRESS:
            config = credentials.signed_in(config, settings.INBOX_ADDRESS)
        else:
            resolve = _nowhere
    return Engine(
        config,
        bearer,
        connections=min(connections, config.max_connections),
        window=window,
        begin_until=begin_until,
        budget=budget,
        caps=caps,
        resolve=resolve,
    )


def _nowhere(_host: str, _port: int, _until: float) -> list[str]:
    raise ConnectionFailedError(bounces.interrupted(Stage.CONNECT, "not_configured"))
