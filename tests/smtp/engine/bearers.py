"""A bearer out of a list, which remembers everything the engine asked of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from apps.smtp.budget import Budget, StageCaps, now
from apps.smtp.engine import Parcel, Report, Settled, carry_many
from apps.smtp.envelope import Envelope
from apps.smtp.outcome import Accepted, Outcome, Unknown
from tests.fault_server import FaultServer
from tests.smtp.conftest import BODY, PATIENT, budget, letter, to

Marks = Callable[[Sequence[Parcel]], Sequence[bool]]


class ListBearer:
    """Brings the envelopes of a list, one key each."""

    def __init__(self, envelopes: Sequence[Envelope], *, mark: Marks | None = None) -> None:
        self.waiting = [Parcel(number, envelope) for number, envelope in enumerate(envelopes)]
        self.given: list[Parcel] = []
        self.marked: list[list[Parcel]] = []
        self.settled: list[Settled] = []
        self.stop_after: int | None = None
        self.answer = mark

    def next(self, room: int) -> Sequence[Parcel]:
        assert room > 0
        given, self.waiting = self.waiting[:room], self.waiting[room:]
        self.given += given
        return given

    @property
    def is_exhausted(self) -> bool:
        return not self.waiting

    def mark(self, parcels: Sequence[Parcel]) -> Sequence[bool]:
        assert parcels
        self.marked.append(list(parcels))
        return self.answer(parcels) if self.answer else [True] * len(parcels)

    def settle(self, settled: Sequence[Settled]) -> None:
        assert settled
        self.settled += settled

    def exchange(self, settled: Sequence[Settled], parcels: Sequence[Parcel]) -> Sequence[bool]:
        self.settle(settled)
        return self.mark(parcels)

    def should_stop(self) -> bool:
        return self.stop_after is not None and len(self.settled) >= self.stop_after

    @property
    def outcomes(self) -> list[Outcome]:
        """What happened to each letter that was given, in the order of the list."""
        by_key: dict[object, Outcome] = {parcel.key: outcome for parcel, outcome, _ in self.settled}
        assert len(by_key) == len(self.settled) == len(self.given)
        return [by_key[parcel.key] for parcel in self.given]

    def recipients(self, *kinds: type) -> set[str]:
        """Return the recipients of the letters with such outcomes."""
        return {parcel.envelope.rcpt_to for parcel, outcome, _ in self.settled if isinstance(outcome, kinds)}

    def check_against(self, server: FaultServer) -> None:
        """What the server has taken was called accepted or unknown, what it has not was never called accepted."""
        assert sorted(parcel.key for parcel, _, _ in self.settled) == sorted(parcel.key for parcel in self.given)  # type: ignore[type-var]  # numbers
        taken = server.recipients()
        assert len(taken) == len(set(taken))
        assert self.recipients(Accepted) <= set(taken) <= self.recipients(Accepted, Unknown)


def letters(count: int, *, data: bytes = BODY) -> list[Envelope]:
    return [letter(f"r{number}@example.com", data=data) for number in range(count)]


def carry(
    server: FaultServer,
    bearer: ListBearer,
    *,
    connections: int = 1,
    window: int = 1,
    caps: StageCaps = PATIENT,
    limits: Callable[[], Budget] = budget,
    begin_until: float | None = None,
    **changes: Any,
) -> Report:
    """Carry everything to the fault server."""
    return carry_many(
        to(server, **changes),
        bearer,
        connections=connections,
        window=window,
        begin_until=now() + 60 if begin_until is None else begin_until,
        budget=limits,
        caps=caps,
    )
