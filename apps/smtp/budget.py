"""How long a letter may take: absolute moments on the monotonic clock and the cap of each stage."""

from __future__ import annotations

import time
from dataclasses import dataclass

from apps.smtp.outcome import Stage

now = time.monotonic

_BOOT_CLOCK = getattr(time, "CLOCK_BOOTTIME", None)


def boot_clock() -> float:
    """Return seconds on a clock that also counts while the machine sleeps, where the system has one."""
    return time.monotonic() if _BOOT_CLOCK is None else time.clock_gettime(_BOOT_CLOCK)


@dataclass(frozen=True, slots=True)
class Budget:
    """The time of one attempt; moments are `time.monotonic()`, durations seconds.

    Args:
        offer_until: everything before the mark ends by this moment.
        soft_until: the reply to the dot is waited for no longer than this: the soft limit less the reserve to record.
        dot_floor: the mark is asked for only while this much is left until `soft_until`.
        dot_cap: the longest wait for the reply to the dot.
        stall_limit: a longer pause around the mark means that the dot is not sent.
    """

    offer_until: float
    soft_until: float
    dot_floor: float = 120
    dot_cap: float = 600
    stall_limit: float = 5

    def leaves_time_for_reply(self) -> bool:
        """Return whether the mark may still be set."""
        return self.soft_until - now() >= self.dot_floor

    def reply_until(self) -> float:
        """Return when to stop waiting for the reply to a dot sent now."""
        moment = now()
        return moment + min(self.dot_cap, self.soft_until - moment)


@dataclass(frozen=True, slots=True)
class StageCaps:
    """The longest each stage may take, in seconds; the body's is the longest time without progress."""

    connect: float = 30
    banner: float = 60
    ehlo: float = 60
    starttls: float = 60
    auth: float = 60
    mail: float = 60
    rcpt: float = 60
    data: float = 60
    body: float = 60
    reset: float = 5

    def until(self, stage: Stage, offer_until: float) -> float:
        """Return the moment at which the stage must be over."""
        cap: float = getattr(self, stage.value)
        return min(now() + cap, offer_until)


DEFAULT_CAPS = StageCaps()
