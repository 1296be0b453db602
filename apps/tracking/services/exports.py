"""Exports: asked for, made in the background at constant memory, kept for a day, fetched by those who may.

A worker holds a job by its token and says every few seconds that it lives. One that died is found by the sweep: the
file is begun anew, under another name, and the old one removed; so no row is ever in a file twice.
"""

from __future__ import annotations

import contextlib
import logging
import shutil
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import connection, transaction
from django.db.models import F, QuerySet
from django.db.models.functions import Now
from django.utils import timezone, translation
from django.utils.text import slugify
from django.utils.translation import gettext as _

from apps.accounts import audit
from apps.accounts.models import User
from apps.campaigns.finding import Wanted
from apps.campaigns.models import Campaign
from apps.tracking import export_tables
from apps.tracking.models import ExportJob
from core import clock, jobs, spreadsheets, worker
from core.errors import InvalidTransitionError

log = logging.getLogger(__name__)

RUN_TASK = "apps.tracking.tasks.run_export"
KEEP = timedelta(hours=24)
ATTEMPTS = 3
AT_ONCE = 20
State = ExportJob.State
OPEN = (State.WAITING, State.RUNNING)


class _StoppedError(Exception):
    """The job was cancelled, or another worker has it, or this one is asked to stop."""


def start(campaign: Campaign, *, kind: str, file_format: str, asked: Mapping[str, str], by: User) -> ExportJob:
    """Ask for a file and ring for a worker.

    Args:
        kind, file_format: of `ExportJob.Kind` and `ExportJob.Format`.
        asked: part, why and q, as `finding.Wanted` reads them.

    Raises:
        InvalidTransitionError: too many are being made for this workspace.
    """
    kind, file_format = ExportJob.Kind(kind), ExportJob.Format(file_format)
    wanted = Wanted.of(asked).kept if kind == ExportJob.Kind.PEOPLE else {}
    with transaction.atomic():
        if ExportJob.objects.filter(workspace=campaign.workspace_id, state__in=OPEN).count() >= AT_ONCE:
            raise InvalidTransitionError(_("Enough files are being made. Wait until some are ready, or cancel them."))
        job = ExportJob.objects.create(
            workspace=campaign.workspace,
            campaign=campaign,
            created_by=by,
            kind=kind,
            format=file_format,
            wanted=wanted,
            file_name=_file_name(campaign, kind, file_format),
        )
        # What was searched for may be an address, so only that something was.
        is_filtered = {name: value if name != "q" else True for name, value in wanted.items()}
        audit.note(
            "exported", workspace=campaign.workspace_id, by=by, target=campaign.name, kind=kind, **is_filtered,
            format=file_format,
        )  # fmt: skip
        jobs.ring(RUN_TASK, job.pk)
    return job


def cancel(job: ExportJob) -> None:
    """Stop a file that is being made, or delete one that is ready.

    Raises:
        InvalidTransitionError: it has gone already.
    """
    was_ready = ExportJob.objects.filter(pk=job.pk, state=State.FINISHED).update(
        state=State.EXPIRED, moved_at=Now(), token=F("token") + 1
    )
    if was_ready:
        path_of(job).unlink(missing_ok=True)
        return
    moved = ExportJob.objects.filter(pk=job.pk, state__in=OPEN).update(
        state=State.CANCELLED, token=F("token") + 1, moved_at=Now(), finished_at=Now()
    )
    if not moved:
        raise InvalidTransitionError(_("This file is gone already."))


def run(job_id: int) -> None:
    """Make one file from beginning to end; a rival, or a second ring, finds nothing to do."""
    job = _claim(job_id)
    if job is None:
        return
    workshop = _workshop(job)
    try:
        workshop.mkdir(parents=True, mode=0o700)
        with _alive(job), translation.override(job.workspace.language), timezone.override(_zone(job)):
            made = _make(job, workshop)
        _finish(job, made)
    except _StoppedError:
        log.info("Export %d was stopped.", job.pk)
    except OSError as error:
        log.warning("Export %d could not be written: %s", job.pk, type(error).__name__)
        _fail(job, _("The file could not be written: is there room on the disk? Try again."))
    finally:
        shutil.rmtree(workshop, ignore_errors=True)


def took_too_long(job_id: int) -> None:
    """Give up a file that could not be made within the time limit; the connection is of no more use."""
    connection.close()
    moved = ExportJob.objects.filter(pk=job_id, state=State.RUNNING).update(
        state=State.FAILED, token=F("token") + 1, moved_at=Now(), finished_at=Now(),
        error=_("It took too long. Choose a part of the people, or CSV, which is quicker."),
    )  # fmt: skip
    if moved:
        log.warning("Export %d took too long.", job_id)


