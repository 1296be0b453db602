"""Results of many letters: what is plainly sent in one statement, the rest one by one; all kept until written."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict

from django.db import Error

from apps.campaigns.services import grouped_claims, outcomes, spool
from apps.campaigns.services.claims import Claimed
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


# Both at once, in one transaction: no letter is marked while a result waits, nor is a result lost with the marks.
SENT_AND_MARKED = f"""
WITH sent AS ({SENT_MANY}), marked AS ({grouped_claims.MARK_MANY})
SELECT id, true, set_config FROM marked UNION ALL SELECT id, false, NULL FROM sent
"""  # noqa: S608 - both are constants


def write_sent(results: Sequence[Result]) -> list[Result]:
    """Write letters that were taken, in one statement; return those whose row was not found as it was left."""
    if not results:
        return []
    written = {row[0] for row in database.execute_many(SENT_MANY, _columns(results))}
    return [result for result in results if result.delivery_id not in written]


def write_sent_and_mark(results: Sequence[Result], letters: Sequence[Claimed]) -> tuple[list[Result], set[int]]:
    """Do what `write_sent` and `grouped_claims.mark` do, in one statement; return what both return."""
    values = [*_columns(results), *grouped_claims.held_columns(letters)]
    written, marked = set[int](), set[int]()
    for delivery_id, is_marked, _ in database.execute_many(SENT_AND_MARKED, values):
        (marked if is_marked else written).add(delivery_id)
    return [result for result in results if result.delivery_id not in written], marked


def _columns(results: Sequence[Result]) -> list[list[object]]:
    rows = ((r.delivery_id, r.token, r.message_id, r.stage, r.code, r.enhanced, r.text) for r in results)
    columns = zip(*rows, strict=True)
    return [list(column) for column in columns]


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

    def flush_and_mark(self, letters: Sequence[Claimed]) -> set[int]:
        """Write what waits and mark letters; return the ids of the marked. None is marked while a result waits.

        Raises:
            DATABASE_AWAY: whether the markers were committed is unknown; what waits still does.
        """
        if self._waiting and time.monotonic() >= self._next_try and all(map(_is_plain, self._waiting)):
            try:
                late, marked = write_sent_and_mark(self._waiting, letters)
                self._waiting = late
                self._write_each()
            except DATABASE_AWAY:
                self._next_try = time.monotonic() + _PAUSE
                raise
            except (Error, UnicodeError):  # nothing was done; which result cannot be written will be found below
                pass
            else:
                return marked
        return grouped_claims.mark(letters) if self.flush() else set()

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
        self._write_each()

    def _write_each(self) -> None:
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
