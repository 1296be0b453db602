"""The fault server as a process: `python -m apps.smtp.faults --letters FILE [--script JSON]` prints its port."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from apps.smtp.faults import script
from apps.smtp.faults.server import FaultServer


def main(argv: Sequence[str] | None = None) -> int:
    """Serve until SIGTERM or SIGINT; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m apps.smtp.faults", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--letters", type=Path, help="append a JSON line per letter before it is answered")
    parser.add_argument("--script", default="[]", help='JSON: [{"stage": "dot", "action": "drop", "share": 0.01}]')
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args(argv)
    try:
        faults = script.parse(given.script)
    except script.ScriptError as error:
        parser.error(error.message)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    with FaultServer(faults, port=given.port, letters_file=given.letters, remembers=False, seed=given.seed) as server:
        sys.stdout.write(f"{server.port}\n")
        sys.stdout.flush()
        stop.wait()
    return 0


if __name__ == "__main__":
    sys.exit(main())
