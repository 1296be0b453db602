"""What every conversation about letters has in common: replies matched to commands, bytes to write, a deadline."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Mapping
from typing import Final

from apps.smtp import bounces
from apps.smtp.budget import StageCaps
from apps.smtp.engine.parcels import Desk, Letter
from apps.smtp.outcome import Accepted, Outcome, Stage, Unknown
from apps.smtp.replies import ReplyBuffer, parse
from core.errors import EspError

LAST_TRY: Final = 2
"""A letter whose connection was found dead before any word about it is offered anew so often."""


def is_clean_no(code: int) -> bool:
    """Return whether the conversation can go on after such an answer."""
    return 400 <= code < 600 and code != 421


class OutOfTurnError(EspError):
    """A last word was to be said for a letter that does not stand at its mark."""

    code = "out_of_turn"

    def __init__(self) -> None:
        super().__init__("A letter was to be ended out of its turn.")


class Talk(ABC):
    """A signed-in conversation without a socket: bytes in, bytes out; results are laid on the desk.

    Attributes:
        out: what is to be written, in order.
        deadline: when to call `broke("timeout")`.
        is_over: nothing more can be said; the line is to be closed, with a goodbye if it `may_quit`.
        answered: how many letters ended here with a reply.
    """

    def __init__(self, extensions: Mapping[str, str], *, caps: StageCaps, desk: Desk, capacity: int) -> None:
        self.out: list[bytes] = []
        self.deadline = math.inf
        self.is_over = self.may_quit = False
        self.answered = 0
        self._capacity = capacity
        self._is_stopped = False
        self._extensions = extensions
        self._caps = caps
        self._desk = desk
        self._replies = ReplyBuffer()
        self._expected: deque[tuple[Stage, Letter]] = deque()

    def receive(self, data: bytes) -> None:
        """Take what the server said.

        Raises:
            BrokenLineError: it is no reply, or too long; call `broke` with its code.
        """
        head = self._expected[0] if self._expected else None
        self._replies.feed(data)
        while not self.is_over and (lines := self._replies.take()) is not None:
            if self._expected:
                stage, letter = self._expected.popleft()
                self._heard(stage, letter, lines)
            else:
                self._unasked(lines)
        if not self.is_over:
            self._listened(head is not (self._expected[0] if self._expected else None))

    @property
    @abstractmethod
    def room(self) -> int:
        """How many letters it can take now."""

    @property
    @abstractmethod
    def is_idle(self) -> bool:
        """True when it holds no letter."""

    @property
    @abstractmethod
    def at_mark(self) -> list[Letter]:
        """The letters that wait for their mark and have heard no objection."""

    @abstractmethod
    def offer(self, letter: Letter) -> None:
        """Take a letter."""

    @abstractmethod
    def end(self, letter: Letter) -> None:
        """Say the last word of a marked letter: from here on only a reply can tell."""

    @abstractmethod
    def withhold(self, letter: Letter, outcome: Outcome) -> None:
        """End a letter that stands at its mark without sending it."""

    @abstractmethod
    def stop(self) -> None:
        """Give back every letter whose last word was not said, and take no more."""

    @abstractmethod
    def broke(self, reason: str, *, written: int = 0) -> None:
        """End every letter after the line broke; `written` bytes of all that was in `out` may have left."""

    def holds_up(self, _moment: float) -> bool:
        """Return whether a letter has waited here for so long that another connection had better take it."""
        return False

    def retire(self) -> None:
        """Take no more letters, end those in hand, and say goodbye then."""
        self._capacity = 0
        if self.is_idle and not self.is_over:
            self.is_over = self.may_quit = True

    def flushed(self) -> None:  # noqa: B027 - not every conversation cares
        """Take note that everything in `out` was given to the system."""

    @abstractmethod
    def progressed(self) -> None:
        """Take note that some of `out` was given to the system."""

    @abstractmethod
    def _heard(self, stage: Stage, letter: Letter, lines: list[bytes]) -> None:
        """Take the reply to a command."""

    @abstractmethod
    def _unasked(self, lines: list[bytes]) -> None:
        """Take a reply to nothing."""

    @abstractmethod
    def _listened(self, is_next_stage: bool) -> None:
        """Set the deadline after something was heard."""

    def _judge(self, letter: Letter, lines: list[bytes]) -> None:
        """End a letter by the reply to its last word."""
        reply = parse(lines)
        if 200 <= reply.code < 300:
            self._desk.finish(letter, Accepted(reply))
        elif reply.code < 400:
            self.is_over = True
            self._desk.finish(letter, Unknown(Stage.DOT, "unexpected"))
            return
        else:
            self.is_over = reply.code == 421
            self._desk.finish(letter, bounces.refused(Stage.DOT, reply))
        self.answered += 1
