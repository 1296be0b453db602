"""Control numbers: raised once, noticed by every housekeeper, however many there are."""

from __future__ import annotations

from django.db import connection

SMTP_CLEANUP = "smtp_cleanup"


def raise_number(name: str) -> int:
    """Raise a number and return it."""
    with connection.cursor() as cursor:
        cursor.execute(
            """INSERT INTO core_controlnumber (name, value) VALUES (%s, 1)
               ON CONFLICT (name) DO UPDATE SET value = core_controlnumber.value + 1 RETURNING value""",
            [name],
        )
        return int(cursor.fetchone()[0])


def read_number(name: str) -> int:
    """Return a number; 0 when it was never raised."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT value FROM core_controlnumber WHERE name = %s", [name])
        row = cursor.fetchone()
    return int(row[0]) if row else 0
