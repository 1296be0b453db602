"""The product's own processes for a benchmark: mail worker, worker for `default`, beat, with production's options."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field

from benchmarks import gauge
from benchmarks.place import ROOT, Place
from settings.tiers import TIERS, Tier


@dataclass(frozen=True, slots=True)
class Options:
    """How the mail worker runs."""

    tier: Tier = TIERS["medium"]
    concurrency: int = 0  # 0: the tier's own for this machine
    recycles: bool = True  # whether children are replaced as the tier says
    profiles: bool = False

    @property
    def children(self) -> int:
        """How many child processes carry letters."""
        return self.concurrency or self.tier.concurrency(os.cpu_count() or 1)

    def words(self) -> list[str]:
        """Return the worker's options."""
        words = [f"--concurrency={self.children}", f"--prefetch-multiplier={self.tier.prefetch}"]
        if self.recycles:
            words.append(f"--max-tasks-per-child={self.tier.max_tasks_per_child}")
            words.append(f"--max-memory-per-child={self.tier.max_memory_per_child_kib}")
        return words


@dataclass(slots=True)
class Crew:
    """The running processes by name."""

    place: Place
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def pid(self, name: str) -> int:
        """Return the process id of one."""
        return self.processes[name].pid

    def mail_children(self) -> list[int]:
        """Return the processes that carry letters."""
        return gauge.children(self.pid("mail"))

    def cpu(self) -> dict[str, float]:
        """Return the CPU seconds spent so far, by component."""
        main = self.pid("mail")
        return {
            "worker, main process": gauge.own_cpu(main),
            "worker, children": gauge.buried_cpu(main) + sum(map(gauge.tree_cpu, self.mail_children())),
            "default worker and beat": gauge.tree_cpu(self.pid("default")) + gauge.tree_cpu(self.pid("beat")),
            "PostgreSQL": gauge.tree_cpu(self.place.postgres_pid),
            "Valkey": gauge.tree_cpu(self.place.valkey_pid),
        }


@contextmanager
def running(place: Place, options: Options) -> Iterator[Crew]:
    """Run the processes for as long as the block lasts."""
    crew = Crew(place)
    quiet = ["--without-gossip", "--without-mingle"]
    words = {
        "default": ["worker", "--queues=default", "--hostname=default@%h", "--concurrency=1", *quiet],
        "mail": ["worker", "--queues=campaigns,email", "--hostname=mail@%h", *quiet, *options.words()],
        "beat": ["beat", f"--schedule={place.folder / 'beat-schedule'}", "--pidfile="],
    }
    environment = dict(place.environment)
    if options.profiles:
        (place.folder / "profile").mkdir()
    with ExitStack() as logs:
        try:
            for name, command in words.items():
                log = logs.enter_context((place.folder / f"{name}.log").open("wb"))
                is_profiled = options.profiles and name == "mail"
                more = {"BENCHMARK_PROFILE": str(place.folder / "profile")} if is_profiled else {}
                crew.processes[name] = subprocess.Popen(
                    [sys.executable, "-m", "benchmarks.worker", *command],
                    cwd=ROOT,
                    env=environment | more,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            yield crew
        finally:
            for name in ("beat", "mail", "default"):
                if name in crew.processes:
                    _stop(crew.processes[name])


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Ask the main process alone; whoever does not end within a minute is killed with its children."""
    children = gauge.children(process.pid)
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(60)
    except subprocess.TimeoutExpired:
        for pid in (process.pid, *children):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.wait(10)
