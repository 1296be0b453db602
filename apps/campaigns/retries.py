"""When a letter that was put off is tried again; pure."""

from __future__ import annotations

import random
from datetime import timedelta

MINUTE = timedelta(minutes=1)
SCHEDULE = (5 * MINUTE, 15 * MINUTE, 30 * MINUTE, 60 * MINUTE, 120 * MINUTE, 240 * MINUTE)
JITTER = 0.2
AMBIGUOUS_PAUSE = 10 * MINUTE


def wait_after(attempts: int, *, chance: float | None = None) -> timedelta:
    """Return how long to wait after so many tries: 5 m, 15 m, 30 m, 1 h, 2 h, then every 4 h, with 20 % jitter.

    Args:
        attempts: how many that count have been made, at least 1.
        chance: 0..1 in place of the random draw.
    """
    step = SCHEDULE[min(max(attempts, 1), len(SCHEDULE)) - 1]
    drawn = random.random() if chance is None else chance  # noqa: S311 - spreads load, guards nothing
    return step * (1 + JITTER * (2 * drawn - 1))
