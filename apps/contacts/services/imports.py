"""Imports of contacts: upload, look, start; then chunk by chunk, each in one transaction that also moves the cursor.

Kill a worker anywhere: the next one goes on behind the last committed chunk, and every count stays exact.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import PurePath

from django.conf import settings
from django.db import transaction
from django.db.models.functions import Now
from django.utils import translation
from django.utils.translation import gettext as _

from apps.accounts import audit
from apps.accounts.models import User, Workspace
from apps.contacts.csv import charsets, columns, people
from apps.contacts.csv.reader import Record
from apps.contacts.models import ContactList, ImportChunk, ImportJob, ImportReject, ImportSeen
from apps.contacts.services import import_files, import_looks, import_mappings, import_rows, import_undo, lists
from apps.contacts.services.import_files import BinaryFile, ImportFileError
from core import jobs
from core.errors import EspError, InvalidTransitionError, NotFoundError

RUN_TASK = "apps.contacts.tasks.run_import"
CHUNK_ROWS = 2000
CHUNK_TEXT = 4 * 1024 * 1024  # a chunk of long rows ends earlier, so that memory stays flat
PREVIEW_ROWS = 50
KEEP_UPLOADS = timedelta(hours=24)
State = ImportJob.State
WAITING = (State.UPLOADED, State.CHECKED)
MOVING = (State.CHECKING, State.RUNNING, State.UNDOING)
STOPPABLE = (*WAITING, State.CHECKING, State.RUNNING)


class ImportMappingError(EspError):
    """The columns cannot be taken like this, or the note of consent is missing; `code` says which."""

    code = "import_mapping"


@dataclass(frozen=True, slots=True)
class Preview:
    """What a file looks like with the job's present reading."""

    columns: list[columns.Column]
    rows: list[list[str]]
    mapping: dict[int, str]
    is_recalled: bool = False


def upload(
    workspace: Workspace,
    file_obj: BinaryFile,
    *,
    file_name: str,
    contact_list: ContactList | None,
    by: User | None,
    consent: str = "",
) -> ImportJob:
    """Keep a file, find out how to read it, and return its job; nothing is imported yet.

    Raises:
        ImportFileError: too large, too long, empty, or not CSV; nothing is kept.
        NotFoundError: the list belongs to another workspace.
    """
    _same_workspace(workspace, contact_list)
    with transaction.atomic():
        job = ImportJob.objects.create(
            workspace=workspace,
            contact_list=contact_list,
            created_by=by,
            file_name=PurePath(file_name.replace("\\", "/")).name[:255] or "contacts.csv",
            size_bytes=0,
            delimiter=",",
            consent=consent.strip()[:300],
        )
        stored = import_files.store(job, file_obj)
        job.file_sha256, job.size_bytes, job.encoding = stored.sha256, stored.size_bytes, stored.encoding
        _look(job)
    return job


def read_as(job: ImportJob, *, encoding: str, delimiter: str, has_header: bool) -> ImportJob:
    """Read a file that was not started in another way than we guessed.

    Raises:
        InvalidTransitionError: the import was started.
        ImportFileError: there is no such character set or delimiter.
    """
    known = encoding in charsets.CHOICES or encoding == job.encoding
    is_utf16 = job.encoding.startswith("utf-16")
    if not known or delimiter not in columns.DELIMITERS or (is_utf16 != encoding.startswith("utf-16")):
        raise ImportFileError(_("This file cannot be read like that."), code="not_csv")
    with transaction.atomic():
        job = _locked(job, State.UPLOADED)
        if not (encoding == "utf-8" and job.encoding == "utf-8-sig"):
            job.encoding = encoding
        _look(job, delimiter=delimiter, has_header=has_header)
    return job


def preview(job: ImportJob, *, rows: int = 5) -> Preview:
    """Return the columns, the first rows below the head, and the mapping: the chosen one, else the suggested one."""
    described = [columns.Column(**column) for column in job.columns]
    first = import_files.records_from(job, position=import_files.beginning(job), line=0)
    body = itertools.islice((one.cells for one in first), int(job.has_header), rows + int(job.has_header))
    suggested = {number: column.suggested for number, column in enumerate(described) if column.suggested}
    recalled = import_mappings.recall(job)
    chosen = _mapping_of(job) or recalled or suggested
    return Preview(described, list(body), chosen, is_recalled=bool(recalled) and chosen == recalled)


def check(
    job: ImportJob,
    *,
    mapping: Mapping[int, str],
    contact_list: ContactList | None = None,
    new_list: str = "",
    consent: str,
) -> ImportJob:
    """Begin a dry run, which counts what the import would change and changes nobody.

    Args:
        job: an uploaded one.
        mapping: as for `start`.
        contact_list: where the people would go; or
        new_list: the name of a list that the start will make.
        consent: how they agreed to get email.

    Raises:
        as `start`.
    """
    _same_workspace(job.workspace, contact_list)
    with transaction.atomic():
        job = _locked(job, State.UPLOADED)
        job.contact_list, job.new_list = (None, new_list) if new_list else (contact_list, "")
        job.consent = consent.strip()[:300]
        _begin(job, mapping, State.CHECKING)
    job.refresh_from_db()
    return job


