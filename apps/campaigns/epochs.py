"""Tells whether a database is the one we knew: its own word, its identity, and the copy kept outside of it; pure.

What is compared, and why each is needed, stands in docs/adr/0008.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

# No copy outside and no sign of life for so long: probably a dump on a new machine.
SILENCE_SECONDS = 900.0


class Reason(StrEnum):
    """Why a database is taken for another one than before."""

    RESTORED = "restored"  # its tables were made anew, or it lives in another cluster
    BEHIND = "behind"  # it knows less than the copy outside
    TAKEN_OVER = "taken_over"  # another server leads now; it may lack the last commits
    COPIED = "copied"  # the folder with the copy outside is a copy itself
    UNKNOWN = "unknown"  # nothing outside, and silent for long, or without its row


@dataclass(frozen=True, slots=True)
class Identity:
    """What a restore changes, whatever the rows say; the system and its timeline are empty where they may not be asked.

    Args:
        table: the number of the guard's own table, which a dump does not keep.
        system: the cluster's number, given when it was made.
        timeline: counted up whenever a server takes over or is recovered.
    """

    table: int
    system: str = ""
    timeline: str = ""


@dataclass(frozen=True, slots=True)
class Standing:
    """What the guard's row says, or the copy outside.

    Args:
        epoch: grows with every confirmation.
        serial: grows every few seconds.
    """

    epoch: int
    serial: int
    identity: Identity
    last_delivery_id: int
    beat_at: str = ""
    last_sent_at: str = ""

    @property
    def order(self) -> tuple[int, int]:
        """Which of two is the later."""
        return self.epoch, self.serial

    def as_json(self) -> dict[str, Any]:
        """Return the plain values for the file."""
        return asdict(self)

    @classmethod
    def of_json(cls, told: dict[str, Any]) -> Standing:
        """Return what the file says; raises KeyError, TypeError or ValueError where it is damaged."""
        return cls(**{**told, "identity": Identity(**told["identity"])})


@dataclass(frozen=True, slots=True)
class Outside:
    """The copy outside the database, and whether its file is the very one that was written."""

    standing: Standing
    is_original: bool = True


def judge(
    row: Standing | None,
    actual: Identity,
    *,
    last_delivery_id: int,
    outside: Outside | None,
    silent_seconds: float | None,
) -> Reason | None:
    """Return why the database is not the one we knew, or None where it is.

    Args:
        row: what the database says of itself; None where the row is missing.
        actual: what the server says now.
        last_delivery_id: the highest number given to a delivery.
        outside: None where there is no copy yet.
        silent_seconds: how long ago the row was last written; None where it never was.
    """
    if row is None:
        return Reason.BEHIND if outside else Reason.UNKNOWN
    if row.identity.table != actual.table or _differs(row.identity.system, actual.system):
        return Reason.RESTORED
    if outside and _is_behind(row, outside.standing, last_delivery_id):
        return Reason.BEHIND
    if _differs(row.identity.timeline, actual.timeline):
        return Reason.TAKEN_OVER
    if outside and not outside.is_original:
        return Reason.COPIED
    if outside is None and silent_seconds is not None and silent_seconds > SILENCE_SECONDS:
        return Reason.UNKNOWN
    return None


def _differs(before: str, now: str) -> bool:
    return bool(before and now and before != now)


def _is_behind(row: Standing, outside: Standing, last_delivery_id: int) -> bool:
    if outside.epoch != row.epoch:
        return outside.epoch > row.epoch  # an older copy is that of a host which was away while others confirmed
    return outside.serial > row.serial or outside.last_delivery_id > last_delivery_id
