"""Writes one chunk of an import: people, subscriptions, refusals and counts, in a few statements."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from django.db import connection

from apps.contacts.csv.people import Person, Reject, duplicate
from apps.contacts.models import ImportJob, ImportReject, Subscription
from apps.contacts.services import consent

# How long an ended import can be taken back.
UNDO_WITHIN = timedelta(days=30)
# How long another import's word for a person counts as lately: the window above opens when an import ends, not when it
# named the person.
_LATELY = UNDO_WITHIN + timedelta(days=2)
COUNTS = (
    "rows", "new", "updated", "unchanged", "rejected", "duplicates_in_file", "suppressed", "unsubscribed",
)  # fmt: skip

# Sorted by the unique key, so that two imports of one workspace lock people in the same order.
_PEOPLE = """
INSERT INTO contacts_contact AS kept
       (workspace_id, import_job_id, uuid, email, email_normalised, email_hash, first_name, last_name, attributes,
        created_at, updated_at)
SELECT %s, %s, gen_random_uuid(), email, normalised, hash, first_name, last_name, attributes::jsonb, now(), now()
  FROM unnest(%s::text[], %s::text[], %s::bytea[], %s::text[], %s::text[], %s::text[])
       AS row(email, normalised, hash, first_name, last_name, attributes)
 ORDER BY normalised COLLATE "C"
ON CONFLICT (workspace_id, email_normalised) DO UPDATE SET
    first_name = CASE WHEN excluded.first_name = '' THEN kept.first_name ELSE excluded.first_name END,
    last_name = CASE WHEN excluded.last_name = '' THEN kept.last_name ELSE excluded.last_name END,
    attributes = kept.attributes || excluded.attributes,
    updated_at = now()
 WHERE excluded.first_name NOT IN ('', kept.first_name) OR excluded.last_name NOT IN ('', kept.last_name)
    OR NOT kept.attributes @> excluded.attributes
RETURNING xmax = 0
"""
_SEEN = """
INSERT INTO contacts_importseen (job_id, email_hash, line)
SELECT %s, hash, line FROM unnest(%s::bytea[], %s::int[]) AS row(hash, line)
ON CONFLICT (job_id, email_hash) DO NOTHING
"""
_FIRST_LINES = "SELECT email_hash, line FROM contacts_importseen WHERE job_id = %s AND email_hash = ANY(%s::bytea[])"
# Whom another import put on the list lately is declared by this one too: undoing the other must not take them off.
_SUBSCRIBE = f"""
WITH again AS (
  SELECT s.contact_id FROM contacts_subscription s JOIN contacts_contact person ON person.id = s.contact_id
    JOIN LATERAL (SELECT kind, import_job_id, at FROM contacts_consentevent e
                   WHERE e.contact_id = s.contact_id AND e.contact_list_id = s.contact_list_id
                   ORDER BY id DESC LIMIT 1) last ON true
   WHERE s.contact_list_id = %(list)s AND s.state = %(state)s AND person.workspace_id = %(workspace)s
     AND person.email_normalised = ANY(%(normalised)s::text[])
     AND last.kind = 'joined' AND last.import_job_id <> %(job)s AND last.at > now() - %(lately)s),
joined AS (
  INSERT INTO contacts_subscription (contact_id, contact_list_id, state, source, created_at, changed_at)
  SELECT id, %(list)s, %(state)s, left(%(source)s, 200), now(), now() FROM contacts_contact
   WHERE workspace_id = %(workspace)s AND email_normalised = ANY(%(normalised)s::text[]) ORDER BY id
  ON CONFLICT (contact_id, contact_list_id) DO NOTHING
  RETURNING contact_id)
INSERT INTO contacts_consentevent ({consent.COLUMNS})
SELECT %(workspace)s, contact_id, %(list)s, %(list_name)s, 'joined', before, %(source)s, %(sha256)s, %(job)s, NULL,
       {consent.WHO}
  FROM (SELECT contact_id, '' AS before FROM joined UNION ALL SELECT contact_id, %(state)s FROM again) named
"""  # noqa: S608 - constants
_UNSUBSCRIBED = """
SELECT count(*) FROM contacts_subscription JOIN contacts_contact person ON person.id = contact_id
 WHERE contact_list_id = %s AND state = %s AND workspace_id = %s AND email_normalised = ANY(%s::text[])
