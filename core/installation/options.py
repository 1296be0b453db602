"""The command line of `scripts/start`; read before set-up too, so it needs the standard library alone."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 8000


@dataclass(frozen=True, slots=True, kw_only=True)
class StartOptions:
    """What the person asked for."""

    data_dir: Path
    host: str
    port: int
    demo: int
    is_exit_wanted: bool


def read(arguments: Sequence[str], *, root: Path) -> StartOptions:
    """Return the options; a wrong one ends the program with a sentence and status 2."""
    parser = argparse.ArgumentParser(
        prog="scripts/start",
        description="Start VashSender on this machine: set up what is missing, run everything, stop all with Ctrl-C.",
    )
    parser.add_argument("--data", metavar="DIR", help="folder that holds all state (default: var/ beside scripts/)")
    parser.add_argument("--host", default=DEFAULT_HOST, help=f"address to listen on (default: {DEFAULT_HOST})")
    parser.add_argument("--port", type=_port, default=DEFAULT_PORT, help=f"port (default: {DEFAULT_PORT}; 0: any)")
    parser.add_argument("--demo", type=_count, default=0, metavar="N", help="send a campaign to N made-up contacts")
    parser.add_argument("--exit", action="store_true", help="stop everything when the demo is done")
    given = parser.parse_args(arguments)
    data = given.data or os.environ.get("VASHSENDER_DATA") or root / "var"
    return StartOptions(
        data_dir=Path(data).expanduser().resolve(),
        host=given.host,
        port=given.port,
        demo=given.demo,
        is_exit_wanted=given.exit,
    )


def _port(text: str) -> int:
    if text.isdigit() and int(text) < 65536:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text} is not a port from 0 to 65535")


def _count(text: str) -> int:
    if text.isdigit() and 0 < int(text) <= 1_000_000:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text} is not a number from 1 to 1000000")
