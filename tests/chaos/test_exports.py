"""An export whose worker dies: another makes the file anew, whole, or the row says in words why there is none."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from apps.accounts.models import User, Workspace
from apps.campaigns.models import Campaign, Delivery
from apps.smtp.models import Transport
from apps.tracking.models import ExportJob
from apps.tracking.services import exports
from core import jobs
from tests.campaigns import scene
from tests.workers import Group, wait_until

pytestmark = [pytest.mark.serial, pytest.mark.django_db(transaction=True)]
LETTERS = 20_000


@pytest.fixture
def group(transactional_db: None, prefix: str, tmp_path: Path, settings: Any) -> Iterator[Group]:
    made = Group(prefix, tmp_path / "one")
    settings.EXPORTS_DIR = tmp_path / "one" / settings.DATA_DIR.name / "exports"  # where its workers write
    yield made
    made.stop()
    connection.close()


@pytest.fixture
def job(
    group: Group, workspace: Workspace, transport: Transport, owner: User, monkeypatch: pytest.MonkeyPatch
) -> ExportJob:
    monkeypatch.setattr(jobs, "ring_now", lambda _task, _calls: 0)  # even the first ring is lost: the sweep finds it
    campaign: Campaign = scene.campaign_of(workspace, transport, state="paused")
    ok: dict[str, Any] = scene.OK
    scene.add(campaign, LETTERS, **ok)
    return exports.start(campaign, kind="people", file_format="csv", asked={}, by=owner)


def wait_for_rows(job: ExportJob) -> None:
    def is_in_the_middle() -> bool:
        job.refresh_from_db()
        return job.state == "running" and 0 < job.rows_done < LETTERS

    wait_until(is_in_the_middle, seconds=120, what="some rows of the file")


def test_kill_in_the_middle_of_an_export_gives_one_whole_file(job: ExportJob, group: Group) -> None:
    group.start()
    for _death in range(exports.ATTEMPTS - 1):
        wait_for_rows(job)
        assert list(exports.path_of(job).parent.glob("*.part"))
        group.kill_everything()
        ExportJob.objects.filter(pk=job.pk).update(rows_done=0)  # so that the next worker's own rows are waited for
        group.start()

    def ended() -> bool:
        job.refresh_from_db()
        return job.state in ("finished", "failed")

    wait_until(ended, seconds=180, what="the end of the export")

    assert (job.state, job.attempts, job.rows_done) == ("finished", exports.ATTEMPTS, LETTERS)
    with exports.path_of(job).open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.reader(file))
    said = [row[-1] for row in rows[1:]]
    assert len(said) == LETTERS
    assert set(said) == set(Delivery.objects.values_list("message_id", flat=True))
    wait_until(lambda: not list(exports.path_of(job).parent.glob("*.part")), what="the dead workers' files to go")


def test_an_export_that_kills_every_worker_ends_with_a_clear_word(job: ExportJob, group: Group) -> None:
    group.start()
    for _death in range(exports.ATTEMPTS):
        wait_for_rows(job)
        assert list(exports.path_of(job).parent.glob("*.part"))
        group.kill_everything()
        ExportJob.objects.filter(pk=job.pk).update(rows_done=0)
        group.start()

    def failed() -> bool:
        job.refresh_from_db()
        return job.state == "failed"

    wait_until(failed, seconds=120, what="the export to be given up")

    assert "died three times" in job.error
    assert not exports.path_of(job).exists()
    wait_until(lambda: not list(exports.path_of(job).parent.glob("*.part")), what="the dead workers' files to go")