def rethink(job: ImportJob) -> None:
    """Go back from a dry run to the columns.

    Raises:
        InvalidTransitionError: there is no dry run to go back from.
    """
    with transaction.atomic():
        job = _locked(job, State.CHECKED)
        job.state, job.moved_at = State.UPLOADED, Now()
        job.counts, job.examples = {}, {}
        job.save(update_fields=["state", "moved_at", "counts", "examples"])
        _forget_rows(job)


def start(
    job: ImportJob,
    *,
    mapping: Mapping[int, str] | None = None,
    contact_list: ContactList | None = None,
    consent: str = "",
    by: User | None = None,
) -> ImportJob:
    """Begin the import and ring for a worker.

    Args:
        job: an uploaded one, or one whose dry run is done.
        mapping: column number → email, first_name, last_name, name, attr:KEY, or "" to leave it out; None takes
            the suggested one.
        contact_list: where the people go; None takes the one given with the upload or the dry run.
        consent: how they agreed to get email; empty takes the one given before.
        by: who declares that; None takes whoever uploaded the file.

    Raises:
        ImportMappingError: the mapping, the list or the note of consent is missing or makes no sense.
        InvalidTransitionError: it was started or cancelled before.
        ListNameError: the new list's name was taken meanwhile.
        NotFoundError: the list belongs to another workspace.
    """
    _same_workspace(job.workspace, contact_list)
    with transaction.atomic():
        job = _locked(job, State.UPLOADED, State.CHECKED)
        chosen = mapping if mapping is not None else preview(job, rows=0).mapping
        job.contact_list = contact_list or job.contact_list
        if job.contact_list is None and job.new_list:
            job.contact_list, job.new_list = lists.create(job.workspace, name=job.new_list), ""
        job.consent = consent.strip()[:300] or job.consent
        job.started_at, job.started_by = Now(), by or job.created_by
        _begin(job, chosen, State.RUNNING)
        audit.note("import_started", workspace=job.workspace_id, target=job.file_name, sha256=job.file_sha256)
    job.refresh_from_db()
    return job


def cancel(job: ImportJob) -> None:
    """Stop an import after the chunk in hand; people it brought stay.

    Raises:
        InvalidTransitionError: it has ended.
    """
    with transaction.atomic():
        moved = ImportJob.objects.filter(pk=job.pk, state__in=STOPPABLE).update(
            state=State.CANCELLED, finished_at=Now(), moved_at=Now()
        )
        if not moved:
            raise InvalidTransitionError(_("This import has ended already."))
        _forget_file(job)


def run(job_id: int) -> None:
    """Work on an import for one turn, and ring for the next one; other work on the queue gets through in between."""
    ends = time.monotonic() + settings.LIMITS.import_turn
    while run_chunk(job_id):
        if time.monotonic() >= ends:
            jobs.ring(RUN_TASK, job_id)
            return


def run_to_end(job: ImportJob) -> ImportJob:
    """Run a started import in the foreground and return it as it ended."""
    while run_chunk(job.pk):
        pass
    job.refresh_from_db()
    return job


def run_chunk(job_id: int, *, rows: int = CHUNK_ROWS) -> bool:
    """Import, look at or take back the next rows in one transaction; return whether there is more to do.

    A rival that works on the same import makes this return False at once.
    """
    with transaction.atomic():
        # Not against references: one that is taken back hands people on to one that runs, and would wait for it.
        found = ImportJob.objects.select_for_update(skip_locked=True, of=("self",), no_key=True).select_related(
            "workspace", "contact_list", "started_by", "created_by"
        )
        job = found.filter(pk=job_id, state__in=MOVING).first()
        if job is None:
            return False
        with translation.override(job.workspace.language):
            return import_undo.take_back_next(job, rows) if job.state == State.UNDOING else _take_next(job, rows)


def sweep() -> int:
    """Ring for running imports that stand still, and drop uploads nobody started; return how many were rung."""
    patience = timedelta(seconds=settings.LIMITS.import_patience)
    still = ImportJob.objects.filter(state__in=MOVING, moved_at__lt=Now() - patience)
    waiting = list(still.order_by("pk").values_list("pk", flat=True)[:100])
    jobs.ring_each(RUN_TASK, [(pk,) for pk in waiting])
    forgotten = ImportJob.objects.filter(state__in=WAITING, created_at__lt=Now() - KEEP_UPLOADS)
    for job in forgotten.order_by("pk")[:100]:
        with transaction.atomic():
            if forgotten.filter(pk=job.pk).update(state=State.CANCELLED, finished_at=Now()):
                _forget_file(job)
    return len(waiting)


def _begin(job: ImportJob, mapping: Mapping[int, str], state: ImportJob.State) -> None:
    chosen = dict(mapping)
    _check(job, chosen)
    job.mapping = {str(number): target for number, target in sorted(chosen.items()) if target}
    job.state, job.moved_at = state, Now()
    job.position = job.line = job.rows_done = job.rows_total = 0
    job.counts, job.examples = dict.fromkeys(import_rows.COUNTS, 0), {}
    job.save()
    _forget_rows(job)
    import_mappings.remember(job)
    jobs.ring(RUN_TASK, job.pk)


