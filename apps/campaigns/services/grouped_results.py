"""Results of many letters: what is plainly sent in one statement, the rest one by one; all kept until written."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict

from django.db import Error

from apps.campaigns.services import outcomes, spool
from apps.campaigns.services.gates import ERASED
from apps.campaigns.services.outcomes import AFTER_MARK, DATABASE_AWAY, Result
from apps.campaigns.states import DeliveryState
from core import database

_PAUSE = 0.2

# What `outcomes.write` does to a marked letter that the server took. One that the reaper has moved meanwhile, or whose
# number is another letter's after a fail-over, is not found, and `outcomes.write` hears it as a late answer.
SENT_MANY = f"""
UPDATE campaigns_delivery d
SET state = 'sent', reason = '', token = d.token + 1, owner = '', lease_until = NULL, attempt_deadline = NULL,
    rung_at = NULL, moved_at = now(), sent_at = now(), last_stage = told.stage, last_code = told.code,
    last_enhanced = told.enhanced, last_text = CASE WHEN {ERASED} THEN '' ELSE told.text END, failure = ''
FROM unnest(%s::bigint[], %s::int[], %s::text[], %s::text[], %s::int[], %s::text[], %s::text[])
  AS told (id, token, message_id, stage, code, enhanced, text)
WHERE d.id = told.id AND d.token = told.token AND d.state = 'committing'
  AND (told.message_id = '' OR d.message_id = told.message_id)
RETURNING d.id
"""  # noqa: S608 - a constant


def write_sent(results: Sequence[Result]) -> list[Result]:
    """Write letters that were taken, in one statement; return those whose row was not found as it was left."""
    if not results:
        return []
    rows = ((r.delivery_id, r.token, r.message_id, r.stage, r.code, r.enhanced, r.text) for r in results)
    columns = zip(*rows, strict=True)
    written = {row[0] for row in database.execute_many(SENT_MANY, [list(column) for column in columns])}
    return [result for result in results if result.delivery_id not in written]


def _is_plain(result: Result) -> bool:
    return result.state == DeliveryState.SENT and result.from_states == AFTER_MARK


class Results:
    """What is known and not yet in the database; kept in memory while it is away, in the end in the spool file."""

    def __init__(self) -> None:
        self._waiting: list[Result] = []
        self._next_try = 0.0

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, result: Result) -> None:
        """Keep a result for the next `flush`."""
        self._waiting.append(result)

    def flush(self) -> bool:
        """Write what waits; return whether nothing does any more. Never waits itself for the database."""
        if not self._waiting:
            return True
        if time.monotonic() < self._next_try:
            return False
        try:
            self._write()
        except DATABASE_AWAY:
            outcomes.drop_connection()
            self._next_try = time.monotonic() + _PAUSE
        return not self._waiting

    def close(self, *, until: float) -> bool:
        """Write everything, however long the database takes to come back; return whether it did.

        Args:
            until: `time.monotonic()` at which waiting ends: what is left then goes to the spool at once and together,
                for each further try could cost a whole connect timeout, and the hard limit is near.
        """
        pause = _PAUSE
        while self._waiting:
            if time.monotonic() >= until:
                spool.append(*(asdict(result) for result in self._waiting))
                self._waiting.clear()
                return False
            self._next_try = 0.0
            if not self.flush():
                time.sleep(max(0.0, min(pause, until - time.monotonic())))
                pause = min(pause * 2, 2.0)
        return True

    def _write(self) -> None:
        """Write all in one pass; each leaves the list only when it is written, so that a break repeats no more."""
        plain = [result for result in self._waiting if _is_plain(result)]
        try:
            late = write_sent(plain)
        except DATABASE_AWAY:
            raise
        except (Error, UnicodeError):  # one of them cannot be written: which, only each by itself can tell
            late = plain
        self._waiting = [*late, *(result for result in self._waiting if not _is_plain(result))]
        while self._waiting:
            self._write_one(self._waiting[0])
            self._waiting.pop(0)

    def _write_one(self, result: Result) -> None:
        try:
            outcomes.write(result)
        except DATABASE_AWAY:
            raise
        except (Error, UnicodeError):
            outcomes.record(result, until=0.0)  # says so, and keeps it in the spool file
