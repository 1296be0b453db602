"""After a restore nothing is sent until an operator says so: notices another database, freezes, holds, thaws.

A dump knows nothing of the letters sent after it; to send on would send them twice. The gate itself is `gates.THAWED`,
asked in the statements that begin and mark a letter. Here is written what it reads.
"""

from __future__ import annotations

import datetime as dt
import json
import logging
from dataclasses import dataclass, replace
from typing import Any

from django.conf import settings
from django.db import NotSupportedError, ProgrammingError, connection, transaction
from django.utils.translation import gettext as _

from apps.campaigns import epochs
from apps.campaigns.epochs import Identity, Outside, Reason, Standing
from apps.campaigns.services import history, outside
from apps.campaigns.services.aging import STOOD
from core.errors import EspError

log = logging.getLogger(__name__)

_LOCK = 0x7673_0002
# Letters made after the dump had numbers that are given again; links in them must not lead to other people.
NUMBERS_LEFT_OUT = 100_000


class FrozenError(EspError):
    """The database was restored, and nobody has confirmed it."""

    code = "sending_frozen"
    status = 409


@dataclass(frozen=True, slots=True)
class Freeze:
    """Why and since when nothing is sent, and what was done about it."""

    reason: Reason
    at: dt.datetime
    knows_until: dt.datetime | None
    is_settled: bool
    detail: dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Seen:
    row: Standing | None
    actual: Identity
    last_delivery_id: int
    silent_seconds: float | None
    is_frozen: bool
    is_settled: bool
    holds_work: bool


# The highest that this process has seen: a file that could not be written must not make it forget.
_known: Standing | None = None

_TABLE = "'instance_epoch'::regclass::oid::bigint"
_READ = f"""
SELECT e.epoch, e.serial, e.own_table, e.system_id, e.timeline, e.last_delivery_id, e.beat_at, e.last_sent_at,
       e.frozen_at IS NOT NULL, e.settled_at IS NOT NULL, extract(epoch FROM clock_timestamp() - e.beat_at),
       {_TABLE}, (SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM campaigns_delivery_id_seq),
       EXISTS (SELECT 1 FROM campaigns_delivery) OR EXISTS (SELECT 1 FROM campaigns_campaign WHERE state <> 'draft')
FROM (SELECT 1) one LEFT JOIN instance_epoch e ON e.id = 1
"""  # noqa: S608 - the fragment is a constant


def _see() -> _Seen:
    system, timeline = _cluster()
    with connection.cursor() as cursor:
        cursor.execute(_READ)
        row = cursor.fetchone()
    epoch, serial, table, row_system, row_timeline, last_id, beat_at, sent_at, frozen, settled, silent, *rest = row
    actual_table, highest, holds_work = rest
    standing = None
    if epoch is not None:
        standing = Standing(
            epoch, serial, Identity(table, row_system, row_timeline), last_id, _iso(beat_at), _iso(sent_at)
        )
    return _Seen(
        standing,
        Identity(actual_table, system, timeline),
        highest,
        None if silent is None else float(silent),
        bool(frozen),
        bool(settled),
        holds_work,
    )


def _iso(moment: dt.datetime | None) -> str:
    return moment.isoformat() if moment else ""


def _cluster() -> tuple[str, str]:
    """Return the cluster's number and its timeline; empty where this server does not tell them."""
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(
                """SELECT system_identifier::text, substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8)
                   FROM pg_control_system()"""
            )
            system, timeline = cursor.fetchone()
    except (ProgrammingError, NotSupportedError):
        return "", ""
    return str(system), str(timeline)


def finding() -> Reason | None:
    """Return why this is not the database we knew, frozen already or not; changes nothing."""
    copy = _remembered()
    return _judge(_see(), copy)


def _remembered() -> Outside | None:
    """Return what is known outside the database: always read before the row, which others write on meanwhile."""
    copy = outside.read()
    if _known and (copy is None or _known.order > copy.standing.order):
        return Outside(_known)
    return copy


def _judge(seen: _Seen, copy: Outside | None) -> Reason | None:
    # A database in which nothing was ever sent is a new one, whatever an older one left in the data folder.
    if not seen.holds_work or outside.path() is None:
        return None
    return epochs.judge(
        seen.row,
        seen.actual,
        last_delivery_id=seen.last_delivery_id,
        outside=copy,
        silent_seconds=seen.silent_seconds,
    )


def look() -> Reason | None:
    """Freeze at once where the database is not the one we knew; for every new connection of a worker."""
    copy = _remembered()
    seen = _see()
    if seen.is_frozen:
        return None
    reason = _judge(seen, copy)
    if reason:
        _freeze(reason, seen)
    return reason


