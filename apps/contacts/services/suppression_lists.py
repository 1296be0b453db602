"""Many addresses to suppress at once, one per line: typed in, or from a file of another tool."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from django.db import connection, transaction
from django.utils.translation import gettext as _

from apps.accounts import audit
from apps.accounts.models import User, Workspace
from apps.contacts.csv import charsets
from apps.contacts.services import consent
from core import addresses, spreadsheets
from core.errors import EspError

MAX_LINES = 50_000
MAX_BYTES = 5 * 1024 * 1024
SHOWN = 20
_NOT_TEXT = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0", b"%PDF", b"\x1f\x8b")
_CELLS = re.compile(r"[,;\t|]")

_ADD = f"""
WITH new AS (
  INSERT INTO contacts_suppression AS kept
         (workspace_id, email, email_hash, reason, source, asked_to_stop, by_hand, created_at)
  SELECT %(workspace)s, email, hash, 'manual', %(source)s, false, %(source)s, now()
    FROM unnest(%(emails)s::text[], %(hashes)s::bytea[]) AS row(email, hash) ORDER BY hash
  ON CONFLICT (workspace_id, email_hash) DO UPDATE SET by_hand = excluded.by_hand
   WHERE kept.reason = 'unsubscribed' AND kept.by_hand IS NULL
  RETURNING email_hash, xmax = 0 AS is_added),
noted AS (
  INSERT INTO contacts_consentevent ({consent.COLUMNS})
  SELECT person.workspace_id, person.id, NULL, '', 'suppressed', '', %(source)s, '', NULL, NULL, {consent.WHO}
    FROM contacts_contact person JOIN new USING (email_hash)
   WHERE person.workspace_id = %(workspace)s AND person.email_normalised = ANY(%(normalised)s::text[]))
SELECT count(*) FROM new WHERE is_added
"""  # noqa: S608 - constants


class SuppressionFileError(EspError):
    """The lines cannot be taken as they are; the message says what to do."""

    code = "suppression_file"


@dataclass
class Added:
    """What came of many lines: new suppressions, those there already, and lines that hold no address."""

    added: int = 0
    known: int = 0
    refused: list[tuple[int, str, str]] = field(default_factory=list)
    refused_count: int = 0

    def refuse(self, line: int, text: str, reason: str) -> None:
        """Count a line that is no address, and keep the first ones to show."""
        self.refused_count += 1
        if len(self.refused) < SHOWN:
            self.refused.append((line, text[:120], reason))


def lines_of(data: bytes) -> list[str]:
    """Return the lines of a file in whatever character set.

    Raises:
        SuppressionFileError: it is too large or no text.
    """
    if len(data) > MAX_BYTES:
        raise SuppressionFileError(_("The file is larger than 5 MB. Split it and add the parts."))
    if data.startswith(_NOT_TEXT):
        raise SuppressionFileError(_("This is not a CSV file. In Excel or another tool, choose “Save as” and CSV."))
    encoding = charsets.from_first_bytes(data)
    if not encoding:
        try:
            return data.decode("utf-8").splitlines()
        except UnicodeDecodeError:
            encoding = charsets.guess(charsets.sample_words(data))
    return data.decode(encoding, errors="replace").splitlines()


def add(workspace: Workspace, lines: Iterable[str], *, note: str, by: User) -> Added:
    """Suppress the first address of every line; a first line without one is taken for a head.

    Raises:
        SuppressionFileError: there are more lines than one deed may add; nothing changes.
    """
    result, found = Added(), {}
    for number, line in enumerate(lines, start=1):
        if number > MAX_LINES:
            raise SuppressionFileError(_("Add at most 50,000 lines at once."))
        text = _address_in(line)
        if not text or (number == 1 and "@" not in text):
            continue
        try:
            address = addresses.parse(text)
        except addresses.InvalidAddressError as error:
            result.refuse(number, text, error.message)
            continue
        found[addresses.fingerprint(address.normalised)] = address
    source = _("by hand, %(who)s") % {"who": by}
    with transaction.atomic(), connection.cursor() as cursor:
        values = {
            "workspace": workspace.pk,
            "source": (f"{source}: {note.strip()}" if note.strip() else source)[:300],
            "emails": [one.email for one in found.values()],
            "hashes": list(found),
            "normalised": [one.normalised for one in found.values()],
            **consent.who(),
        }
        cursor.execute(_ADD, values)
        (result.added,) = cursor.fetchone()
        audit.note("suppressions_added", workspace=workspace, people=result.added)
    result.known = len(found) - result.added
    return result


def _address_in(line: str) -> str:
    """Return the cell of a line that looks like an address, else the first one."""
    parts = [
        spreadsheets.unguarded(part.strip().strip('"').strip())
        for part in _CELLS.split(addresses.CONTROLS.sub("", line))
    ]
    return next((part for part in parts if "@" in part), parts[0] if parts else "")
