"""The drill's workers and beat: started as in production, struck one by one, and only ever these."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from apps.campaigns.drill.place import Place
from apps.campaigns.drill.plan import Plan
from core.installation import children
from core.installation.children import KILL, ChildSpec, StopStep
from core.installation.processes import Processes
from core.installation.record import process_started
from settings.tiers import TIERS

_MEMORY_MARK = "VmHWM:"


@dataclass(frozen=True, slots=True)
class Process:
    """One process of ours, told from a later one with the same number by when it started."""

    pid: int
    started: str

    @property
    def is_alive(self) -> bool:
        """Whether this very process still runs."""
        return bool(self.started) and process_started(self.pid) == self.started

    def kill(self) -> bool:
        """`kill -9`, if it is still this very process."""
        if not self.is_alive:
            return False
        try:
            os.kill(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            return False
        return True


class Crew:
    """Mail workers, the worker for `default`, and beat."""

    def __init__(self, place: Place, plan: Plan, *, say: Callable[[str], None]) -> None:
        tier = replace(
            TIERS[plan.tier], workers=plan.workers, concurrency_min=plan.children, concurrency_max=plan.children
        )
        processes = Processes(
            data_dir=place.folder, host="", web_port=0, inbox_port=0, tier=tier, environment=place.environment
        )
        limits = plan.limits
        stop = (
            StopStep(signal.SIGTERM, limits.stop_of(plan.delivery) + 5),
            StopStep(signal.SIGQUIT, limits.soft_shutdown + 5),
            KILL,
        )
        self._specs: dict[str, ChildSpec] = {
            spec.name: replace(spec, stop=stop)
            for spec in (*processes.mail_workers(), processes.default_worker(), processes.beat())
        }
        self._logs = place.folder / "logs"
        self._say = say
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._orphans: list[Process] = []
        self._rolling: dict[str, threading.Thread] = {}
        self.mail_workers = tier.mail_workers
        self.processes_killed = 0
        self.peak_memory_bytes = 0

    def start(self) -> None:
        """Start everything."""
        for name in self._specs:
            self._start(name)

    def _start(self, name: str) -> None:
        with (self._logs / f"{name}.log").open("ab") as log:
            self._running[name] = children.spawn(self._specs[name], log)

    def children(self, name: str) -> list[Process]:
        """Return the pool processes of one worker."""
        pid = self._running[name].pid
        try:
            listed = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        except OSError:
            return []
        return [Process(int(child), process_started(int(child))) for child in listed]

    def kill_child(self, dice: random.Random) -> bool:
        """Kill one process that carries letters, chosen by chance; False while there is none."""
        found = [child for name in self.mail_workers for child in self.children(name)]
        if not found or not dice.choice(found).kill():
            return False
        self.processes_killed += 1
        return True

    def kill_main(self, dice: random.Random) -> bool:
        """Kill one main process, chosen by chance, and start another in its place at once; False while it rolls."""
        name = dice.choice([*self.mail_workers, *self.mail_workers, "default", "beat"])
        if name in self._rolling:
            return False
        brood = self.children(name)
        process = self._running[name]
        process.kill()
        process.wait()
        self._orphans += brood
        self.processes_killed += 1 + len(brood)
        self._start(name)
        return True

    def roll(self, dice: random.Random) -> bool:
        """Stop one mail worker in order, as a new release would, and start another in its place; False while one rolls.

        It may take as long as a warm stop may, and the blows go on meanwhile.
        """
        if self._rolling:
            return False
        name = dice.choice(self.mail_workers)
        self._rolling[name] = threading.Thread(target=self._roll, args=(name,))
        self._rolling[name].start()
        return True

    def _roll(self, name: str) -> None:
        children.end(self._running[name], self._specs[name].stop)
        self._start(name)
        del self._rolling[name]

    def revive(self) -> None:
        """Start again what ended by itself, as a supervisor does."""
        for name, process in list(self._running.items()):
            if name not in self._rolling and process.poll() is not None:
                last = children.last_words(self._logs / f"{name}.log")
                self._say(f"{name} ended by itself with status {process.returncode} and is started again: {last}")
                self._start(name)

    def look_at_memory(self) -> None:
        """Note the highest resident memory that one process has reached."""
        pids = [process.pid for process in self._running.values()]
        pids += [child.pid for name in self._running for child in self.children(name)]
        self.peak_memory_bytes = max([self.peak_memory_bytes, *map(_peak_bytes, pids)])

    def stop(self) -> None:
        """Stop everything in order: beat first, then the workers with what they have in hand."""
        for thread in list(self._rolling.values()):
            thread.join()
        brood = [child for name in self._running for child in self.children(name)]
        for name in sorted(self._running, key=lambda name: self._specs[name].stop_rank):
            children.end(self._running.pop(name), self._specs[name].stop)
        self._bury([*self._orphans, *brood])

    def _bury(self, orphans: list[Process]) -> None:
        """End the children of mains that were killed, should one have outlived its main."""
        deadline = time.monotonic() + 5
        while any(orphan.is_alive for orphan in orphans) and time.monotonic() < deadline:
            time.sleep(0.05)
        for orphan in orphans:
            if orphan.kill():
                self._say(f"process {orphan.pid} had outlived its worker and was killed")


def _peak_bytes(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(_MEMORY_MARK)), 0)
