"""How often one address may knock at a recipient's door; nobody is ever kept from leaving."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from django.core.cache import cache
from django.http import HttpRequest
from redis.exceptions import RedisError

from apps.accounts import origin
from core import clock

log = logging.getLogger(__name__)

PERIOD_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Limit:
    """So many knocks within a minute."""

    name: str
    knocks: int


# One letter's picture or link from one address; a provider's picture proxy fetches other letters meanwhile.
OF_A_LETTER = Limit("letter", 30)
# Pages that only people read, all letters together.
OF_PAGES = Limit("pages", 120)


def is_over(request: HttpRequest, limit: Limit, what: str = "") -> bool:
    """Count a knock and return whether there were too many; without the cache nobody is refused."""
    minute = int(clock.now().timestamp()) // PERIOD_SECONDS
    key = f"knock:{limit.name}:{origin.ip_of(request) or '-'}:{what}:{minute}"
    try:
        cache.add(key, 0, timeout=2 * PERIOD_SECONDS)
        return int(cache.incr(key)) > limit.knocks
    except (RedisError, OSError, ValueError) as error:  # ValueError: the key ran out between the two commands
        log.warning("Knocks cannot be counted: %s", type(error).__name__)
        return False
