"""What a drill says in the end: a few lines for people, one line for machines, and whether it was passed."""

from __future__ import annotations

import json
from dataclasses import dataclass

from apps.campaigns.drill.counting import Tally
from apps.campaigns.drill.plan import Plan


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """How a drill ended."""

    plan: Plan
    tally: Tally
    kills: int
    restarts: int
    processes_killed: int
    unanswered: int
    seconds: float
    time_to_recover: float
    peak_memory_bytes: int
    ended_as: str

    @property
    def is_passed(self) -> bool:
        """Nothing lost or wrongly doubled, nobody suppressed without cause, every letter accounted for."""
        tally = self.tally
        may_double = self.plan.policy != "hold"
        return (
            tally.is_accounted
            and not (tally.lost or tally.doubled_outside_window or tally.false_suppressions)
            and (may_double or (not tally.doubled and tally.unconfirmed <= self.bound))
        )

    @property
    def bound(self) -> int:
        """How many letters may be unconfirmed: what each killed process had in doubt, and the replies withheld."""
        return self.processes_killed * self.plan.in_doubt + self.unanswered

    @property
    def _peak_memory_mb(self) -> int:
        return round(self.peak_memory_bytes / 2**20)

    def to_json(self) -> str:
        """Return everything as one line."""
        tally = self.tally
        return json.dumps(
            {
                "n": tally.n,
                "kills": self.kills,
                "restarts": self.restarts,
                "lost": tally.lost,
                "doubled": tally.doubled,
                "doubled_outside_window": tally.doubled_outside_window,
                "unconfirmed": tally.unconfirmed,
                "false_suppressions": tally.false_suppressions,
                "seconds": round(self.seconds, 1),
                "time_to_recover": round(self.time_to_recover, 1),
                "stuck": tally.stuck,
                "peak_memory_mb": self._peak_memory_mb,
                "accounted": tally.is_accounted,
                "passed": self.is_passed,
                "processes_killed": self.processes_killed,
                "unanswered": self.unanswered,
                "states": tally.states,
                "seed": self.plan.seed,
                "policy": self.plan.policy,
                "clock": self.plan.clock,
                "tier": self.plan.tier,
                "delivery": self.plan.delivery,
                "unconfirmed_at_most": self.bound,
            }
        )

    def lines(self) -> list[str]:
        """Return everything for a terminal."""
        tally = self.tally
        rate = tally.n / self.seconds if self.seconds else 0.0
        each = f" × {self.plan.in_doubt} in doubt" if self.plan.in_doubt > 1 else ""
        window = f"at most {self.bound} can be: processes killed{each} + replies withheld"
        states = " + ".join(f"{state} {count}" for state, count in tally.states.items()) or "no letter"
        said = [
            ("tier", f"{self.plan.tier}: {self.plan.delivery}"),
            ("letters (N)", f"{tally.n}: {states}"),
            ("kills", f"{self.kills} of {self.plan.kills} planned ({self.processes_killed} processes ended)"),
            ("restarts", f"{self.restarts} of {self.plan.restarts} planned"),
            ("lost", tally.lost),
            ("doubled", f"{tally.doubled} (policy {self.plan.policy})"),
            ("doubled outside the ambiguous window", tally.doubled_outside_window),
            ("unconfirmed", f"{tally.unconfirmed} ({window})"),
            ("false suppressions", tally.false_suppressions),
            ("time to recover", f"{self.time_to_recover:.1f} s after the last blow"),
            ("stuck", tally.stuck),
            ("peak memory of one process", f"{self._peak_memory_mb} MB"),
            ("took", f"{self.seconds:.1f} s, {rate:.0f} letters/s, the campaign is {self.ended_as}"),
            ("accounted for", "yes" if tally.is_accounted else self._what_is_wrong()),
            ("seed", self.plan.seed),
        ]
        return [*(f"{name + ':':<38}{value}" for name, value in said), "PASSED" if self.is_passed else "NOT PASSED"]

    def _what_is_wrong(self) -> str:
        tally = self.tally
        return (
            f"NO: {sum(tally.states.values())} rows for {tally.n} people, {tally.contradicted} letters arrived that "
            f"are said not to have, {tally.foreign} arrived that nobody knows"
        )