def observe(*, has_sent: bool = False) -> None:
    """Look, do what a freeze asks for, and otherwise write on; every few seconds, by every worker process.

    Args:
        has_sent: whether this process has sent letters since it last observed.
    """
    if outside.path() is None:
        return
    look()
    frozen = state()
    if frozen:
        if not frozen.is_settled:
            settle()
        return
    _write_on(has_sent=has_sent)


def make_row(**_signal: Any) -> None:
    """Give a new database its row, without which nothing leaves; after every `migrate` and `flush`.

    Never by a worker: it would do so in the middle of a restore. A database that holds work and has lost its row is
    taken for a restored one instead, wherever there is a copy outside to be kept.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass('instance_epoch'), to_regclass('campaigns_delivery')")
        if None in cursor.fetchone():
            return  # in the middle of the migrations
    seen = _see()
    if seen.row is not None or (seen.holds_work and outside.path() is not None):
        return
    with connection.cursor() as cursor:
        cursor.execute(
            f"""INSERT INTO instance_epoch (id, epoch, serial, own_table, last_delivery_id)
                VALUES (1, 1, 0, {_TABLE}, %s) ON CONFLICT (id) DO NOTHING""",  # noqa: S608 - a constant
            [seen.last_delivery_id],
        )


_WRITE_ON = f"""
INSERT INTO instance_epoch AS e
    (id, epoch, serial, own_table, system_id, timeline, last_delivery_id, beat_at, last_sent_at)
VALUES (1, %(epoch)s, 1, {_TABLE}, %(system)s, %(timeline)s, %(highest)s, now(), CASE WHEN %(sent)s THEN now() END)
ON CONFLICT (id) DO UPDATE
SET epoch = greatest(e.epoch, excluded.epoch), serial = e.serial + 1, own_table = excluded.own_table, beat_at = now(),
    last_delivery_id = excluded.last_delivery_id,
    system_id = excluded.system_id, timeline = excluded.timeline,
    last_sent_at = coalesce(excluded.last_sent_at, e.last_sent_at)
WHERE e.frozen_at IS NULL AND (e.own_table = excluded.own_table OR %(is_new)s)
  AND (e.beat_at IS NULL OR e.beat_at < now() - %(pause)s * interval '1 second' OR %(is_new)s
       OR (%(sent)s AND coalesce(e.last_sent_at < now() - %(pause)s * interval '1 second', true)))
"""  # noqa: S608 - the fragment is a constant


def _write_on(*, has_sent: bool) -> None:
    global _known
    copy = outside.read()
    seen = _see()
    if seen.row is None:
        return  # a restore may be about to fill the table: only `make_row` makes it
    is_new = copy is not None and not seen.holds_work and copy.standing.order > seen.row.order
    values: dict[str, Any] = {
        "epoch": copy.standing.epoch + 1 if copy and is_new else 1,
        "is_new": is_new,
        "system": seen.actual.system,
        "timeline": seen.actual.timeline,
        "highest": seen.last_delivery_id,
        "sent": has_sent,
        "pause": settings.LIMITS.look_at_control * 0.9,
    }
    with connection.cursor() as cursor:
        cursor.execute(_WRITE_ON, values)
    now = _see()
    if now.row and not now.is_frozen:
        _known = now.row
        outside.write(now.row)


def state() -> Freeze | None:
    """Return the freeze, if nothing may be sent."""
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT frozen_reason, frozen_at, knows_until, settled_at IS NOT NULL, detail
               FROM instance_epoch WHERE frozen_at IS NOT NULL"""
        )
        row = cursor.fetchone()
    if row is None:
        return None
    reason, at, knows_until, is_settled, detail = row
    return Freeze(
        Reason(reason), at, knows_until, is_settled, json.loads(detail) if isinstance(detail, str) else detail
    )


def refuse_while_frozen() -> None:
    """Raise where nothing may be sent.

    Raises:
        FrozenError: nothing has changed, the sentence says what to do.
    """
    if state():
        raise FrozenError(
            _("The database was restored, and nothing is sent until an operator runs manage.py confirm_restore.")
        )


