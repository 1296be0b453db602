"""Worker settings by load; `scripts/start` and the production script read this one table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Delivery = Literal["fan-out", "inline"]
"""Whether each letter is a task of its own, or a batch's task carries its letters itself."""


@dataclass(frozen=True, slots=True)
class Tier:
    """How the mail workers of one load tier run."""

    name: str
    letters_per_hour: str
    concurrency_min: int
    concurrency_max: int
    max_tasks_per_child: int
    max_memory_per_child_kib: int
    workers: int = 1
    prefetch: int = 1
    delivery: Delivery = "fan-out"

    def concurrency(self, cores: int) -> int:
        """Return the child processes per worker for a machine with so many cores."""
        return max(self.concurrency_min, min(self.concurrency_max, cores * 2))

    @property
    def mail_workers(self) -> tuple[str, ...]:
        """The names of the workers that carry letters."""
        return tuple(f"mail{number}" for number in range(1, self.workers + 1)) if self.workers > 1 else ("mail",)

    def pool_options(self, cores: int) -> tuple[str, ...]:
        """Return what `celery worker` is told about the child processes of one mail worker."""
        return (
            f"--concurrency={self.concurrency(cores)}",
            f"--max-tasks-per-child={self.max_tasks_per_child}",
            f"--max-memory-per-child={self.max_memory_per_child_kib}",
            f"--prefetch-multiplier={self.prefetch}",
        )


TIERS: dict[str, Tier] = {
    tier.name: tier
    for tier in (
        Tier("low", "under 1,000", 2, 4, 1000, 400_000),
        Tier("medium", "1,000 to 10,000", 4, 8, 500, 400_000),
        Tier("high", "over 10,000", 8, 16, 250, 400_000, workers=2, delivery="inline"),
    )
}


def delivery_of(tier: str) -> Delivery:
    """Return the delivery mode of a tier by its name; whoever starts anything refuses a name that is none."""
    return TIERS[tier].delivery if tier in TIERS else "fan-out"
