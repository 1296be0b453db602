"""What a drill will do, as data: how many letters, what strikes after how many of them, by which clock; pure."""

from __future__ import annotations

import json
import random
from dataclasses import asdict, dataclass
from enum import StrEnum

from apps.smtp.faults import script
from core.errors import EspError
from settings.limits import REAL, SHORT, Limits
from settings.tiers import TIERS

LETTERS_LIMIT = 1_000_000
# What is left in peace: the rate before the first strike is the measure for the recovery after the last.
FIRST_SHARE, LAST_SHARE = 0.05, 0.95
CONNECTIONS = 10  # what the drill's account allows to each process


class PlanError(EspError):
    """The drill cannot be run as asked."""

    code = "drill_plan"


class Blow(StrEnum):
    """What strikes."""

    KILL_CHILD = "kill a child"
    KILL_MAIN = "kill a main process"
    ROLL = "restart a worker by SIGTERM"
    BROKER_RESTART = "restart the broker"
    BROKER_LOSS = "kill the broker and empty it"
    DATABASE_FAST = "restart the database (fast)"
    DATABASE_IMMEDIATE = "restart the database (immediate)"


KILLS = frozenset({Blow.KILL_CHILD, Blow.KILL_MAIN})


@dataclass(frozen=True, slots=True)
class Strike:
    """One blow, due when so many letters are settled."""

    after: int
    blow: Blow


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One drill."""

    letters: int = 2000
    kills: int = 20
    rolling: int = 0
    restart_broker: int = 0
    restart_database: int = 0
    concurrency: int = 4
    policy: str = "hold"
    script: str = ""
    seed: int = 1
    clock: str = "short"
    tier: str = "low"

    def check(self) -> None:
        """Raise PlanError or ScriptError when this cannot be run."""
        if not 1 <= self.letters <= LETTERS_LIMIT:
            raise PlanError(f"Give a number of letters from 1 to {LETTERS_LIMIT:,}.")
        if min(self.kills, self.rolling, self.restart_broker, self.restart_database) < 0:
            raise PlanError("A number of kills or restarts cannot be below zero.")
        if not 1 <= self.concurrency <= 64:
            raise PlanError("Give a concurrency from 1 to 64.")
        if self.tier not in TIERS:
            raise PlanError(f"Give one of the tiers {', '.join(TIERS)}.")
        script.parse(self.script)

    @property
    def limits(self) -> Limits:
        """The time table by which the drill's processes live."""
        return SHORT if self.clock == "short" else REAL

    @property
    def delivery(self) -> str:
        """The delivery mode of the tier."""
        return TIERS[self.tier].delivery

    @property
    def in_doubt(self) -> int:
        """How many letters of one killed process nobody can tell about, at most."""
        if self.delivery != "inline":
            return 1
        return min(self.limits.inline_connections, CONNECTIONS) * self.limits.inline_window

    @property
    def workers(self) -> int:
        """How many mail workers run: two wherever possible, so that one carries on while the other is restarted."""
        return min(2, self.concurrency)

    @property
    def children(self) -> int:
        """How many processes of each mail worker carry letters."""
        return -(-self.concurrency // self.workers)

    @property
    def restarts(self) -> int:
        """How many restarts are planned, of workers, broker and database."""
        return self.rolling + self.restart_broker + self.restart_database

    @property
    def dice(self) -> random.Random:
        """A source of chance that the seed repeats."""
        return random.Random(self.seed)  # noqa: S311 - a repeatable run, no secret

    def strikes(self) -> list[Strike]:
        """Return every blow in the order of its moment, spread evenly over the campaign; children and mains in turn."""
        found = [
            *_spread([Blow.KILL_CHILD, Blow.KILL_MAIN], self.kills, self.letters),
            *_spread([Blow.ROLL], self.rolling, self.letters),
            *_spread([Blow.BROKER_RESTART, Blow.BROKER_LOSS], self.restart_broker, self.letters),
            *_spread([Blow.DATABASE_FAST, Blow.DATABASE_IMMEDIATE], self.restart_database, self.letters),
        ]
        return sorted(found, key=lambda strike: strike.after)

    def to_json(self) -> str:
        """Return the plan as one line."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Plan:
        """Read what `to_json` wrote."""
        return cls(**json.loads(text))


def _spread(blows: list[Blow], count: int, letters: int) -> list[Strike]:
    first, last = letters * FIRST_SHARE, letters * LAST_SHARE
    step = (last - first) / count if count else 0.0
    return [Strike(int(first + step * (n + 0.5)), blows[n % len(blows)]) for n in range(count)]
