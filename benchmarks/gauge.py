"""What processes cost: CPU seconds and resident memory of whole trees, read from /proc."""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
from collections.abc import Iterable
from pathlib import Path

_TICK = os.sysconf("SC_CLK_TCK")


def _numbers(pid: int) -> list[int]:
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return [0] * 50
    return [int(word) if word.lstrip("-").isdigit() else 0 for word in text.rpartition(")")[2].split()]


def own_cpu(pid: int) -> float:
    """Return the CPU seconds of one process, without its children."""
    fields = _numbers(pid)
    return (fields[11] + fields[12]) / _TICK


def buried_cpu(pid: int) -> float:
    """Return the CPU seconds of the children that have ended and been waited for."""
    fields = _numbers(pid)
    return (fields[13] + fields[14]) / _TICK


def waited_for_cpu() -> float:
    """Return the CPU seconds of the programs that this process has run to their end."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def children(pid: int) -> list[int]:
    """Return the processes that one has started and that still run."""
    found: list[int] = []
    for tasks in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            found += [int(word) for word in tasks.read_text().split()]
        except OSError:
            continue
    return found


def tree_cpu(pid: int) -> float:
    """Return the CPU seconds of a process and of everything it has started."""
    return own_cpu(pid) + buried_cpu(pid) + sum(map(tree_cpu, children(pid)))


def resident_mib(pid: int) -> float:
    """Return the memory that a process holds of its own and shares, in MiB; 0 when it is gone."""
    try:
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmRSS"):
                return int(line.split()[1]) / 1024
    except OSError:
        pass
    return 0.0


def machine() -> tuple[float, float]:
    """Return the busy and the whole CPU seconds of the machine since it began."""
    words = [int(word) / _TICK for word in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    idle = words[3] + words[4]
    return sum(words) - idle, sum(words)


def model() -> str:
    """Return the machine in a few words."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2**30
    return f"{os.cpu_count()} × {names[0] if names else 'unknown'}, {pages} GiB"


def commit() -> str:
    """Return the commit that is checked out, marked when the tree differs from it."""
    asked = subprocess.run(
        ["git", "describe", "--always", "--abbrev=10", "--dirty=+changes"], capture_output=True, text=True, check=False
    )
    return asked.stdout.strip() or "unknown"


def median(values: Iterable[float]) -> float:
    """Return the middle one."""
    return statistics.median(list(values) or [0.0])
