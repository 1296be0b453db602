"""Takes an import back: the people only it brought go, and so do its subscriptions; whoever got a letter stays.

A person whom another import named too belongs to that one from then on, so undoing the last of them removes them.
"""

from __future__ import annotations

from django.db import connection, transaction
from django.db.models import F, Max, Q
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from apps.accounts import audit
from apps.contacts.models import ConsentEvent, Contact, ContactNote, ImportJob
from apps.contacts.services import consent, erasure
from apps.contacts.services.import_rows import UNDO_WITHIN
from core import jobs
from core.errors import InvalidTransitionError

RUN_TASK = "apps.contacts.tasks.run_import"
State = ImportJob.State
ENDED = (State.FINISHED, State.CANCELLED)
TAKEN_BACK = (State.UNDOING, State.UNDONE)
_LOCK = 0x56534955  # advisory lock, one for each workspace

# Whoever has left the list since keeps that wish, and whoever came back by themselves, or was put on it by another
# import that still stands, their place. Only what happened since they were put on the list counts.
_TAKE_BACK = f"""
WITH touched AS (
  SELECT contact_id, contact_list_id, list_name, id AS joined,
         coalesce((SELECT max(first.id) FROM contacts_consentevent first
                    WHERE first.contact_id = mine.contact_id AND first.contact_list_id = mine.contact_list_id
                      AND first.id <= mine.id AND first.before = ''), mine.id) AS began
    FROM contacts_consentevent mine WHERE import_job_id = %(job)s AND kind = 'joined'),
changed AS (
  DELETE FROM contacts_subscription s USING touched t
   WHERE s.contact_id = t.contact_id AND s.contact_list_id = t.contact_list_id AND s.state = 'confirmed'
     AND NOT EXISTS (SELECT 1 FROM contacts_consentevent other
                       LEFT JOIN contacts_importjob job ON job.id = other.import_job_id
                      WHERE other.contact_id = s.contact_id AND other.contact_list_id = s.contact_list_id
                        AND other.id >= t.began AND other.id <> t.joined
                        AND NOT (other.kind = 'joined' AND coalesce(job.state, '') IN ('undoing', 'undone')))
  RETURNING s.contact_id, s.contact_list_id, t.list_name, s.state AS before)
INSERT INTO contacts_consentevent ({consent.COLUMNS})
SELECT %(workspace)s, contact_id, contact_list_id, list_name, 'undone', before, %(source)s, '', NULL, NULL,
       {consent.WHO} FROM changed
"""  # noqa: S608 - constants

# Of the people an import named, how many another import that still stands names too.
_SHARED = """
SELECT count(DISTINCT mine.contact_id) FROM contacts_consentevent mine
  JOIN contacts_contact person ON person.id = mine.contact_id
 WHERE mine.import_job_id = %(job)s AND mine.kind = 'joined'
   AND EXISTS (SELECT 1 FROM contacts_consentevent other JOIN contacts_importjob job ON job.id = other.import_job_id
                WHERE other.contact_id = mine.contact_id AND other.kind = 'joined' AND job.id <> %(job)s
                  AND job.state NOT IN ('undoing', 'undone'))
"""


def can_undo(job: ImportJob) -> bool:
    """Return whether an import has ended lately enough to be taken back, and brought anything."""
    return bool(
        job.state in ENDED
        and job.started_at
        and job.finished_at
        and ImportJob.objects.filter(pk=job.pk, finished_at__gt=Now() - UNDO_WITHIN).exists()
    )


def people_of(job: ImportJob) -> int:
    """Return how many people go at most when an import is taken back."""
    return Contact.objects.filter(import_job=job).count()


def begin(job: ImportJob) -> None:
    """Start to take an import back and ring for a worker.

    Raises:
        InvalidTransitionError: it runs, never ran, was taken back, or ended more than 30 days ago.
    """
    with transaction.atomic():
        _one_at_a_time(job)
        ended = ImportJob.objects.filter(
            pk=job.pk, state__in=ENDED, started_at__isnull=False, finished_at__gt=Now() - UNDO_WITHIN
        )
        if not ended.update(state=State.UNDOING, moved_at=Now()):
            raise InvalidTransitionError(_("This import cannot be undone any more."))
        audit.note("import_undone", workspace=job.workspace_id, target=job.file_name)
        jobs.ring(RUN_TASK, job.pk)


