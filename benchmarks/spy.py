"""Where the worker's own CPU time goes, sampled from outside by py-spy, which the benchmark is given a path to."""

from __future__ import annotations

import signal
import subprocess
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

# The first word that is found in a stack, from the top of the list, names the part it is counted for.
Parts = Sequence[tuple[str, str]]
CHILD: Parts = (
    ("housekeeper", "housekeeper"),
    ("send_batch", "publishing rings"),
    ("begin (apps/campaigns/services/claims.py", "begin of the attempt"),
    ("mark (apps/campaigns/services/claims.py", "marker"),
    ("apps/campaigns/services/outcomes.py", "result"),
    ("apps/campaigns/services/composing.py", "composing the letter"),
    ("apps/smtp", "SMTP"),
    ("core/database.py", "look at the database connection"),
    ("apps/campaigns", "the rest of the task"),
    ("celery/fixups", "Celery's Django fix-up"),
    ("celery/app/trace.py", "Celery's task tracing"),
    ("billiard", "pipe to the main process"),
)
MAIN: Parts = (
    ("append (kombu/transport/redis.py", "noting a task as unacknowledged"),
    ("ack (kombu/transport/redis.py", "acknowledging"),
    ("_brpop", "taking from the queue"),
    ("redis/", "other words with the broker"),
    ("_process_result", "results of children"),
    ("billiard", "pipes to the children"),
    ("celery/worker/request.py", "task requests"),
    ("celery/worker/strategy.py", "task requests"),
    ("kombu/asynchronous", "event loop"),
    ("kombu", "kombu, the rest"),
    ("celery", "Celery, the rest"),
)
_OPTIONS = ("--rate=250", "--duration=3600", "--format=raw", "--nonblocking", "--full-filenames")


@contextmanager
def watching(program: Path, pids: dict[str, int], folder: Path) -> Iterator[dict[str, Path]]:
    """Sample the processes for as long as the block lasts; the files hold one stack a line."""
    files = {name: folder / f"{name}.stacks" for name in pids}
    watchers = []
    for name, pid in pids.items():
        words = [program, "record", "-p", str(pid), "-o", files[name], *_OPTIONS]
        watchers.append(subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
    try:
        yield files
    finally:
        for watcher in watchers:
            watcher.send_signal(signal.SIGINT)
            watcher.wait(60)


def shares(stacks: Path, parts: Parts) -> Counter[str]:
    """Return how many samples fell on each part."""
    counted: Counter[str] = Counter()
    for line in stacks.read_text().splitlines():
        stack, _, count = line.rpartition(" ")
        counted[next((part for word, part in parts if word in stack), "the rest")] += int(count)
    return counted
