"""A small supervisor: starts children in order, restarts those that fall, stops all in order of rank.

It has one thread on purpose: a child's death signal follows the thread that forked it, and forking with threads
about is unsafe. Everything happens in `_tick`: read what children print, notice who ended, start who is due.
"""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from core.installation import children, leftovers
from core.installation.children import ChildSpec
from core.installation.errors import InterruptedStartError, ServiceError
from core.installation.output import Lines, LogFile, say

TICK_SECONDS = 0.1
FIRST_DELAY_SECONDS = 1.0
LONGEST_DELAY_SECONDS = 30.0
STEADY_SECONDS = 30.0
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(slots=True)
class Managed:
    """One child with its present process."""

    spec: ChildSpec
    log: LogFile
    lines: Lines
    process: subprocess.Popen[bytes]
    started: float
    delay: float = FIRST_DELAY_SECONDS
    restart_at: float = 0.0
    is_kept: bool = True

    @property
    def is_alive(self) -> bool:
        """True while the process runs."""
        return self.process.poll() is None


class Supervisor:
    """Owns the children of one installation."""

    def __init__(self, data_dir: Path, logs: Path) -> None:
        self._data_dir = data_dir
        self._logs = logs
        self._selector = selectors.DefaultSelector()
        self._children: list[Managed] = []
        self._sockets: list[Path] = []
        self._requests = 0
        self._is_stopping = False
        self._started_count = 0

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Take the stop signals for as long as the block lasts."""
        before = {number: signal.signal(number, self._note_signal) for number in STOP_SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    @property
    def is_stop_requested(self) -> bool:
        """True once somebody asked to stop."""
        return self._requests > 0

    def owns(self, sockets: Path) -> None:
        """Remember a socket folder, so that the next start can remove it if we are killed."""
        self._sockets.append(sockets)

    def start(self, *specs: ChildSpec) -> None:
        """Start children and keep them running."""
        for spec in specs:
            self._children.append(self._launch(spec))
        self._remember()

    def wait_ready(self, name: str, is_ready: Callable[[], bool], *, patience: float = 60) -> None:
        """Wait until a child answers.

        Raises:
            ServiceError: it ended, or did not answer in time.
            InterruptedStartError: somebody asked to stop.
        """
        managed = self.named(name)
        managed.is_kept = False  # a child that falls while it starts is an error to show, not to repeat
        deadline = time.monotonic() + patience
        while not is_ready():
            if not managed.is_alive or time.monotonic() > deadline:
                self._drain()
                words = children.last_words(managed.log.path)
                raise ServiceError(f"{name} did not start ({managed.log.path}). Its last words: {words}")
            self._tick()
            self._refuse_when_stopping()
        managed.is_kept = True

    def run_once(self, spec: ChildSpec, *, to_terminal: bool = False) -> int:
        """Run a command to its end while the other children go on, and return its exit status."""
        if to_terminal:
            process = children.spawn(spec, None)
            log = None
        else:
            managed = self._launch(spec)
            managed.is_kept = False
            process, log = managed.process, managed.log
        try:
            while process.poll() is None:
                self._tick()
                self._refuse_when_stopping()
            self._drain()
        finally:
            children.end(process, spec.stop)
            if log:
                log.close()
        return process.returncode

    def watch(self) -> None:
        """Keep the children running until somebody asks to stop."""
        while not self.is_stop_requested:
            self._tick()

    def stop(self) -> None:
        """Stop all children by rank; each rank is gone before the next is told."""
        self._is_stopping = True
        seen = self._requests
        for rank in sorted({managed.spec.stop_rank for managed in self._children}):
            group = [managed for managed in self._children if managed.spec.stop_rank == rank]
            seen = self._stop_group([managed for managed in group if managed.is_alive], seen)
        for managed in self._children:
            managed.lines.finish()
            managed.log.close()
        self._children.clear()
        leftovers.forget(self._data_dir)

    def named(self, name: str) -> Managed:
        """Return a child by its name, the one started last where there are more."""
        return next(managed for managed in reversed(self._children) if managed.spec.name == name)

    def _launch(self, spec: ChildSpec) -> Managed:
        log = LogFile(self._logs / f"{spec.name}.log")
        lines = Lines(spec.name, log, is_quiet=spec.is_quiet, number=self._started_count)
        self._started_count += 1
        return Managed(spec, log, lines, self._spawn(spec, lines), time.monotonic())

    def _spawn(self, spec: ChildSpec, lines: Lines) -> subprocess.Popen[bytes]:
        reader, writer = os.pipe()
        try:
            process = children.spawn(spec, writer)
        except OSError as error:
            os.close(reader)
            raise ServiceError(f"{spec.name} could not be started: {error.strerror}.") from error
        finally:
            os.close(writer)
        os.set_blocking(reader, False)
        self._selector.register(reader, selectors.EVENT_READ, lines)
        return process

    def _tick(self) -> None:
        """Do what is due now, and wait for output a moment."""
        self._read(TICK_SECONDS)
        if self._is_stopping:
            return
        for managed in self._children:
            self._keep(managed)

    def _read(self, patience: float) -> bool:
        """Pass on what children printed; True when there was something."""
        if not self._selector.get_map():
            time.sleep(patience)
            return False
        events = self._selector.select(patience)
        for key, _ in events:
            lines: Lines = key.data
            try:
                received = os.read(key.fd, 65536)
            except BlockingIOError:
                continue
            if received:
                lines.feed(received)
                continue
            lines.finish()
            self._selector.unregister(key.fd)
            os.close(key.fd)
        return bool(events)

    def _drain(self) -> None:
        while self._selector.get_map() and self._read(0):
            pass

    def _keep(self, managed: Managed) -> None:
        """Restart a child that has fallen, later each time, unless it had run steadily."""
        if managed.is_alive or not managed.is_kept:
            return
        now = time.monotonic()
        if not managed.restart_at:
            if now - managed.started > STEADY_SECONDS:
                managed.delay = FIRST_DELAY_SECONDS
            self._postpone(managed, _manner(managed.process.returncode))
        elif now >= managed.restart_at:
            try:
                managed.process = self._spawn(managed.spec, managed.lines)
            except ServiceError:
                self._postpone(managed, "could not be started")
                return
            managed.restart_at = 0.0
            managed.started = now
            self._remember()

    def _postpone(self, managed: Managed, what_happened: str) -> None:
        managed.restart_at = time.monotonic() + managed.delay
        say(f"{managed.spec.name} {what_happened}; it starts again in {managed.delay:.0f} s.")
        managed.delay = min(managed.delay * 2, LONGEST_DELAY_SECONDS)

    def _stop_group(self, group: list[Managed], seen: int) -> int:
        """Take each child of a group through its steps at the same time; a third request skips patience."""
        step = dict.fromkeys(range(len(group)), 0)
        deadline: dict[int, float] = {}
        while any(managed.is_alive for managed in group):
            for number, managed in enumerate(group):
                if managed.is_alive and time.monotonic() >= deadline.get(number, 0.0):
                    step[number] = min(step[number] + (number in deadline), len(managed.spec.stop) - 1)
                    chosen = managed.spec.stop[step[number]]
                    managed.process.send_signal(chosen.signal)
                    deadline[number] = time.monotonic() + chosen.patience
            self._read(TICK_SECONDS)
            if self._requests > seen:
                seen = self._requests
                if seen >= 3:
                    deadline = dict.fromkeys(deadline, 0.0)
                self._explain(group, is_hurried=seen >= 3)
        self._drain()
        return seen

    def _explain(self, group: list[Managed], *, is_hurried: bool) -> None:
        names = ", ".join(managed.spec.name for managed in group if managed.is_alive) or "nothing more"
        if is_hurried:
            say(f"Hurrying {names}: letters on their way may stay unconfirmed.")
            return
        longest = max((managed.spec.stop[0].patience for managed in group if managed.is_alive), default=0)
        say(
            f"Waiting for {names} to finish the work in hand (at most {longest:.0f} s). Press Ctrl-C again not to wait."
        )

    def _remember(self) -> None:
        pids = [managed.process.pid for managed in self._children if managed.is_alive]
        leftovers.remember(self._data_dir, pids=pids, sockets=self._sockets)

    def _refuse_when_stopping(self) -> None:
        if self.is_stop_requested and not self._is_stopping:
            raise InterruptedStartError("Stopped before the start was complete.")

    def _note_signal(self, _number: int, _frame: FrameType | None) -> None:
        self._requests += 1


def _manner(status: int) -> str:
    if status < 0:
        return f"was killed by {signal.Signals(-status).name}"
    return f"ended with status {status}"
