"""Writes one chunk of an import: people, subscriptions, refusals and counts, in a few statements."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from django.db import connection

from apps.contacts.csv.people import Person, Reject, duplicate
from apps.contacts.models import ImportJob, ImportReject, Subscription

COUNTS = (
    "rows", "new", "updated", "unchanged", "rejected", "duplicates_in_file", "suppressed", "unsubscribed",
)  # fmt: skip

# Sorted by the unique key, so that two imports of one workspace lock people in the same order.
_PEOPLE = """
INSERT INTO contacts_contact AS kept
       (workspace_id, uuid, email, email_normalised, email_hash, first_name, last_name, attributes, created_at,
        updated_at)
SELECT %s, gen_random_uuid(), email, normalised, hash, first_name, last_name, attributes::jsonb, now(), now()
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
_SUBSCRIBE = """
INSERT INTO contacts_subscription (contact_id, contact_list_id, state, source, created_at, changed_at)
SELECT id, %s, %s, %s, now(), now() FROM contacts_contact
 WHERE workspace_id = %s AND email_normalised = ANY(%s::text[]) ORDER BY id
ON CONFLICT (contact_id, contact_list_id) DO NOTHING
"""
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
    people = [row for row in rows if isinstance(row, Person)]
    rejects = [row for row in rows if isinstance(row, Reject)]
    kept, doubles = _without_doubles(job, people)
    rejects += doubles
    new, updated = _upsert(job, kept)
    normalised = [person.normalised for person in kept]
    counts = {
        "rows": len(rows),
        "new": new,
        "updated": updated,
        "unchanged": len(kept) - new - updated,
        "rejected": len(rejects),
        "duplicates_in_file": len(doubles),
        "suppressed": _count(_SUPPRESSED, [job.workspace_id, [person.email_hash for person in kept]]),
        "unsubscribed": _subscribe(job, normalised),
    }
    ImportReject.objects.bulk_create(
        ImportReject(job=job, line=one.line, code=one.code, reason=one.reason, row=one.cells) for one in rejects
    )
    return counts


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
        cursor.execute(_PEOPLE, [job.workspace_id, *map(list, columns)])
        is_new = [row[0] for row in cursor.fetchall()]
    return is_new.count(True), is_new.count(False)


def _subscribe(job: ImportJob, normalised: list[str]) -> int:
    """Put the people on the list, except those who are on it in any state; return how many have unsubscribed."""
    source = f"import {job.pk}: {job.consent}"[:200]
    values = [job.contact_list_id, Subscription.State.CONFIRMED, source, job.workspace_id, normalised]
    with connection.cursor() as cursor:
        cursor.execute(_SUBSCRIBE, values)
    unsubscribed = [job.contact_list_id, Subscription.State.UNSUBSCRIBED, job.workspace_id, normalised]
    return _count(_UNSUBSCRIBED, unsubscribed)


def _count(statement: str, values: Sequence[Any]) -> int:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        (number,) = cursor.fetchone()
    return int(number)
