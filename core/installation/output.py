"""What children print: to the terminal with their name in front, and to rotated files."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path

FILE_BYTES = 10 * 1024 * 1024
KEPT_FILES = 5
LONGEST_LINE_BYTES = 16 * 1024
_COLOURS = ("36", "35", "34", "32", "33", "96", "95", "94")


def say(text: str) -> None:
    """Print to the terminal; one that has been closed is no reason to stop."""
    with contextlib.suppress(OSError, ValueError):
        print(text, flush=True)


class LogFile:
    """A file that is set aside when it has grown; the newest few are kept."""

    def __init__(self, path: Path, *, file_bytes: int = FILE_BYTES) -> None:
        self.path = path
        self._limit = file_bytes
        self._stream = path.open("ab")

    def write(self, line: bytes) -> None:
        """Append one line; a full disk loses log lines and stops nothing."""
        with contextlib.suppress(OSError, ValueError):
            self._stream.write(line + b"\n")
            self._stream.flush()
            if self._stream.tell() > self._limit:
                self._rotate()

    def close(self) -> None:
        """Close the file."""
        with contextlib.suppress(OSError):
            self._stream.close()

    def _rotate(self) -> None:
        self._stream.close()
        for number in range(KEPT_FILES - 1, 0, -1):
            older = self.path.with_name(f"{self.path.name}.{number}")
            if older.exists():
                older.replace(self.path.with_name(f"{self.path.name}.{number + 1}"))
        self.path.replace(self.path.with_name(f"{self.path.name}.1"))
        self._stream = self.path.open("ab")


class Lines:
    """Cuts one child's stream into lines and hands each to the file and, unless it is quiet, to the terminal."""

    def __init__(self, name: str, log: LogFile, *, is_quiet: bool, number: int) -> None:
        self._log = log
        self._rest = b""
        self._is_quiet = is_quiet
        colour = _COLOURS[number % len(_COLOURS)]
        self._prefix = f"\033[{colour}m{name:<9}|\033[0m" if sys.stdout.isatty() else f"{name:<9}|"

    def feed(self, received: bytes) -> None:
        """Take what arrived; an unfinished line waits for its end."""
        *whole, self._rest = (self._rest + received).split(b"\n")
        for line in whole:
            self._emit(line)
        if len(self._rest) > LONGEST_LINE_BYTES:
            self.finish()

    def finish(self) -> None:
        """The stream has ended: what is left is the last line."""
        if self._rest:
            self._emit(self._rest)
        self._rest = b""

    def _emit(self, line: bytes) -> None:
        self._log.write(line)
        if not self._is_quiet:
            say(f"{self._prefix} {line.decode('utf-8', 'replace').rstrip()}")
