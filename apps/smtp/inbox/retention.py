"""How long the local inbox keeps bodies: those of the newest letters; the index row of every letter stays."""

from __future__ import annotations

from typing import Final

from django.db import connection

KEEP_LETTERS: Final = 5000
KEEP_BYTES: Final = 200 * 1000 * 1000

# The inner query looks at letters with a body only, which a partial index finds: it stays cheap with millions of rows.
TRIM: Final = """
UPDATE smtp_inboxletter SET data = NULL
WHERE data IS NOT NULL AND id <= (
    SELECT max(id) FROM (
        SELECT id, row_number() OVER newest AS place, sum(size) OVER newest AS bytes
        FROM smtp_inboxletter WHERE data IS NOT NULL
        WINDOW newest AS (ORDER BY id DESC)
    ) AS kept
    WHERE place > %(letters)s OR bytes > %(bytes)s
)
"""

BOUNDS: Final[dict[str, int]] = {"letters": KEEP_LETTERS, "bytes": KEEP_BYTES}


def trim(*, letters: int = KEEP_LETTERS, size_bytes: int = KEEP_BYTES) -> int:
    """Drop the bodies beyond the bounds and return how many went."""
    with connection.cursor() as cursor:
        cursor.execute(TRIM, {"letters": letters, "bytes": size_bytes})
        return int(cursor.rowcount)