"""
_SUPPRESSED = "SELECT count(*) FROM contacts_suppression WHERE workspace_id = %s AND email_hash = ANY(%s::bytea[])"


def write(job: ImportJob, rows: Sequence[Person | Reject]) -> dict[str, int]:
    """Write the rows and return their counts: rows = new + updated + unchanged + rejected.

    Of the first three, `suppressed` and `unsubscribed` say how many will not be written to; doubles are among the
    rejected. Call it within the transaction that moves the job's cursor.
    """
    kept, rejects, doubles = parted(job, rows)
    new, updated = _upsert(job, kept)
    normalised = [person.normalised for person in kept]
    _subscribe(job, normalised)
    counts = {
        "rows": len(rows),
        "new": new,
        "updated": updated,
        "unchanged": len(kept) - new - updated,
        "rejected": len(rejects),
        "duplicates_in_file": doubles,
        "suppressed": _count(_SUPPRESSED, [job.workspace_id, [person.email_hash for person in kept]]),
        "unsubscribed": unsubscribed(job, normalised),
    }
    keep_rejects(job, rejects)
    return counts


def parted(job: ImportJob, rows: Sequence[Person | Reject]) -> tuple[list[Person], list[Reject], int]:
    """Return the people to take, the refusals with the doubles among them, and how many doubles there are."""
    rejects = [row for row in rows if isinstance(row, Reject)]
    kept, doubles = _without_doubles(job, [row for row in rows if isinstance(row, Person)])
    return kept, rejects + doubles, len(doubles)


def keep_rejects(job: ImportJob, rejects: Sequence[Reject]) -> None:
    """Keep refused rows, to be read and downloaded."""
    ImportReject.objects.bulk_create(
        ImportReject(job=job, line=one.line, code=one.code, reason=one.reason, row=one.cells) for one in rejects
    )


def unsubscribed(job: ImportJob, normalised: list[str]) -> int:
    """Return how many of some people left the job's list."""
    values = [job.contact_list_id, Subscription.State.UNSUBSCRIBED, job.workspace_id, normalised]
    return _count(_UNSUBSCRIBED, values) if job.contact_list_id else 0


def _without_doubles(job: ImportJob, people: Sequence[Person]) -> tuple[list[Person], list[Reject]]:
    """Part the people whom this file has not named before from the repetitions; the first row of each is kept."""
    if not people:
        return [], []
    first: dict[bytes, Person] = {}
    for person in people:
        first.setdefault(person.email_hash, person)
    with connection.cursor() as cursor:
        cursor.execute(_SEEN, [job.pk, list(first), [person.line for person in first.values()]])
        cursor.execute(_FIRST_LINES, [job.pk, list(first)])
        first_lines = {bytes(email_hash): line for email_hash, line in cursor.fetchall()}
    kept, doubles = [], []
    for person in people:
        line = first_lines[person.email_hash]
        if line == person.line:
            kept.append(person)
        else:
            doubles.append(duplicate(person, first_line=line))
    return kept, doubles


def _upsert(job: ImportJob, people: Sequence[Person]) -> tuple[int, int]:
    """Return how many were new and how many were changed; an empty cell never erases what is known."""
    if not people:
        return 0, 0
    columns = zip(
        *(
            (one.email, one.normalised, one.email_hash, one.first_name, one.last_name, json.dumps(one.attributes))
            for one in people
        ),
        strict=True,
    )
    with connection.cursor() as cursor:
        cursor.execute(_PEOPLE, [job.workspace_id, job.pk, *map(list, columns)])
        is_new = [row[0] for row in cursor.fetchall()]
    return is_new.count(True), is_new.count(False)


def _subscribe(job: ImportJob, normalised: list[str]) -> None:
    """Put the people on the list, except those who are on it in any state, and write down their consent."""
    assert job.contact_list is not None
    by = job.started_by or job.created_by
    values: dict[str, Any] = {
        "list": job.contact_list_id,
        "list_name": job.contact_list.name,
        "state": Subscription.State.CONFIRMED,
        "source": f"{job.file_name}: {job.consent}"[:300],
        "sha256": job.file_sha256,
        "job": job.pk,
        "lately": _LATELY,
        "workspace": job.workspace_id,
        "normalised": normalised,
        "actor": by.pk if by else None,
        "actor_name": by.email if by else "",
        "ip": None,
    }
    with connection.cursor() as cursor:
        cursor.execute(_SUBSCRIBE, values)


def _count(statement: str, values: Sequence[Any]) -> int:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        (number,) = cursor.fetchone()
    return int(number)