def _take_next(job: ImportJob, limit: int) -> bool:
    is_dry = job.state == State.CHECKING
    if job.contact_list_id is None and not (is_dry and job.new_list):
        _end(job, State.FAILED, error=_("The list was deleted while the import ran."))
        return False
    records = list(_next_records(job, limit))
    mapping, width = _mapping_of(job), len(job.columns)
    rows = [people.from_record(record, mapping, width) for record in records]
    if is_dry:
        counts, examples = import_looks.look(job, rows)
        job.examples = import_looks.merged(job.examples, examples)
    else:
        counts = import_rows.write(job, rows)
    job.counts = {name: job.counts.get(name, 0) + counts[name] for name in import_rows.COUNTS}
    job.rows_done = job.counts["rows"]
    if records:
        job.position, job.line = records[-1].end, records[-1].end_line
        job.moved_at = Now()
        job.save(update_fields=["counts", "examples", "rows_done", "position", "line", "moved_at"])
        return True
    if is_dry:
        _end_look(job)
    else:
        _end(job, State.FINISHED)
    return False


def _next_records(job: ImportJob, limit: int) -> Iterator[Record]:
    records = import_files.records_from(job, position=max(job.position, import_files.beginning(job)), line=job.line)
    if job.has_header and job.line == 0:
        next(records, None)
    size = 0
    for record in itertools.islice(records, limit):
        yield record
        size += sum(map(len, record.cells))
        if size > CHUNK_TEXT:
            return


def _end(job: ImportJob, state: ImportJob.State, *, error: str = "") -> None:
    job.state, job.error, job.finished_at, job.moved_at = state, error, Now(), Now()
    job.rows_total = job.rows_done
    if state == State.FINISHED:
        job.position = job.size_bytes
    job.save(
        update_fields=["state", "error", "finished_at", "moved_at", "rows_total", "position", "counts", "rows_done"]
    )
    _forget_file(job)


def _end_look(job: ImportJob) -> None:
    job.state, job.moved_at, job.rows_total = State.CHECKED, Now(), job.rows_done
    job.position = job.line = 0
    job.save(update_fields=["state", "moved_at", "rows_total", "position", "line", "counts", "examples", "rows_done"])
    ImportSeen.objects.filter(job=job).delete()


def _forget_rows(job: ImportJob) -> None:
    ImportSeen.objects.filter(job=job).delete()
    ImportReject.objects.filter(job=job).delete()


def _forget_file(job: ImportJob) -> None:
    """Drop the file and the index of its addresses: they are personal data that nobody needs any more."""
    without_samples = [{**column, "sample": ""} for column in job.columns]
    ImportJob.objects.filter(pk=job.pk).update(columns=without_samples, examples={})
    ImportChunk.objects.filter(job=job).delete()
    ImportSeen.objects.filter(job=job).delete()


def _look(job: ImportJob, *, delimiter: str = "", has_header: bool | None = None) -> None:
    job.delimiter = delimiter or columns.sniff_delimiter(
        import_files.sample(job), encoding=import_files.stored_encoding(job.encoding)
    )
    records = import_files.records_from(job, position=import_files.beginning(job), line=0)
    first = [record.cells for record in itertools.islice(records, PREVIEW_ROWS)]
    if not first:
        raise ImportFileError(_("The file is empty."), code="empty_file")
    job.has_header = columns.has_header(first[0]) if has_header is None else has_header
    job.columns = [asdict(column) for column in columns.describe(first, header=job.has_header)]
    job.save()


def _locked(job: ImportJob, *states: ImportJob.State) -> ImportJob:
    found = ImportJob.objects.select_for_update(of=("self",)).select_related("workspace").get(pk=job.pk)
    if found.state not in states:
        raise InvalidTransitionError(_("This import was started or cancelled already."))
    return found


def _check(job: ImportJob, mapping: Mapping[int, str]) -> None:
    sentences = {
        "unknown_column": _("The file has no such column."),
        "unknown_target": _("A column cannot become that."),
        "no_email_column": _("Say which column holds the addresses."),
        "target_twice": _("Two columns become the same. Leave one of them out."),
    }
    if code := columns.problem_with(mapping, len(job.columns)):
        raise ImportMappingError(sentences[code], code=code)
    if job.contact_list_id is None and not job.new_list:
        raise ImportMappingError(_("Choose the list that the people are added to."), code="no_list")
    if not job.consent:
        raise ImportMappingError(_("Say how these people agreed to get email."), code="no_consent")


def _mapping_of(job: ImportJob) -> dict[int, str]:
    return {int(number): str(target) for number, target in job.mapping.items()}


def _same_workspace(workspace: Workspace, contact_list: ContactList | None) -> None:
    if contact_list is not None and contact_list.workspace_id != workspace.pk:
        raise NotFoundError(_("There is no such list in this workspace."))
