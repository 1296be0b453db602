"""What goes into the engine and comes out of it, and who stands at its door."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from apps.smtp.budget import Budget
from apps.smtp.envelope import Envelope
from apps.smtp.outcome import Outcome, Reply, Stage
from core.errors import EspError


@dataclass(frozen=True, slots=True)
class Parcel:
    """One letter for the engine; `key` is the caller's own."""

    key: object
    envelope: Envelope


Settled = tuple[Parcel, Outcome, bool]
"""A letter, what happened to it, and whether it was marked."""


class Bearer(Protocol):
    """Brings letters to the engine and takes the results away; called on the engine's thread only."""

    def next(self, room: int) -> Sequence[Parcel]:
        """Return up to `room` more letters; none means none now."""

    @property
    def is_exhausted(self) -> bool:
        """True when there will be no more."""

    def mark(self, parcels: Sequence[Parcel]) -> Sequence[bool]:
        """Write "these go out now" in one go; a False means that this one must not be sent."""

    def settle(self, settled: Sequence[Settled]) -> None:
        """Record what happened; each letter comes exactly once."""

    def exchange(self, settled: Sequence[Settled], parcels: Sequence[Parcel]) -> Sequence[bool]:
        """Settle those and mark these, at once or one after the other; never the marks before the results."""

    def should_stop(self) -> bool:
        """Return whether no further letter may begin and those without a mark are to be given back."""


@dataclass(slots=True, eq=False)
class Letter:
    """A parcel on its way.

    Args:
        refusal: the first no that the server gave to it.
        is_out: whether a byte of its end has been given to the system: from here on only a reply can tell.
        tries: how often it was offered anew because a connection was found dead.
    """

    parcel: Parcel
    budget: Budget | None = None
    refusal: tuple[Stage, Reply] | None = None
    is_marked: bool = False
    is_out: bool = False
    tries: int = 0

    @property
    def limits(self) -> Budget:
        """Its time, which began when a server could first answer to it."""
        if self.budget is None:
            raise EspError("A letter has no time before it begins.")
        return self.budget


class Desk:
    """Where the conversations of one engine lay down what they are done with."""

    __slots__ = ("budget", "finished", "in_doubt", "returned")

    def __init__(self, budget: Callable[[], Budget]) -> None:
        self.budget = budget
        self.finished: list[Settled] = []
        self.returned: list[Letter] = []
        self.in_doubt: dict[int, Letter] = {}

    def finish(self, letter: Letter, outcome: Outcome) -> None:
        """Lay down a letter with its outcome."""
        self.finished.append((letter.parcel, outcome, letter.is_marked))
        self.in_doubt.pop(id(letter), None)

    def give_back(self, letter: Letter) -> None:
        """Lay down a letter that no server has been asked about: another connection may take it."""
        letter.budget = letter.refusal = None
        letter.tries += 1
        self.returned.append(letter)
