"""The two clocks: aware UTC for screens, and the database's clock for every decision about a delivery."""

from __future__ import annotations

import datetime as dt

from django.db import connection
from django.utils import timezone


def now() -> dt.datetime:
    """Return this process's time, aware, in UTC; for display and headers, never to compare with a row."""
    return timezone.now()


def database_now() -> dt.datetime:
    """Return the database's time, which alone decides what is due."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT now()")
        (moment,) = cursor.fetchone()
    assert isinstance(moment, dt.datetime)
    return moment
