"""Says what one chunk of an import would change, and changes nobody."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db import connection

from apps.contacts.csv.people import Person, Reject
from apps.contacts.models import Contact, ImportJob
from apps.contacts.services import import_rows

EXAMPLES = 5
_SHOWN = 160


def look(job: ImportJob, rows: Sequence[Person | Reject]) -> tuple[dict[str, int], dict[str, list[str]]]:
    """Return the counts that writing these rows would bring, and a few examples of each kind.

    Refused rows are kept with the job, as when it runs; a start forgets them and counts anew.
    """
    kept, rejects, doubles = import_rows.parted(job, rows)
    known = _known(job, kept)
    examples: dict[str, list[str]] = {"new": [], "updated": [], "unchanged": [], "suppressed": []}
    counts = {"new": 0, "updated": 0, "unchanged": 0}
    for person in kept:
        contact = known.get(person.normalised)
        changes = _changes(contact, person) if contact else ""
        kind = "new" if contact is None else "updated" if changes else "unchanged"
        counts[kind] += 1
        _example(examples[kind], f"{person.email}: {changes}" if changes else person.email)
    suppressed = _suppressed(job, kept)
    for person in kept:
        if person.email_hash in suppressed:
            _example(examples["suppressed"], person.email)
    counts |= {
        "rows": len(rows),
        "rejected": len(rejects),
        "duplicates_in_file": doubles,
        "suppressed": len(suppressed),
        "unsubscribed": import_rows.unsubscribed(job, [person.normalised for person in kept]),
    }
    import_rows.keep_rejects(job, rejects)
    return counts, examples


def merged(before: dict[str, list[str]], new: dict[str, list[str]]) -> dict[str, list[str]]:
    """Return the first examples of each kind."""
    return {kind: (before.get(kind, []) + found)[:EXAMPLES] for kind, found in new.items()}


def _example(examples: list[str], text: str) -> None:
    if len(examples) < EXAMPLES:
        examples.append(text[:_SHOWN])


def _known(job: ImportJob, people: Sequence[Person]) -> dict[str, Contact]:
    found = Contact.objects.filter(
        workspace_id=job.workspace_id, email_normalised__in=[person.normalised for person in people]
    )
    return {contact.email_normalised: contact for contact in found}


def _suppressed(job: ImportJob, people: Sequence[Person]) -> set[bytes]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT email_hash FROM contacts_suppression WHERE workspace_id = %s AND email_hash = ANY(%s::bytea[])",
            [job.workspace_id, [person.email_hash for person in people]],
        )
        return {bytes(email_hash) for (email_hash,) in cursor.fetchall()}


def _changes(contact: Contact, person: Person) -> str:
    """Return which values a row would change, in the way that `import_rows` changes them."""
    now: dict[str, Any] = {
        "first_name": contact.first_name,
        "last_name": contact.last_name,
        **{f"attr:{key}": value for key, value in contact.attributes.items()},
    }
    new = {
        **{
            name: value for name, value in (("first_name", person.first_name), ("last_name", person.last_name)) if value
        },
        **{f"attr:{key}": value for key, value in person.attributes.items()},
    }
    changed = [
        (key.removeprefix("attr:"), now.get(key, ""), value) for key, value in new.items() if now.get(key) != value
    ]
    return ", ".join(f"{key} {old or '–'} → {value}" for key, old, value in changed)
