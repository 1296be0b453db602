"""`python -m core.installation start`: run everything on this machine until somebody says stop."""

from __future__ import annotations

import fcntl
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from core.errors import EspError
from core.installation import folders, options, record
from core.installation.errors import AlreadyRunningError


def main(arguments: list[str]) -> int:
    """Start the installation; return the exit status."""
    if arguments[:1] != ["start"]:
        print("Usage: python -m core.installation start [--help]", file=sys.stderr)
        return 2
    chosen = options.read(arguments[1:], root=folders.ROOT)
    os.umask(0o077)
    os.environ["VASHSENDER_DATA"] = str(chosen.data_dir)
    try:
        folders.DataFolder(chosen.data_dir).make()
        with sole_supervisor(chosen.data_dir):
            # Read settings only now: they depend on the data folder.
            from core.installation import start

            return start.run(chosen)
    except EspError as error:
        print(error.message, file=sys.stderr)
    except OSError as error:
        if folders.is_disk_full(error):
            print(f"The disk is full: free some space on the disk that holds {chosen.data_dir}.", file=sys.stderr)
        elif isinstance(error, PermissionError):
            print(f"{error.filename} may not be used by this user: was it made by root or another?", file=sys.stderr)
        else:
            raise
    return 1


@contextmanager
def sole_supervisor(data_dir: Path) -> Iterator[None]:
    """Hold the data folder's lock for as long as the block lasts.

    Raises:
        AlreadyRunningError: somebody else holds it; the message says where that installation answers.
    """
    with (data_dir / "lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            running = record.find(data_dir)
            if running is None:
                raise AlreadyRunningError(f"VashSender is just starting or stopping on {data_dir}.") from None
            raise AlreadyRunningError(
                f"VashSender already runs on {data_dir} at {running.public_url} (process {running.pid})."
            ) from None
        yield


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
