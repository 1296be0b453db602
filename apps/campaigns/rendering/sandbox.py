"""Runs the freezing of a source in a child process with little memory, little time and an empty environment."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path

from apps.campaigns.rendering import values
from apps.campaigns.rendering.errors import ContentError, RenderError
from apps.campaigns.rendering.freezing import Build
from apps.campaigns.rendering.types import Frozen, Source

MEMORY_BYTES = 512 * 1024 * 1024
WALL_SECONDS = 20  # for a loaded machine; the child itself ends after two seconds of work
MAX_SAMPLES = 200
_ROOT = str(Path(__file__).resolve().parents[3])
_START = (
    "import resource, sys; resource.setrlimit(resource.RLIMIT_AS, ({memory}, {memory})); "
    "resource.setrlimit(resource.RLIMIT_CORE, (0, 0)); sys.path.insert(0, {root!r}); "
    "from apps.campaigns.rendering import child; child.main()"
)


def build(source: Source, samples: Sequence[Mapping[str, object]] = ()) -> Build:
    """Freeze a source that nobody has checked yet.

    `subprocess` and not `multiprocessing`: a Celery child is daemonic and may have no children of that kind.

    Raises:
        ContentError: the source cannot be used, or needed more time or memory than it may have.
    """
    return _built_alone(source) if not samples else _built(source, [_sample(each) for each in samples[:MAX_SAMPLES]])


@lru_cache(maxsize=8)  # a check of the content and the freezing after it are one child process
def _built_alone(source: Source) -> Build:
    return _built(source, [])


def _built(source: Source, samples: Sequence[object]) -> Build:
    answer = _ask({"source": asdict(source), "samples": samples})
    match answer:
        case {"frozen": dict(frozen), "names": dict(names)}:
            return Build(Frozen.from_json(frozen), names)
        case {"code": str(code), "params": dict(params)}:
            raise ContentError.of(code, **params)
    raise ContentError.of("too_heavy")


def _sample(sample: Mapping[str, object]) -> object:
    try:
        return values.to_json(values.clean_fields(sample))
    except RenderError as error:
        raise ContentError.of(error.code, **error.params) from None


def _ask(request: Mapping[str, object]) -> object:
    try:
        done = subprocess.run(
            [sys.executable, "-I", "-c", _START.format(memory=MEMORY_BYTES, root=_ROOT)],
            input=json.dumps(request).encode(),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd="/",
            env={},
            timeout=WALL_SECONDS,
            start_new_session=True,  # a Ctrl-C in the terminal is the supervisor's, not ours
            check=False,
        )
    except (subprocess.TimeoutExpired, BrokenPipeError):
        return None
    if done.returncode != 0:
        return None
    return json.loads(done.stdout)
