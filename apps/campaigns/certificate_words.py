"""A certificate as people read it: its parts with their reasons, its moments, its digests."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from django.utils import formats
from django.utils.translation import gettext as _

from apps.campaigns import reasons, situations
from apps.campaigns.models import Certificate, Revision

PART_OF_STATE = {"sent": "sent", "skipped": "skipped", "cancelled": "skipped", "failed": "failed", "expired": "failed"}
PARTS = ("sent", "skipped", "failed", "unconfirmed")


@dataclass(frozen=True, slots=True)
class Part:
    """One line of the sum: the part, how many, and of what."""

    name: str
    letters: int
    why: str


@dataclass(frozen=True, slots=True)
class Words:
    """Everything the page says."""

    parts: tuple[Part, ...]
    counts: dict[str, int]
    audience_frozen: str
    first_sent: str
    last_sent: str
    closed: str
    contents: tuple[str, ...]
    account: str
    accounts: tuple[str, ...]
    attempts: int
    version: str


def of(certificate: Certificate) -> Words:
    """Return a certificate in words."""
    document = certificate.document
    found: dict[str, list[tuple[str, str, int]]] = {name: [] for name in PARTS}
    for row in document["counts"]:
        part = PART_OF_STATE.get(row["state"], "unconfirmed")
        found[part].append((row["state"], row["reason"], row["letters"]))
    parts = tuple(Part(name, sum(row[2] for row in rows), _why(rows)) for name, rows in found.items())
    counts = {part.name: part.letters for part in parts} | {"total": certificate.audience_size}
    times = {name: _moment(text) for name, text in document["times"].items()}
    return Words(
        parts=parts,
        counts=counts,
        **times,
        contents=tuple(digest(one["sha256"]) for one in document["content"]),
        account=digest(certificate.digest),
        accounts=tuple(
            _("%(name)s, %(letters)s") % {"name": one["name"], "letters": situations.grouped(one["letters"])}
            for one in document["sending_accounts"]
        ),
        attempts=document["attempts"],
        version=f"{document['product']} {document['version']}",
    )


def _why(rows: list[tuple[str, str, int]]) -> str:
    rows = sorted(rows, key=lambda row: -row[2])
    if len(rows) == 1:
        return reasons.phrase(rows[0][0], rows[0][1])
    return ", ".join(f"{situations.grouped(letters)} {reasons.phrase(state, why)}" for state, why, letters in rows)


def _moment(text: str | None) -> str:
    if text is None:
        return "–"
    at = dt.datetime.fromisoformat(text).astimezone(dt.UTC)
    # Translators: a date format of Django: day, month, year; change the order, not the letters.
    return f"{formats.date_format(at, _('j F Y'))}, {at:%H:%M:%S} UTC"


def digest(value: str) -> str:
    """Return a long hexadecimal number so that eyes can compare it."""
    groups = [value[start : start + 4] for start in range(0, len(value), 4)]
    return f"sha256 {' '.join(groups[:4])} … {' '.join(groups[-2:])}"


def ends(revision: Revision) -> tuple[str, str]:
    """Return what a letter's end was and what it became."""
    before = reasons.phrase(revision.from_state, revision.from_reason)
    return before, reasons.phrase(revision.to_state, revision.to_reason)
