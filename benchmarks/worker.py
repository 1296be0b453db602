"""Celery as the benchmark runs it: the product's own, and with BENCHMARK_PROFILE set each child's time is noted.

`python -m benchmarks.worker worker …` takes the same words as `celery -A core`.
"""

from __future__ import annotations

import cProfile
import os
import sys
from pathlib import Path
from typing import Any

from celery.bin.celery import main
from celery.signals import worker_process_init, worker_process_shutdown

FOLDER = os.environ.get("BENCHMARK_PROFILE", "")
_profiler = cProfile.Profile()


def _begin(**_: Any) -> None:
    _profiler.enable()


def _end(**_: Any) -> None:
    _profiler.disable()
    _profiler.dump_stats(Path(FOLDER) / f"child-{os.getpid()}.prof")


if __name__ == "__main__":
    if FOLDER:
        worker_process_init.connect(_begin)
        worker_process_shutdown.connect(_end)
    sys.argv[1:1] = ["-q", "-A", "core"]
    main()
