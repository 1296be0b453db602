"""Files of a campaign: asked for, made in the background, fetched, gone; whatever dies meanwhile."""

from __future__ import annotations

import csv
import shutil
import zipfile
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from celery.exceptions import SoftTimeLimitExceeded
from django.conf import settings
from django.db.models.functions import Now
from django.test import Client

from apps.accounts.models import AuditEntry, User
from apps.campaigns.models import Campaign, Delivery
from apps.tracking import export_tables, tasks
from apps.tracking.models import Event, ExportJob
from apps.tracking.services import exports
from core import spreadsheets, worker
from core.errors import InvalidTransitionError

State = ExportJob.State
MakeDelivery = Callable[..., Delivery]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, settings: Any) -> Path:
    settings.EXPORTS_DIR = tmp_path / "exports"
    return tmp_path / "exports"


@pytest.fixture(autouse=True)
def rung(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    found: list[int] = []
    monkeypatch.setattr(exports.jobs, "ring", lambda _task, pk: found.append(pk))
    monkeypatch.setattr(exports.jobs, "ring_each", lambda _task, calls: found.extend(pk for (pk,) in calls))
    return found


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export_tables, "PAGE", 2)


def ask(campaign: Campaign, by: User, kind: str = "people", file_format: str = "csv", **asked: str) -> ExportJob:
    return exports.start(campaign, kind=kind, file_format=file_format, asked=asked, by=by)


def rows(job: ExportJob) -> list[dict[str, str]]:
    with exports.path_of(job).open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def again(job: ExportJob) -> ExportJob:
    job.refresh_from_db()
    return job


def test_everyone_is_in_the_file_once_with_what_came_back(
    campaign: Campaign, owner: User, make_delivery: MakeDelivery, small_pages: None, rung: list[int], folder: Path
) -> None:
    letters = [make_delivery(f"p{n}@orchard.example", attempts=1) for n in range(5)]
    Delivery.objects.filter(pk=letters[1].pk).update(
        state="failed", failure="perm_recipient", reason="perm_recipient", last_code=550, last_enhanced="5.1.1",
        last_text="=cmd|' /C calc'!A0",
    )  # fmt: skip
    for kind, machine in (("open", False), ("click", True), ("unsubscribe", False)):
        Event.objects.create(
            workspace=campaign.workspace, delivery=letters[0], campaign=campaign, kind=kind, link=0, is_machine=machine
        )
    job = ask(campaign, owner)
    assert rung == [job.pk]

    exports.run(job.pk)

    assert (again(job).state, job.rows_total, job.rows_done, job.attempts) == (State.FINISHED, 5, 5, 1)
    found = rows(job)
    assert [row["Email"] for row in found] == [letter.email for letter in letters]
    assert [row["State"] for row in found] == ["sent", "failed", "sent", "sent", "sent"]
    first, second, *_rest = found
    assert first["First opened by a person"] and first["Unsubscribed by this email"]
    assert (first["First click by a person"], first["Clicked by a machine"]) == ("", "yes")
    assert (second["Reason"], second["Server said"]) == ("no such mailbox", "550 5.1.1 =cmd|' /C calc'!A0")
    assert second["Email"] == "p1@orchard.example"
    assert [path.name for path in folder.iterdir()] == [f"{job.uuid}.csv"]
    assert exports.path_of(job).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("payload", ["=1+1", "+1", "-1", "@SUM(1)", "\t=1", "\r=1", "a;=1+1"])
@pytest.mark.parametrize("file_format", ["csv", "xlsx"])
def test_no_name_acts_as_a_formula(
    campaign: Campaign, owner: User, make_delivery: MakeDelivery, payload: str, file_format: str
) -> None:
    letter = make_delivery("p@orchard.example")
    assert letter.contact is not None
    letter.contact.first_name = payload
    letter.contact.save()
    job = ask(campaign, owner, file_format=file_format)

    exports.run(job.pk)

    if file_format == "csv":
        cell = rows(again(job))[0]["First name"]
        assert cell.lstrip().startswith(("'", "a;'"))
        assert spreadsheets.unguarded(cell) == payload
    else:
        with zipfile.ZipFile(exports.path_of(job)) as book:
            assert b"<f>" not in book.read("xl/worksheets/sheet1.xml")


def test_only_the_wanted_are_in_it(campaign: Campaign, owner: User, make_delivery: MakeDelivery) -> None:
    make_delivery("a@orchard.example")
    make_delivery("b@orchard.example", state="skipped", reason="unsubscribed")
    make_delivery("c@orchard.example", state="failed", reason="perm_recipient", failure="perm_recipient")

    for asked, wanted in (
        ({"part": "skipped"}, ["b"]),
        ({"why": "perm_recipient"}, ["c"]),
        ({"q": "A@ORCHARD"}, ["a"]),
    ):
        job = ask(campaign, owner, **asked)
        exports.run(job.pk)
        assert [row["Email"][0] for row in rows(again(job))] == wanted


