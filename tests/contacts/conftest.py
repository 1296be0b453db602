"""Keeps rings inside the test: nobody here needs a broker; and brings files."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from apps.accounts.models import User, Workspace
from apps.contacts.models import ContactList, ImportJob
from apps.contacts.services import imports
from core import jobs

Upload = Callable[..., ImportJob]
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


@pytest.fixture
def upload(workspace: Workspace, contact_list: ContactList, owner: User) -> Upload:
    def make(text: str | bytes, *, encoding: str = "utf-8", **options: Any) -> ImportJob:
        data = text if isinstance(text, bytes) else text.encode(encoding)
        given = {"file_name": "people.csv", "contact_list": contact_list, "by": owner, "consent": "Signed at our stand"}
        return imports.upload(workspace, io.BytesIO(data), **{**given, **options})

    return make


@pytest.fixture
def bring(upload: Upload) -> Upload:
    def run(text: str | bytes, *, mapping: dict[int, str] | None = None, **options: Any) -> ImportJob:
        return imports.run_to_end(imports.start(upload(text, **options), mapping=mapping))

    return run
