"""From a fresh clone to a command that runs: environment, front end, then hand over to the environment's Python."""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path
from typing import NoReturn

from setting_up import console, frontend, packages
from setting_up.console import SetupError

ROOT = Path(__file__).resolve().parent.parent
COMMANDS = {
    "start": ["-m", "core.installation", "start"],
    "test": ["scripts/suite.py"],
    "check": ["scripts/static_checks.py"],
    "setup": [],
    "install": [],
}


def main(arguments: list[str]) -> int:
    """Set up what the command needs and become it; return the exit status where there is nothing to become."""
    command, rest = (arguments[0], arguments[1:]) if arguments else ("", [])
    if command not in COMMANDS:
        print(f"Usage: bootstrap.py {'|'.join(COMMANDS)} [arguments]", file=sys.stderr)
        return 2
    if command == "start":
        # Answers --help and a mistyped option at once, not after minutes of set-up.
        rest += ["--data", str(_data_dir(rest))]
    try:
        _set_up(packages.PRODUCT_LOCK if command in ("start", "install") else packages.DEVELOPMENT_LOCK)
    except SetupError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Set-up was stopped; start again to go on with it.", file=sys.stderr)
        return 130
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        print(f"The disk that holds {ROOT} is full: free some space and start again.", file=sys.stderr)
        return 1
    if COMMANDS[command]:
        _become([*COMMANDS[command], *rest])
    return 0


def _set_up(lock: str) -> None:
    with console.alone(ROOT / ".cache"):
        packages.ensure(ROOT, lock=lock)
        frontend.ensure(ROOT)


def _data_dir(arguments: list[str]) -> Path:
    """Return the data folder that the options name, as seen from where the person stands."""
    sys.path.insert(0, str(ROOT))
    from core.installation import options

    return options.read(arguments, root=ROOT).data_dir


def _become(arguments: list[str]) -> NoReturn:
    """Replace this process, so that signals and the exit status are the command's own."""
    os.chdir(ROOT)
    python = str(packages.python_of(ROOT))
    os.execv(python, [python, *arguments])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