def sweep() -> int:
    """Ring what nobody took, take dead workers' files back, delete what has had its day; return how many were rung."""
    patience = timedelta(seconds=settings.LIMITS.export_patience)
    silent = ExportJob.objects.filter(moved_at__lt=Now() - patience)
    silent.filter(state=State.RUNNING, attempts__gte=ATTEMPTS).update(
        state=State.FAILED, token=F("token") + 1, moved_at=Now(), finished_at=Now(),
        error=_("The worker that made this file died three times. Nothing else was harmed; try a part of the people."),
    )  # fmt: skip
    silent.filter(state=State.RUNNING).update(state=State.WAITING, token=F("token") + 1, rows_done=0)
    waiting = list(silent.filter(state=State.WAITING).order_by("pk").values_list("pk", flat=True)[:100])
    ExportJob.objects.filter(pk__in=waiting).update(moved_at=Now())
    jobs.ring_each(RUN_TASK, [(pk,) for pk in waiting])
    for job in ExportJob.objects.filter(state=State.FINISHED, expires_at__lt=Now())[:100]:
        if ExportJob.objects.filter(pk=job.pk, state=State.FINISHED).update(state=State.EXPIRED, moved_at=Now()):
            path_of(job).unlink(missing_ok=True)
    _tidy()
    return len(waiting)


def path_of(job: ExportJob) -> Path:
    """Return where a finished file lies; its name holds nothing that anybody typed."""
    return settings.EXPORTS_DIR / f"{job.uuid}.{job.format}"


def _claim(job_id: int) -> ExportJob | None:
    """Take a waiting job in one statement."""
    taken = ExportJob.objects.filter(pk=job_id, state=State.WAITING).update(
        state=State.RUNNING, token=F("token") + 1, attempts=F("attempts") + 1, rows_done=0, moved_at=Now()
    )
    if not taken:
        return None
    return ExportJob.objects.select_related("workspace", "campaign__transport", "campaign__workspace").get(pk=job_id)


def _make(job: ExportJob, workshop: Path) -> Path:
    path = workshop / f"file.{job.format}"
    tables = spreadsheets.FORMATS[job.format](path)
    try:
        _fill(job, tables)
    except BaseException:  # whatever it is goes on; an open file must not
        tables.abandon()
        raise
    tables.close()
    return path


def _fill(job: ExportJob, tables: spreadsheets.Tables) -> None:
    if job.kind == ExportJob.Kind.REPORT:
        export_tables.report(tables, job.campaign)
        return
    wanted = Wanted.of(job.wanted)
    _ours(job).update(rows_total=export_tables.how_many(job.campaign, wanted))
    for done in export_tables.people(tables, job.campaign, wanted):
        _say(job, done)


def _say(job: ExportJob, done: int) -> None:
    """Note how far it is; stop where the job is somebody else's, cancelled, or this worker is asked to end."""
    if worker.is_draining():
        _ours(job).update(state=State.WAITING, token=F("token") + 1, moved_at=Now(), attempts=F("attempts") - 1)
        jobs.ring(RUN_TASK, job.pk)
        raise _StoppedError
    if not _ours(job).update(rows_done=done, moved_at=Now()):
        raise _StoppedError


def _finish(job: ExportJob, made: Path) -> None:
    made.chmod(0o600)
    size = made.stat().st_size
    with transaction.atomic():
        # The row is ours until this commits, so nobody else puts a file in its place.
        ended = _ours(job).update(
            state=State.FINISHED, size_bytes=size, finished_at=Now(), moved_at=Now(), expires_at=Now() + KEEP
        )
        if not ended:
            raise _StoppedError
        made.replace(path_of(job))


def _fail(job: ExportJob, sentence: str) -> None:
    _ours(job).update(state=State.FAILED, error=sentence, finished_at=Now(), moved_at=Now())


def _ours(job: ExportJob) -> QuerySet[ExportJob]:
    return ExportJob.objects.filter(pk=job.pk, token=job.token, state=State.RUNNING)


def _workshop(job: ExportJob) -> Path:
    return settings.EXPORTS_DIR / f"{job.uuid}.{job.token}.part"


def _tidy() -> None:
    """Remove what dead workers left: workshops nobody works in, and files that no row knows."""
    folder: Path = settings.EXPORTS_DIR
    if not folder.is_dir():
        return
    working = ExportJob.objects.filter(state=State.RUNNING).select_related(None)
    known = {_workshop(job).name for job in working} | {
        path_of(job).name for job in ExportJob.objects.filter(state=State.FINISHED)
    }
    old = clock.now().timestamp() - settings.LIMITS.export_patience
    for path in folder.iterdir():
        with contextlib.suppress(FileNotFoundError):
            if path.name not in known and path.stat().st_mtime < old:
                shutil.rmtree(path) if path.is_dir() else path.unlink()


@contextmanager
def _alive(job: ExportJob) -> Iterator[None]:
    """Say every few seconds that this worker still makes the file, also while it puts a large one together."""
    ended = threading.Event()

    def say_so() -> None:
        try:
            while not ended.wait(settings.LIMITS.export_beat):
                _ours(job).update(moved_at=Now())
        finally:
            connection.close()

    beat = threading.Thread(target=say_so, name="export-beat", daemon=True)
    beat.start()
    try:
        yield
    finally:
        ended.set()
        beat.join(timeout=5)


def _zone(job: ExportJob) -> ZoneInfo:
    return ZoneInfo(job.workspace.time_zone)


def _file_name(campaign: Campaign, kind: str, file_format: str) -> str:
    name = slugify(campaign.name, allow_unicode=True)[:80] or "campaign"
    return f"{name}-{kind}-{clock.now():%Y-%m-%d}.{file_format}"
