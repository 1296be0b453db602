"""The doorbells of imports: their limits, and what a soft limit leaves behind."""

from __future__ import annotations

import io

import pytest
from billiard.exceptions import SoftTimeLimitExceeded
from django.conf import settings

from apps.accounts.models import Workspace
from apps.contacts import tasks
from apps.contacts.models import Contact, ContactList
from apps.contacts.services import import_rows, imports
from core.celery import app
from tests.contacts.conftest import Rung

pytestmark = pytest.mark.django_db


def test_carries_the_limits_of_a_chunk() -> None:
    registered = app.tasks[imports.RUN_TASK]

    assert (registered.time_limit, registered.soft_time_limit) == (
        settings.LIMITS.chunk.hard,
        settings.LIMITS.chunk.soft,
    )


def test_beat_sweeps_imports_by_a_name_that_exists() -> None:
    entry = app.conf.beat_schedule["sweep-imports"]

    assert entry["task"] in app.tasks
    assert entry["options"]["expires"] == entry["schedule"]


def test_a_soft_limit_gives_the_chunk_back_and_rings(
    workspace: Workspace,
    contact_list: ContactList,
    rung: Rung,
    monkeypatch: pytest.MonkeyPatch,
    django_capture_on_commit_callbacks: object,
) -> None:
    file = io.BytesIO(b"email\na@x.example\n")
    job = imports.upload(workspace, file, file_name="p.csv", contact_list=contact_list, by=None, consent="yes")
    imports.start(job)
    real = import_rows.write

    def interrupted(*args: object) -> dict[str, int]:
        real(*args)  # type: ignore[arg-type]
        raise SoftTimeLimitExceeded

    monkeypatch.setattr(import_rows, "write", interrupted)
    with django_capture_on_commit_callbacks(execute=True):  # type: ignore[operator]  # a fixture of pytest-django
        tasks.run_import(job.pk)
    assert not Contact.objects.exists()
    assert rung == [(imports.RUN_TASK, [(job.pk,)])]

    monkeypatch.setattr(import_rows, "write", real)
    tasks.run_import(job.pk)

    job.refresh_from_db()
    assert (job.state, Contact.objects.count()) == ("finished", 1)
