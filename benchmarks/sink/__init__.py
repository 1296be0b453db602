"""The SMTP sink at the other end: the C one where there is a compiler, else the one in Python."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Seen:
    """What the sink counted since it was last reset."""

    letters: int
    bytes: int
    connections: int
    peak: int  # connections that were open at once
    seconds: float


class Sink:
    """A running sink; it notes the sender and the recipient of each letter it accepted."""

    def __init__(self, process: subprocess.Popen[str], port: int, log: Path, kind: str) -> None:
        self.port, self.kind, self.pid = port, kind, process.pid
        self._process, self._log = process, log
        self._noted = 0

    def report(self) -> Seen:
        """Return what it has counted."""
        return Seen(**json.loads(self._ask("report")))

    def reset(self) -> None:
        """Begin to count anew."""
        self._ask("reset")
        self._noted = self._log.stat().st_size

    def recipients(self) -> Counter[str]:
        """Return how many letters each recipient got since the last reset."""
        self._ask("report")
        with self._log.open() as lines:
            lines.seek(self._noted)
            return Counter(line.split()[1] for line in lines)

    def _ask(self, question: str) -> str:
        assert self._process.stdin and self._process.stdout
        self._process.stdin.write(question + "\n")
        self._process.stdin.flush()
        return self._process.stdout.readline()


@contextmanager
def running(folder: Path, *, delay_milliseconds: float = 0) -> Iterator[Sink]:
    """Run a sink for as long as the block lasts; the folder takes its program and its notes."""
    folder.mkdir(exist_ok=True)
    log = folder / "sink.log"
    kind, command = _command(folder)
    process = subprocess.Popen(
        [*command, "-d", str(delay_milliseconds), "-l", str(log)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdin and process.stdout
    try:
        yield Sink(process, int(process.stdout.readline().split()[1]), log, kind)
    finally:
        process.stdin.close()
        process.wait(10)
        process.stdout.close()


def _command(folder: Path) -> tuple[str, list[str]]:
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler and sys.platform == "linux":
        program = folder / "sink"
        subprocess.run([compiler, "-O2", "-o", program, HERE / "sink.c"], check=True)
        return "C, epoll", [str(program)]
    return "Python, asyncio", [sys.executable, str(HERE / "python_sink.py")]
