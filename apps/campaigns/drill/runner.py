"""The drill from its first letter to its report: waits for progress, strikes, waits for the end, counts."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from apps.campaigns.drill import counting, staging
from apps.campaigns.drill.counting import Witness
from apps.campaigns.drill.crew import Crew
from apps.campaigns.drill.place import Place
from apps.campaigns.drill.plan import KILLS, Blow, Plan, Strike
from apps.campaigns.drill.report import Report
from apps.campaigns.drill.staging import Progress

_LOOK_SECONDS = 0.05
_ASK_SECONDS = 0.5
_SAY_SECONDS = 5.0
_START_SECONDS = 120.0
_SPOOL_SECONDS = 30.0


class Tail:
    """Reads the mail server's file as it grows."""

    def __init__(self, path: Path) -> None:
        self.witness = Witness()
        self._stream = path.open(encoding="utf-8")
        self._rest = ""

    def read(self) -> None:
        """Take in the whole lines that have come since."""
        *lines, self._rest = (self._rest + self._stream.read()).split("\n")
        for line in lines:
            self.witness.add(line)

    def close(self) -> None:
        """Close the file."""
        self._stream.close()


@dataclass(slots=True)
class Run:
    """One drill under way."""

    plan: Plan
    place: Place
    crew: Crew
    tail: Tail
    campaign_id: int
    say: Callable[[str], None]
    strikes: list[Strike] = field(default_factory=list)
    kills: int = 0
    restarts: int = 0
    first_blow: float | None = None
    last_blow: float | None = None
    progress: Progress = field(default_factory=lambda: Progress("scheduled", False, {}))

    def carry_through(self) -> None:
        """Strike as the letters go, until the campaign is over or nothing moves for too long."""
        dice, patience = self.plan.dice, self._patience()
        asked = said = 0.0
        moved, last = time.monotonic(), (-1, -1)
        while not self.progress.is_over:
            time.sleep(_LOOK_SECONDS)
            self.tail.read()
            self.crew.revive()
            self._strike_if_due(dice)
            if time.monotonic() - asked >= _ASK_SECONDS:
                asked = time.monotonic()
                self.progress = staging.steady(lambda: staging.progress(self.campaign_id)) or self.progress
                self.crew.look_at_memory()
            if (now_at := (self.progress.settled, len(self.tail.witness.moments))) != last:
                moved, last = time.monotonic(), now_at
            elif time.monotonic() - moved > patience:
                self.say(f"nothing has moved for {patience:.0f} s: the drill gives up")
                return
            if time.monotonic() - said >= _SAY_SECONDS:
                said = time.monotonic()
                self._say_progress()

    def _patience(self) -> float:
        """Return after how much silence nothing will come any more: every deadline of the table has passed twice."""
        limits = self.plan.limits
        return 60 + 2 * (limits.single_deadline + limits.ring_patience)

    def _strike_if_due(self, dice: Random) -> None:
        reached = max(self.progress.settled, len(self.tail.witness.moments))
        if not self.strikes or reached < self.strikes[0].after:
            return
        time.sleep(dice.random() * _LOOK_SECONDS)  # at any moment of a letter's way, not at its end
        if self.first_blow is None:
            self.first_blow = time.time()
        if self._strike(self.strikes[0].blow, dice):
            is_kill = self.strikes.pop(0).blow in KILLS
            self.kills += is_kill
            self.restarts += not is_kill
            self.last_blow = time.time()

    def _strike(self, blow: Blow, dice: Random) -> bool:
        """Strike; False when there was nothing to hit and it has to be tried again."""
        match blow:
            case Blow.KILL_CHILD:
                return self.crew.kill_child(dice)
            case Blow.KILL_MAIN:
                return self.crew.kill_main(dice)
            case Blow.ROLL:
                return self.crew.roll(dice)
            case Blow.BROKER_RESTART | Blow.BROKER_LOSS:
                self.place.restart_broker(is_emptied=blow is Blow.BROKER_LOSS)
            case Blow.DATABASE_FAST | Blow.DATABASE_IMMEDIATE:
                self.place.restart_database(is_immediate=blow is Blow.DATABASE_IMMEDIATE)
        self.say(f"{blow.value}: done")
        return True

    def _say_progress(self) -> None:
        states = ", ".join(f"{state} {count}" for state, count in sorted(self.progress.states.items()))
        restarts = f", {self.restarts} of {self.plan.restarts} restarts" if self.plan.restarts else ""
        self.say(
            f"{self.progress.state}: {states or 'no letters yet'}; {self.kills} of {self.plan.kills} kills{restarts}"
        )


def run(plan: Plan, place: Place, *, say: Callable[[str], None]) -> Report:
    """Run the whole drill in its place; Django must be set up for it."""
    say(f"making a campaign to {plan.letters} people")
    campaign_id = staging.make(plan, smtp_port=place.smtp_port)
    crew, tail = Crew(place, plan, say=say), Tail(place.letters_file)
    drill = Run(plan, place, crew, tail, campaign_id, say, strikes=plan.strikes())
    try:
        crew.start()
        _wait_for_workers(plan.workers * plan.children, crew)
        begun = time.monotonic()
        staging.schedule(campaign_id)
        drill.carry_through()
        seconds = time.monotonic() - begun
        _wait_for_spool(place.folder / "spool")
    finally:
        crew.stop()
        tail.read()
        tail.close()
    return _report(drill, seconds=seconds)


def _wait_for_workers(count: int, crew: Crew) -> None:
    """Let every process begin before the first letter, so that the rate before the first blow is a fair measure."""
    deadline = time.monotonic() + _START_SECONDS
    while (staging.steady(staging.workers_alive) or 0) <= count and time.monotonic() < deadline:
        crew.revive()
        time.sleep(0.1)


def _wait_for_spool(folder: Path) -> None:
    """Give results that waited for the database the time to be written."""
    deadline = time.monotonic() + _SPOOL_SECONDS
    while any(path.stat().st_size for path in folder.glob("*.jsonl")) and time.monotonic() < deadline:
        time.sleep(0.1)


def _report(drill: Run, *, seconds: float) -> Report:
    campaign_id, witness = drill.campaign_id, drill.tail.witness
    ended = staging.progress(campaign_id)
    tally = counting.tally(
        staging.rows(campaign_id),
        witness,
        suppressed=staging.suppressed(),
        n=drill.plan.letters,
        audience=staging.audience_size(campaign_id),
        is_finished=ended.state == "finished",
    )
    return Report(
        plan=drill.plan,
        tally=tally,
        kills=drill.kills,
        restarts=drill.restarts,
        processes_killed=drill.crew.processes_killed,
        unanswered=witness.unanswered,
        seconds=seconds,
        time_to_recover=counting.time_to_recover(sorted(witness.moments), first=drill.first_blow, last=drill.last_blow),
        peak_memory_bytes=drill.crew.peak_memory_bytes,
        ended_as=ended.state,
    )
