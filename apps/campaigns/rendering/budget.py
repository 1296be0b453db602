"""What one rendering may spend: loop rounds, characters written, characters worked on, and time."""

from __future__ import annotations

import time
from contextvars import ContextVar
from dataclasses import dataclass

from jinja2.exceptions import SecurityError


class BudgetError(SecurityError):
    """The template asked for more than one letter may cost."""


class LoopError(BudgetError):
    """A loop goes round too often."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Ceilings for one rendering; far above any honest letter, far below what hurts a worker."""

    rounds: int = 20_000
    output_chars: int = 2_000_000
    work_chars: int = 20_000_000
    seconds: float = 1.0


DEFAULT_LIMITS = Limits()
MAX_VALUE_CHARS = 200_000
MAX_SOURCE_CHARS = 512 * 1024


class Budget:
    """The rest of the limits while one template renders."""

    __slots__ = ("_cpu_end", "_deadline", "_half", "output_chars", "rounds", "work_chars")

    def __init__(self, limits: Limits = DEFAULT_LIMITS) -> None:
        self.rounds = limits.rounds
        self.output_chars = limits.output_chars
        self.work_chars = limits.work_chars
        self._half = limits.seconds / 2
        self._deadline = time.monotonic() + self._half
        self._cpu_end: float | None = None

    def check_time(self) -> None:
        """Raise when the rendering has used its time; a process that merely waited for the CPU goes on.

        The thread's own clock is a system call, slow where many processes share a core. It is first read when half of
        the time has passed on the cheap one: at most the other half may then be used.
        """
        moment = time.monotonic()
        if moment < self._deadline:
            return
        used = time.thread_time()
        if self._cpu_end is None:
            self._cpu_end = used + self._half
        elif used >= self._cpu_end:
            raise BudgetError("time")
        self._deadline = moment + self._half

    def spend_output(self, chars: int) -> None:
        """Count characters that will stand in the letter."""
        self.output_chars -= chars
        if self.output_chars < 0:
            raise BudgetError("output size")

    def spend_work(self, chars: int) -> None:
        """Count characters that a filter or operator made."""
        self.work_chars -= chars + 16
        if self.work_chars < 0:
            raise BudgetError("work")
        self.check_time()

    def spend_round(self, chars: int) -> None:
        """Count one round of a loop and the static text it writes."""
        self.rounds -= 1
        if self.rounds < 0:
            raise LoopError("loop rounds")
        self.spend_output(chars)
        self.check_time()


current: ContextVar[Budget] = ContextVar("template_budget")
