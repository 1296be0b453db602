"""An import whose worker dies: the next worker goes on behind the last chunk, and every row counts once."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.db import connection

from apps.accounts.models import Workspace
from apps.contacts.models import Contact, ContactList, ImportJob, Subscription
from apps.contacts.services import imports
from core import jobs
from tests.workers import Group, wait_until

pytestmark = [pytest.mark.serial, pytest.mark.django_db(transaction=True)]
ROWS = 20_000


@pytest.fixture
def group(transactional_db: None, prefix: str, tmp_path: Path) -> Iterator[Group]:
    made = Group(prefix, tmp_path / "one")
    yield made
    made.stop()
    connection.close()


@pytest.fixture
def job(workspace: Workspace, contact_list: ContactList) -> ImportJob:
    rows = "".join(f"p{n}@x.example;Person {n}\n" if n % 100 else f"p{n}@;Bad {n}\n" for n in range(ROWS))
    file = io.BytesIO(("email;name\n" + rows).encode())
    return imports.upload(workspace, file, file_name="p.csv", contact_list=contact_list, by=None, consent="yes")


def test_kill_in_the_middle_of_an_import_costs_nothing(
    job: ImportJob, group: Group, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "ring_now", lambda task, calls: 0)  # even the first ring is lost: beat's sweep finds it

    def done() -> int:
        job.refresh_from_db()
        return job.rows_done

    imports.start(job)
    group.start("default", "beat")
    for share in (1, 2):
        wait_until(lambda share=share: done() >= ROWS * share // 4, what="some rows")  # type: ignore[misc]
        group.kill_everything()
        assert job.state == "running"
        group.start("default", "beat")

    wait_until(lambda: done() == ROWS and job.state == "finished", seconds=120, what="the end of the import")

    good, bad = ROWS - ROWS // 100, ROWS // 100
    assert (job.counts["rows"], job.counts["new"], job.counts["rejected"]) == (ROWS, good, bad)
    assert (job.counts["updated"], job.counts["unchanged"], job.counts["duplicates_in_file"]) == (0, 0, 0)
    assert Contact.objects.count() == Subscription.objects.filter(state="confirmed").count() == good
    assert job.rejects.count() == bad
    assert list(job.rejects.order_by("line").values_list("line", flat=True)[:3]) == [2, 102, 202]
