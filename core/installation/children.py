"""How one child process is described, started so that it cannot outlive us, and stopped step by step."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from core.installation.errors import ServiceError
from core.installation.unprivileged import Account

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


@dataclass(frozen=True, slots=True)
class StopStep:
    """One way to ask a child to end, and how many seconds it gets before the next one."""

    signal: int
    patience: float


KILL = StopStep(signal.SIGKILL, 10)
POLITE = (StopStep(signal.SIGTERM, 30), KILL)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildSpec:
    """What to run, as whom, and how it likes to be stopped.

    Children of a lower stop rank are gone before those of a higher one are told.
    """

    name: str
    command: tuple[str, ...]
    folder: Path
    environment: Mapping[str, str] = field(repr=False)
    stop: tuple[StopStep, ...] = POLITE
    death_signal: int = signal.SIGTERM
    account: Account | None = None
    is_quiet: bool = False
    stop_rank: int = 0


def spawn(spec: ChildSpec, output: int | IO[bytes] | None) -> subprocess.Popen[bytes]:
    """Start a child in a session of its own, so that the terminal's signals reach only us.

    Call it from the main thread: the kernel sends the death signal when the THREAD that forked ends (prctl(2)).
    Output None means that the child writes to our own terminal.
    """
    parent = os.getpid()

    def die_with_parent() -> None:
        # Runs after the change of user, which would clear the setting.
        if _libc is not None:
            _libc.prctl(_PR_SET_PDEATHSIG, spec.death_signal, 0, 0, 0)
            if os.getppid() != parent:
                os.kill(os.getpid(), signal.SIGKILL)

    return subprocess.Popen(
        spec.command,
        cwd=spec.folder,
        env=dict(spec.environment),
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT if output is not None else None,
        start_new_session=True,
        preexec_fn=die_with_parent,
        umask=0o077,
        **(spec.account.identity() if spec.account else {}),
    )


def end(process: subprocess.Popen[bytes], steps: tuple[StopStep, ...]) -> int:
    """Stop a child: each step's signal to the main process alone, then patience. Return its exit status."""
    for step in steps:
        if process.poll() is not None:
            break
        process.send_signal(step.signal)
        try:
            process.wait(step.patience)
        except subprocess.TimeoutExpired:
            continue
    return process.wait()


def wait_ready(
    process: subprocess.Popen[bytes], is_ready: Callable[[], bool], *, name: str, log: Path, patience: float = 60
) -> None:
    """Wait until the child answers.

    Raises:
        ServiceError: it ended, or did not answer in time; the message carries its last words.
    """
    deadline = time.monotonic() + patience
    while not is_ready():
        if process.poll() is not None or time.monotonic() > deadline:
            raise ServiceError(f"{name} did not start. Its last words: {last_words(log)}")
        time.sleep(0.05)


def last_words(log: Path, lines: int = 3) -> str:
    """Return the end of a log as one line."""
    try:
        text = log.read_bytes()[-4000:].decode("utf-8", "replace")
    except OSError:
        return "none"
    return " / ".join(line.strip() for line in text.splitlines()[-lines:] if line.strip()) or "none"


@contextmanager
def running(spec: ChildSpec, is_ready: Callable[[], bool], *, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run one child for as long as the block lasts, its output in a file."""
    with log.open("ab") as stream:
        process = spawn(spec, stream)
    try:
        wait_ready(process, is_ready, name=spec.name, log=log)
        yield process
    finally:
        end(process, spec.stop)