@pytest.mark.parametrize("file_format", ["csv", "xlsx"])
def test_the_report_holds_its_tables(
    campaign: Campaign, owner: User, make_delivery: MakeDelivery, file_format: str
) -> None:
    Campaign.objects.filter(pk=campaign.pk).update(audience_size=1, started_at=Now() - timedelta(hours=2))
    make_delivery("a@orchard.example", last_text="OK", last_code=250)
    job = ask(campaign, owner, kind="report", file_format=file_format, q="never kept")

    exports.run(job.pk)

    assert (again(job).state, job.wanted, job.error) == (State.FINISHED, {}, "")
    if file_format == "csv":
        text = exports.path_of(job).read_text(encoding="utf-8-sig")
        for words in ("sent,1,1", "audience,1,1", "Opened,0,0,1", "https://northlight.example/guide", "Timeline", "OK"):
            assert words in text
    else:
        with zipfile.ZipFile(exports.path_of(job)) as book:
            assert len([name for name in book.namelist() if name.startswith("xl/worksheets/sheet")]) == 6


def test_a_second_ring_changes_nothing(campaign: Campaign, owner: User, make_delivery: MakeDelivery) -> None:
    make_delivery()
    job = ask(campaign, owner)
    exports.run(job.pk)
    before = exports.path_of(job).stat().st_mtime_ns

    exports.run(job.pk)

    assert (again(job).attempts, exports.path_of(job).stat().st_mtime_ns) == (1, before)


def dying_in(job: ExportJob, page: int, monkeypatch: pytest.MonkeyPatch, how: Callable[[], None]) -> None:
    """Let something happen in the middle of a file."""
    real = exports._say

    def say(one: ExportJob, done: int) -> None:
        if done >= page:
            monkeypatch.setattr(exports, "_say", real)
            how()
        real(one, done)

    monkeypatch.setattr(exports, "_say", say)


class KilledError(BaseException):
    """What a test throws for a worker that is gone at once."""


