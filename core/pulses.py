"""Signs of life in the database."""

from __future__ import annotations

import json
from typing import Any

from django.db import connection


def beat(name: str, **detail: Any) -> None:
    """Note that something really ran now, by the database's clock."""
    with connection.cursor() as cursor:
        cursor.execute(
            """INSERT INTO core_pulse (name, at, detail) VALUES (%s, now(), %s)
               ON CONFLICT (name) DO UPDATE SET at = excluded.at, detail = excluded.detail""",
            [name, json.dumps(detail)],
        )