def take_back_next(job: ImportJob, limit: int) -> bool:
    """Remove the next people whom only this import brought; return whether there is more to do."""
    _one_at_a_time(job)
    # Locked, or an edit at the same moment would be deleted unseen.
    theirs = Contact.objects.filter(import_job=job).order_by("pk").select_for_update(of=("self",))
    brought = list(theirs.values_list("pk", flat=True)[:limit])
    if brought:
        touched, named = _touched_since(job, brought), _named_by_others(job, brought)
        gone = [pk for pk in brought if pk not in touched and pk not in named]
        erasure.delete_untouched(gone)
        Contact.objects.filter(pk__in=touched).update(import_job=None)
        _hand_on({pk: heir for pk, heir in named.items() if pk not in touched})
        job.counts["removed"] = job.counts.get("removed", 0) + len(gone)
        job.counts["stayed"] = job.counts.get("stayed", 0) + len(touched - named.keys())
        job.moved_at = Now()
        job.save(update_fields=["counts", "moved_at"])
        return True
    job.counts = {"removed": 0, "stayed": 0, **job.counts}
    job.counts["taken_off"] = _take_back_subscriptions(job)
    job.counts["shared"] = _shared(job)
    job.state, job.moved_at = State.UNDONE, Now()
    job.save(update_fields=["counts", "state", "moved_at"])
    return False


def _one_at_a_time(job: ImportJob) -> None:
    """Wait for the other imports of the workspace that are being taken back.

    Or one of them would hand people on to another that has just looked whom it owns for the last time.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [_LOCK, job.workspace_id])


def _touched_since(job: ImportJob, contact_ids: list[int]) -> set[int]:
    """Return those with whom something happened besides imports: a letter, a note, an edit, a change of consent."""
    edited = Contact.objects.filter(pk__in=contact_ids, updated_at__gt=F("created_at"))
    events = ConsentEvent.objects.filter(contact__in=contact_ids).exclude(import_job=job)
    by_imports = Q(kind=ConsentEvent.Kind.JOINED, import_job__in=ImportJob.objects.filter(workspace=job.workspace_id))
    taken_back = Q(kind=ConsentEvent.Kind.UNDONE, deed=None)  # by the undoing of an import; a bulk deed is named
    notes = ContactNote.objects.filter(contact__in=contact_ids)
    return (
        erasure.written_to(contact_ids)
        | set(edited.values_list("pk", flat=True))
        | set(events.exclude(by_imports).exclude(taken_back).values_list("contact_id", flat=True))
        | set(notes.values_list("contact_id", flat=True))
    )


def _named_by_others(job: ImportJob, contact_ids: list[int]) -> dict[int, int]:
    """Return those whom another import that still stands names too, each with the last such import."""
    standing = ImportJob.objects.filter(workspace=job.workspace_id).exclude(pk=job.pk).exclude(state__in=TAKEN_BACK)
    named = ConsentEvent.objects.filter(
        contact__in=contact_ids, kind=ConsentEvent.Kind.JOINED, import_job__in=standing
    ).order_by()
    return dict(named.values_list("contact_id").annotate(heir=Max("import_job_id")))


def _hand_on(heirs: dict[int, int]) -> None:
    """Let people belong to the imports that still stand for them."""
    for heir in sorted(set(heirs.values())):
        theirs = [pk for pk, one in heirs.items() if one == heir]
        Contact.objects.filter(pk__in=theirs).update(import_job=heir)


def _shared(job: ImportJob) -> int:
    with connection.cursor() as cursor:
        cursor.execute(_SHARED, {"job": job.pk})
        (number,) = cursor.fetchone()
    return int(number)


def _take_back_subscriptions(job: ImportJob) -> int:
    values = {
        "job": job.pk,
        "workspace": job.workspace_id,
        "source": _("The import %(file)s was undone") % {"file": job.file_name},
        **consent.who(),
    }
    with connection.cursor() as cursor:
        cursor.execute(_TAKE_BACK, values)
        return int(cursor.rowcount)