def test_a_dead_workers_file_is_begun_anew_and_nothing_is_doubled(
    campaign: Campaign, owner: User, make_delivery: MakeDelivery, small_pages: None, folder: Path, rung: list[int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    for number in range(5):
        make_delivery(f"p{number}@orchard.example")
    job = ask(campaign, owner)

    def killed() -> None:
        # kill -9 tidies nothing up
        monkeypatch.setattr(shutil, "rmtree", lambda *_args, **_options: None)
        raise KilledError

    dying_in(job, 4, monkeypatch, killed)
    with pytest.raises(KilledError):
        exports.run(job.pk)
    monkeypatch.undo()
    assert again(job).state == State.RUNNING
    assert exports.sweep() == 0, "it may still live"

    settings.EXPORTS_DIR = folder
    monkeypatch.setattr(export_tables, "PAGE", 2)
    monkeypatch.setattr(exports.jobs, "ring_each", lambda _task, calls: rung.extend(pk for (pk,) in calls))
    ExportJob.objects.filter(pk=job.pk).update(moved_at=Now() - timedelta(minutes=5))
    assert exports.sweep() == 1
    assert rung[-1] == job.pk
    exports.run(job.pk)

    assert (again(job).state, job.attempts) == (State.FINISHED, 2)
    assert [row["Email"] for row in rows(job)] == [f"p{number}@orchard.example" for number in range(5)]


def test_a_worker_taken_for_dead_writes_nothing_any_more(
    campaign: Campaign, owner: User, make_delivery: MakeDelivery, small_pages: None, folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    for number in range(5):
        make_delivery(f"p{number}@orchard.example")
    job = ask(campaign, owner)

    def taken_over() -> None:
        ExportJob.objects.filter(pk=job.pk).update(moved_at=Now() - timedelta(minutes=5))
        exports.sweep()
        exports.run(job.pk)

    dying_in(job, 4, monkeypatch, taken_over)
    exports.run(job.pk)

    assert (again(job).state, job.attempts, job.rows_done) == (State.FINISHED, 2, 5)
    assert [path.name for path in folder.iterdir()] == [f"{job.uuid}.csv"]
    assert len(rows(job)) == 5


def test_a_file_that_kills_three_workers_is_given_up_with_a_sentence(campaign: Campaign, owner: User) -> None:
    job = ask(campaign, owner)
    ExportJob.objects.filter(pk=job.pk).update(state="running", attempts=3, moved_at=Now() - timedelta(minutes=5))

    assert exports.sweep() == 0

    assert again(job).state == State.FAILED
    assert "died three times" in job.error


def test_a_lost_ring_is_made_good(campaign: Campaign, owner: User, rung: list[int]) -> None:
    job = ask(campaign, owner)
    rung.clear()
    ExportJob.objects.update(moved_at=Now() - timedelta(minutes=5))

    assert [exports.sweep(), exports.sweep()] == [1, 0]
    assert rung == [job.pk]


def test_cancel_stops_it_at_the_next_page(
    campaign: Campaign, owner: User, make_delivery: MakeDelivery, small_pages: None, folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    for number in range(5):
        make_delivery(f"p{number}@orchard.example")
    job = ask(campaign, owner, file_format="xlsx")
    dying_in(job, 2, monkeypatch, lambda: exports.cancel(job))

    exports.run(job.pk)

    assert again(job).state == State.CANCELLED
    assert list(folder.iterdir()) == []
    with pytest.raises(InvalidTransitionError):
        exports.cancel(job)


def test_a_worker_that_is_asked_to_stop_gives_it_back(
    campaign: Campaign, owner: User, make_delivery: MakeDelivery, small_pages: None, rung: list[int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    make_delivery()
    job = ask(campaign, owner)
    monkeypatch.setattr(worker, "is_draining", lambda: True)
    exports.run(job.pk)
    assert (again(job).state, job.attempts, rung) == (State.WAITING, 0, [job.pk, job.pk])

    monkeypatch.setattr(worker, "is_draining", lambda: False)
    exports.run(job.pk)
    assert again(job).state == State.FINISHED


def test_a_full_disk_and_a_long_wait_end_with_a_sentence(
    campaign: Campaign, owner: User, make_delivery: MakeDelivery, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_delivery()
    full, long = ask(campaign, owner), ask(campaign, owner)

    def no_room(*_args: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(exports, "_say", no_room)
        exports.run(full.pk)
    assert (again(full).state, "room on the disk" in full.error) == (State.FAILED, True)

    def limit(_job_id: int) -> None:
        ExportJob.objects.filter(pk=long.pk).update(state="running")
        raise SoftTimeLimitExceeded

    monkeypatch.setattr(exports, "run", limit)
    monkeypatch.setattr(exports.connection, "close", lambda: None)
    tasks.run_export(long.pk)
    assert (again(long).state, "too long" in long.error) == (State.FAILED, True)


def test_files_go_after_a_day_and_what_nobody_knows_too(
    campaign: Campaign, owner: User, make_delivery: MakeDelivery, folder: Path
) -> None:
    import os

    make_delivery()
    job = ask(campaign, owner)
    exports.run(job.pk)
    (folder / "left.1.part").mkdir()
    (folder / "left.csv").touch()
    for name in ("left.1.part", "left.csv"):
        os.utime(folder / name, (0, 0))
    exports.sweep()
    assert [path.name for path in folder.iterdir()] == [f"{job.uuid}.csv"]

    ExportJob.objects.update(expires_at=Now() - timedelta(seconds=1))
    exports.sweep()
    assert (again(job).state, list(folder.iterdir())) == (State.EXPIRED, [])


@pytest.fixture
def viewer_client(colleague: User) -> Iterator[Client]:
    client = Client()
    client.force_login(colleague)
    yield client


def test_from_the_page_to_the_file(
    campaign: Campaign, owner_client: Client, owner: User, make_delivery: MakeDelivery, viewer_client: Client,
    stranger_client: Client,
) -> None:  # fmt: skip
    make_delivery(last_text="<script>alert(1)</script>")
    Campaign.objects.update(name="<script>alert(2)</script>")
    asked = owner_client.post(
        f"/w/northlight/campaigns/{campaign.uuid}/exports/", {"kind": "people", "format": "csv", "part": "sent"}
    )
    assert asked.headers["Location"] == "/w/northlight/exports/"
    job = ExportJob.objects.get()
    waiting = owner_client.get("/w/northlight/exports/").content.decode()
    assert "Waiting for a worker" in waiting and "data-live=" in waiting and "a part of the people" in waiting
    assert "<script>alert" not in waiting

    exports.run(job.pk)
    ready = owner_client.get("/w/northlight/exports/", headers={"HX-Request": "true"}).content.decode()
    assert ready.startswith('<div class="panel" id="exports">') and "Download" in ready

    address = f"/w/northlight/exports/{job.uuid}/"
    reply = owner_client.get(address)
    data = b"".join(reply.streaming_content)  # type: ignore[attr-defined]
    assert data.startswith(b"\xef\xbb\xbfEmail,")
    assert reply.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert reply.headers["Content-Disposition"].startswith("attachment; ")
    assert reply.headers["X-Content-Type-Options"] == "nosniff"
    assert viewer_client.get(address).status_code == 403
    assert stranger_client.get(address).status_code == 404
    entry = AuditEntry.objects.get(action="exported")
    assert (entry.actor_id, entry.detail) == (owner.pk, {"kind": "people", "format": "csv", "part": "sent"})

    owner_client.post(f"{address}cancel/")
    assert again(job).state == State.EXPIRED and not exports.path_of(job).exists()
    assert owner_client.get(address).status_code == 302


def test_what_was_searched_for_is_not_in_the_audit_log(campaign: Campaign, owner: User) -> None:
    ask(campaign, owner, q="mara@orchard.example")

    assert AuditEntry.objects.get(action="exported").detail["q"] is True


def test_nonsense_is_refused_and_so_is_too_much(campaign: Campaign, owner: User, owner_client: Client) -> None:
    address = f"/w/northlight/campaigns/{campaign.uuid}/exports/"
    owner_client.post(address, {"kind": "secrets", "format": "exe"})
    assert ExportJob.objects.count() == 0

    for _one in range(exports.AT_ONCE):
        ask(campaign, owner)
    assert owner_client.post(address, {"kind": "people", "format": "csv"}).status_code == 409
    assert ExportJob.objects.count() == exports.AT_ONCE