def _freeze(reason: Reason, seen: _Seen) -> None:
    copy = outside.read()
    ahead = copy.standing if copy else None
    with connection.cursor() as cursor:
        cursor.execute(
            f"""INSERT INTO instance_epoch AS e (id, epoch, serial, own_table, last_delivery_id, frozen_at,
                                                frozen_reason, knows_until, detail)
                VALUES (1, %(epoch)s, 1, {_TABLE}, %(highest)s, now(), %(reason)s, NULL, %(detail)s)
                ON CONFLICT (id) DO UPDATE
                SET frozen_at = now(), frozen_reason = %(reason)s, knows_until = e.beat_at, settled_at = NULL,
                    detail = %(detail)s
                WHERE e.frozen_at IS NULL""",  # noqa: S608 - the fragment is a constant
            {
                "epoch": ahead.epoch if ahead else 1,
                "highest": seen.last_delivery_id,
                "reason": reason.value,
                "detail": json.dumps(
                    {
                        "serial": seen.row.serial if seen.row else 0,
                        "outside_serial": ahead.serial if ahead else None,
                        "outside_last_sent_at": ahead.last_sent_at if ahead else "",
                        "outside_last_delivery_id": ahead.last_delivery_id if ahead else 0,
                    }
                ),
            },
        )
        if cursor.rowcount:
            log.critical("This database was restored or replaced (%s): nothing is sent until it is confirmed", reason)


# Whatever was due may have gone out after the dump. Where another server took over only the last commits can be
# missing: what workers had been told of.
_HOLD = """
UPDATE campaigns_delivery d
SET state = 'unconfirmed', reason = 'restored', failure = 'ambiguous', ambiguous_count = d.ambiguous_count + 1,
    rung_at = NULL, lease_until = NULL, moved_at = now()
WHERE d.state IN ('queued', 'leased', 'sending', 'committing') AND d.due_at <= now()
  AND (d.kind <> 'campaign' OR EXISTS (SELECT 1 FROM campaigns_campaign k WHERE k.id = d.campaign_id
                                        AND k.state IN ('sending', 'paused', 'stalled', 'preparing')))
  AND (%(all)s OR d.state <> 'queued' OR d.rung_at IS NOT NULL)
"""


def settle() -> dict[str, Any]:
    """Pause what was being sent and hold what may have gone out; return the counts. Once, whoever comes first."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
        frozen = state()
        if frozen is None or frozen.is_settled:
            return frozen.detail if frozen else {}
        cursor.execute(_HOLD, {"all": frozen.reason is not Reason.TAKEN_OVER})
        held = cursor.rowcount
        counts = {
            "held": held,
            # A stalled campaign would go on by itself as soon as a worker comes.
            "paused": _move(cursor, "sending", "paused", "paused") + _move(cursor, "stalled", "paused", "paused"),
            "cancelled": 0,
            "taken_back": 0,
        }
        if frozen.reason is not Reason.TAKEN_OVER:
            counts["cancelled"] = _move(cursor, "preparing", "cancelled", "cancelled")
            # Also those of a later hour: since the dump they may have been sent, moved or taken back.
            counts["taken_back"] = _move(cursor, "scheduled", "draft", "unscheduled")
        cursor.execute(
            """SELECT setval('campaigns_delivery_id_seq', greatest(last_value, %s) + %s)
               FROM campaigns_delivery_id_seq""",
            [int(frozen.detail.get("outside_last_delivery_id") or 0), NUMBERS_LEFT_OUT],
        )
        detail = {**frozen.detail, **counts}
        cursor.execute("UPDATE instance_epoch SET settled_at = now(), detail = %s", [json.dumps(detail)])
    log.warning("Restored database: %s", counts)
    return detail


def _move(cursor: Any, source: str, target: str, kind: str) -> int:
    cursor.execute(
        f"""UPDATE campaigns_campaign k SET state = %s, state_reason = 'restored', held = {STOOD}, moved_at = now()
            WHERE k.state = %s RETURNING k.id""",  # noqa: S608 - a constant
        [target, source],
    )
    moved = [row[0] for row in cursor.fetchall()]
    for campaign_id in moved:
        history.note(campaign_id, kind, reason="restored")
    return len(moved)


def thaw() -> None:
    """Begin a new epoch in the database as it is now; only `confirm_restore` does this, and only after `settle`."""
    global _known
    seen = _see()
    with transaction.atomic(), connection.cursor() as cursor:
        copy = outside.read()
        epoch = max(seen.row.epoch if seen.row else 0, copy.standing.epoch if copy else 0) + 1
        cursor.execute(
            f"""UPDATE instance_epoch SET epoch = %s, serial = serial + 1, own_table = {_TABLE}, system_id = %s,
                    timeline = %s, beat_at = now(), last_delivery_id = %s, frozen_at = NULL, frozen_reason = '',
                    settled_at = NULL, knows_until = NULL, detail = '{{}}'
                WHERE id = 1""",  # noqa: S608 - the fragment is a constant
            [epoch, seen.actual.system, seen.actual.timeline, seen.last_delivery_id],
        )
    now = _see()
    if now.row:
        _known = replace(now.row)
        outside.write(now.row)


def forget() -> None:
    """Forget what this process knew; for tests and for a process that changes its database."""
    global _known
    _known = None
