"""Stops an account that is in trouble before it burns every waiting email, and lets one through now and then to see.

Nothing is lost meanwhile: the emails wait, their attempts do not count, and no contact is suppressed for it.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

from django.conf import settings
from django.db import connection

from apps.smtp import bounces
from apps.smtp.outcome import THROTTLED, Accepted, Deferred, FailureClass, Outcome, Rejected, Stage

# A password that is refused twice stays refused, and servers lock out who goes on trying.
AUTH_FAILURES: Final = 2
OTHER_FAILURES: Final = 3
FIRST_PAUSE_SECONDS: Final = 60.0
LONGEST_PAUSE_SECONDS: Final = 1800.0
PROBE_SECONDS: Final = 60.0

_EARLY: Final = frozenset({Stage.CONNECT, Stage.BANNER, Stage.EHLO, Stage.STARTTLS, Stage.AUTH})
_OURS: Final = frozenset({"pool_full", "not_configured"})

# True while an account must not be tried; `{0}` is the column that holds its id, of a table not called own or its.
SHUT: Final = """EXISTS (
    SELECT 1 FROM smtp_transport own LEFT JOIN smtp_throttle its ON its.transport_id = own.id
    WHERE own.id = {0} AND (NOT own.is_active OR its.closed_until > now()))"""
# True while nothing needs to be rung for it: shut, or its limits are used up.
WAITS: Final = """EXISTS (
    SELECT 1 FROM smtp_transport own LEFT JOIN smtp_throttle its ON its.transport_id = own.id
    WHERE own.id = {0} AND (NOT own.is_active OR its.closed_until > now() OR its.opens_at > now()))"""

# True while an account carries nothing until somebody acts or it heals: off, or stopped for its failures. One that has
# used up its limits, or was asked to slow down, is not. `{0}` as above.
TROUBLED: Final = """EXISTS (
    SELECT 1 FROM smtp_transport own LEFT JOIN smtp_throttle its ON its.transport_id = own.id
    WHERE own.id = {0} AND (NOT own.is_active OR (its.closed_until IS NOT NULL AND its.trouble_since IS NOT NULL)))"""


def is_trouble(outcome: Outcome) -> bool:
    """Return whether an outcome is about the account and not about one letter."""
    if not isinstance(outcome, Deferred) or outcome.reason in _OURS:
        return False
    if bounces.effect(outcome.failure).account == "breaker":
        return True
    return outcome.stage in _EARLY and outcome.failure in (FailureClass.TRANSIENT_DEST, FailureClass.PROTOCOL)


def note(transport_id: int, outcome: Outcome, *, had_failures: bool, was_probe: bool) -> None:
    """Remember what an outcome says about the account; a letter it took, or refused for the letter's sake, heals it."""
    if isinstance(outcome, Deferred) and outcome.reason in _OURS:
        return  # it never came to the account
    if isinstance(outcome, Deferred) and outcome.reason == THROTTLED:
        _pause(transport_id, outcome.retry_after or timedelta(), was_probe=was_probe)
    elif isinstance(outcome, Deferred) and is_trouble(outcome):
        _failed(transport_id, outcome, was_probe=was_probe)
    elif had_failures and isinstance(outcome, Accepted | Rejected | Deferred):
        heal(transport_id)


def is_troubled(transport_id: int) -> bool:
    """Return whether an account carries nothing until somebody acts or it heals."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {TROUBLED.format('%s')}", [transport_id])
        return bool(cursor.fetchone()[0])


def may_try(transport_id: int) -> bool | None:
    """Return whether a letter may be tried on an account that has failed: None while nothing is shut, True as a probe.

    After a pause exactly one process is told True; the others wait for what it finds.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            """UPDATE smtp_throttle SET closed_until = now() + %s * interval '1 second'
               WHERE transport_id = %s AND closed_until <= now()""",
            [PROBE_SECONDS * settings.LIMITS.retry_scale, transport_id],
        )
        if cursor.rowcount:
            return True
        cursor.execute("SELECT 1 FROM smtp_throttle WHERE transport_id = %s AND closed_until > now()", [transport_id])
        return False if cursor.fetchone() else None


def _pause(transport_id: int, wait: timedelta, *, was_probe: bool) -> None:
    """Stop the account for as long as it asked for; it is in no trouble, and one letter goes first when it is over."""
    with connection.cursor() as cursor:
        cursor.execute(
            """INSERT INTO smtp_throttle AS t (transport_id, closed_until)
               SELECT id, now() + %(wait)s * interval '1 second' FROM smtp_transport WHERE id = %(transport)s
               ON CONFLICT (transport_id) DO UPDATE
               SET failures = 0, trouble_since = NULL, closed_until = CASE WHEN %(probe)s THEN excluded.closed_until
                   ELSE greatest(t.closed_until, excluded.closed_until) END""",
            {"transport": transport_id, "wait": wait.total_seconds(), "probe": was_probe},
        )


def heal(transport_id: int) -> None:
    """Forget all trouble of an account."""
    with connection.cursor() as cursor:
        cursor.execute(
            """UPDATE smtp_throttle SET failures = 0, closed_until = NULL, trouble_since = NULL
               WHERE transport_id = %s AND (failures > 0 OR closed_until IS NOT NULL OR trouble_since IS NOT NULL)""",
            [transport_id],
        )


_FAILED = """
INSERT INTO smtp_throttle AS t (transport_id, failures, trouble_since, trouble_at, trouble_stage, trouble_text)
SELECT id, 1, now(), now(), %(stage)s, %(text)s FROM smtp_transport WHERE id = %(transport)s
ON CONFLICT (transport_id) DO UPDATE
SET trouble_since = coalesce(t.trouble_since, now()), trouble_at = now(),
    trouble_stage = excluded.trouble_stage, trouble_text = excluded.trouble_text,
    failures = t.failures + CASE WHEN t.closed_until > now() AND NOT %(probe)s THEN 0 ELSE 1 END,
    closed_until = CASE
      WHEN t.closed_until > now() AND NOT %(probe)s THEN t.closed_until
      WHEN t.failures + 1 >= %(bound)s THEN now() + %(scale)s * interval '1 second'
        * least(%(longest)s, %(first)s * power(2, least(t.failures + 1 - %(bound)s, 10)))
      ELSE t.closed_until END
"""


def _failed(transport_id: int, outcome: Deferred, *, was_probe: bool) -> None:
    is_sign_in = outcome.stage is Stage.AUTH
    values: dict[str, Any] = {
        "transport": transport_id,
        "stage": outcome.stage.value,
        "text": str(outcome.reply or outcome.reason)[:500],
        "probe": was_probe,
        "bound": AUTH_FAILURES if is_sign_in else OTHER_FAILURES,
        "scale": settings.LIMITS.retry_scale,
        "first": FIRST_PAUSE_SECONDS,
        "longest": LONGEST_PAUSE_SECONDS,
    }
    with connection.cursor() as cursor:
        cursor.execute(_FAILED, values)
