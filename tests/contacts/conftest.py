"""Keeps rings inside the test: nobody here needs a broker."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from core import jobs

Rung = list[tuple[str, list[Sequence[int | str]]]]


@pytest.fixture(autouse=True)
def rung(monkeypatch: pytest.MonkeyPatch) -> Rung:
    """Return what was rung, in order."""
    heard: Rung = []

    def listen(task: str, calls: Sequence[Sequence[int | str]]) -> int:
        heard.append((task, list(calls)))
        return len(calls)

    monkeypatch.setattr(jobs, "ring_now", listen)
    return heard
