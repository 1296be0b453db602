"""How set-up talks, runs commands and remembers what it has done."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

_FULL_DISK = ("No space left on device", "ENOSPC", "Disk quota exceeded", "EDQUOT")
_WRONG_HASH = ("DO NOT MATCH THE HASHES", "Hash mismatch", "EINTEGRITY")


class SetupError(Exception):
    """Set-up cannot go on; the message is one sentence for the terminal."""


class CommandError(Exception):
    """A command ended with an error; its log tells more."""


def say(text: str) -> None:
    """Print one line at once."""
    print(text, flush=True)


def run(
    command: Sequence[str | Path], *, log: Path, folder: Path, environment: Mapping[str, str] | None = None
) -> None:
    """Run a command with its output in a log.

    Raises:
        CommandError: it failed.
    """
    with log.open("ab") as stream:
        stream.write(f"$ {' '.join(map(str, command))}\n".encode())
        stream.flush()
        try:
            status = subprocess.run(
                command,
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
                check=False,
            ).returncode
        except OSError as error:
            stream.write(f"{error}\n".encode())
            status = 126
    if status:
        raise CommandError(str(command[0]))


def works(command: Sequence[str | Path], *, environment: Mapping[str, str] | None = None) -> bool:
    """True when a command can be run and succeeds."""
    try:
        done = subprocess.run(
            command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=60
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def failure(what: str, *, log: Path, cause: str) -> SetupError:
    """Return the sentence for a failed step: the disk, a wrong hash, or the cause that is likely then."""
    text = log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""
    if any(mark in text for mark in _FULL_DISK):
        return SetupError(f"{what} failed because the disk is full: free some space and start again ({log}).")
    if any(mark in text for mark in _WRONG_HASH):
        return SetupError(f"{what} was refused: what was downloaded is not what the lock file names ({log}).")
    return SetupError(f"{what} failed: {cause} ({log}).")


def require_space(folder: Path, *, needed_bytes: int) -> None:
    """Refuse to begin what the disk cannot hold."""
    free_bytes = shutil.disk_usage(folder).free
    if free_bytes < needed_bytes:
        raise SetupError(
            f"Set-up needs {needed_bytes // 2**20} MB and the disk that holds {folder} has "
            f"{free_bytes // 2**20} MB free: free some space and start again."
        )


@contextlib.contextmanager
def alone(cache: Path) -> Iterator[None]:
    """Let one set-up work at a time; another one waits."""
    try:
        cache.mkdir(exist_ok=True)
        lock = (cache / "setup.lock").open("a")
    except PermissionError:
        raise SetupError(f"{cache.parent} cannot be written to by this user: use a copy of your own.") from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in (errno.EAGAIN, errno.EACCES):
                raise
            say("Another set-up is at work here; waiting for it.")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def read_stamp(path: Path) -> dict[str, str]:
    """Return what an earlier set-up noted; nothing when there is no readable note."""
    try:
        noted = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return noted if isinstance(noted, dict) else {}


def write_stamp(path: Path, noted: Mapping[str, str]) -> None:
    """Note what has been done, in one step."""
    interim = path.with_name(f"{path.name}.{os.getpid()}")
    interim.write_text(json.dumps(dict(noted), indent=1) + "\n", encoding="utf-8")
    interim.replace(path)
