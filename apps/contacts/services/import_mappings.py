"""Remembers what the columns of a file became, and proposes it when a file with the same heads comes again."""

from __future__ import annotations

import hashlib

from django.db.models.functions import Now

from apps.contacts.csv import columns
from apps.contacts.models import ImportJob, RememberedMapping


def remember(job: ImportJob) -> None:
    """Keep the job's mapping for the next file of its workspace with these heads."""
    described = [columns.Column(**column) for column in job.columns]
    if not job.has_header:
        return
    named = columns.heads(described)
    targets = {named[number]: str(job.mapping.get(str(number), "")) for number in range(len(named))}
    RememberedMapping.objects.update_or_create(
        workspace_id=job.workspace_id,
        heads_hash=_hash(named),
        defaults={"targets": targets, "used_at": Now()},
    )


def recall(job: ImportJob) -> dict[int, str]:
    """Return what the columns became last time a file of this workspace had the same heads; nothing where none had."""
    if not job.has_header:
        return {}
    named = columns.heads([columns.Column(**column) for column in job.columns])
    found = RememberedMapping.objects.filter(workspace_id=job.workspace_id, heads_hash=_hash(named)).first()
    if found is None:
        return {}
    mapping = {number: str(found.targets.get(name, "")) for number, name in enumerate(named)}
    return {} if columns.problem_with(mapping, len(named)) else {n: target for n, target in mapping.items() if target}


def _hash(named: list[str]) -> str:
    return hashlib.sha256("\n".join(sorted(named)).encode()).hexdigest()
