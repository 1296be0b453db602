"""Makes a worker outlive its broker: what kombu's Redis transport raises on a closed line becomes a lost connection.

kombu 5.7 gives back unacknowledged messages over a channel whose connection it has already let go. It then fails with
an AttributeError, which Celery takes for a fault of its own and ends the worker, with the letters in its hands.
"""

from __future__ import annotations

from typing import Any

from kombu.transport import redis as transport
from redis.exceptions import ConnectionError as RedisConnectionError

_NAME = "_connparams"  # the one place that reads the connection's address; kombu's own, so its stubs do not know it
_parameters = getattr(transport.Channel, _NAME)


def _parameters_of_an_open_line(channel: Any, *args: Any, **kwargs: Any) -> dict[str, Any]:
    if channel.connection is None or channel.connection.client is None:
        raise RedisConnectionError("The channel's connection to the broker is closed.")
    parameters: dict[str, Any] = _parameters(channel, *args, **kwargs)
    return parameters


def outlive() -> None:
    """Let every channel of this process answer so; asking twice is harmless."""
    setattr(transport.Channel, _NAME, _parameters_of_an_open_line)
