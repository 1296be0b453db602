"""Recording what became of a letter: one guarded statement per result, kept safe while the database is away."""

from __future__ import annotations

import logging
import time
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import Error, connection, transaction

from apps.campaigns import retries
from apps.campaigns.models import Delivery, DeliveryEntry
from apps.campaigns.services import aging, claims, spool
from apps.campaigns.services.claims import Claimed
from apps.campaigns.services.gates import ERASED
from apps.campaigns.states import DeliveryState, Policy
from apps.contacts.services import suppression
from apps.smtp import bounces
from apps.smtp.outcome import (
    THROTTLED,
    Accepted,
    Deferred,
    FailureClass,
    Outcome,
    Rejected,
    Reply,
    Unknown,
    Withheld,
    one_line,
)
from core import addresses, database

log = logging.getLogger(__name__)

DATABASE_AWAY = database.AWAY


@dataclass(frozen=True, slots=True)
class Result:
    """What will be written about one attempt; plain values, so that it can wait in the spool file."""

    delivery_id: int
    token: int
    from_states: tuple[str, ...]
    state: str
    reason: str = ""
    wait_seconds: float = 0
    is_counted: bool = True
    counted_tries: int = 0
    protocol_tries: int = 0
    stage: str = ""
    code: int | None = None
    enhanced: str = ""
    text: str = ""
    failure: str = ""
    is_ambiguous: bool = False
    suppress_workspace_id: int | None = None
    suppress_email: str = ""
    message_id: str = ""


# A late result still corrects a row that the reaper has called unconfirmed, or put back for its one more try: neither
# raises the token, and whoever begins that try does.
AFTER_MARK = (DeliveryState.COMMITTING.value, DeliveryState.UNCONFIRMED.value, DeliveryState.QUEUED.value)
BEFORE_MARK = (DeliveryState.SENDING.value,)
# Certainly not sent, wherever the row stands: before the dot, or withheld by ourselves. Whether the marker was
# committed may be unknown, because the database went away while it was set.
NOT_SENT = (*BEFORE_MARK, *AFTER_MARK)


def interpret(claimed: Claimed, outcome: Outcome, *, was_marked: bool) -> Result:
    """Return what the outcome means for the row; pure."""
    base: dict[str, Any] = {
        "delivery_id": claimed.delivery_id,
        "token": claimed.token,
        "from_states": AFTER_MARK if was_marked else NOT_SENT,
        "message_id": claimed.message_id,
    }
    match outcome:
        case Accepted(reply):
            return Result(**base, state=DeliveryState.SENT, stage="dot", **_reply(reply))
        case Unknown(stage, reason):
            return _unknown(claimed, base, stage=stage.value, reason=reason)
        case Withheld(reason, _marked):
            wait = 0.0 if reason in ("refused", "stopped") else 5.0
            return Result(
                **{**base, "from_states": NOT_SENT},
                state=DeliveryState.QUEUED,
                reason=reason,
                wait_seconds=wait,
                is_counted=False,
            )
        case Deferred():
            return _deferred(claimed, base, outcome)
        case Rejected(stage, reply, failure):
            is_suppressed = bounces.suppresses(stage, failure)
            return Result(
                **base,
                state=DeliveryState.FAILED,
                reason=failure.value,
                failure=failure.value,
                stage=stage.value,
                suppress_workspace_id=claimed.workspace_id if is_suppressed else None,
                suppress_email=claimed.email if is_suppressed else "",
                **_reply(reply),
            )


def _reply(reply: Reply | None) -> dict[str, Any]:
    return {"code": reply.code, "enhanced": reply.enhanced[:12], "text": reply.text[:500]} if reply else {}


def _unknown(claimed: Claimed, base: dict[str, Any], *, stage: str, reason: str) -> Result:
    shared: dict[str, Any] = {
        **base,
        "stage": stage,
        "text": one_line(reason)[:500],
        "failure": FailureClass.AMBIGUOUS.value,
        "is_ambiguous": True,
    }
    if claimed.policy == Policy.RETRY_ONCE:
        pause = retries.AMBIGUOUS_PAUSE * settings.LIMITS.retry_scale
        return Result(**shared, state="retry_once", reason="retry_once", wait_seconds=pause.total_seconds())
    return Result(**shared, state=DeliveryState.UNCONFIRMED, reason="no_reply")


def _deferred(claimed: Claimed, base: dict[str, Any], outcome: Deferred) -> Result:
    shared: dict[str, Any] = {**base, "stage": outcome.stage.value, "failure": outcome.failure.value}
    shared |= _reply(outcome.reply) or {"text": outcome.reason[:500]}
    if outcome.reason == THROTTLED:  # the account waits as a whole; for the letter it was no try
        wait = outcome.retry_after or timedelta()
        reason, seconds = outcome.failure.value, wait.total_seconds()
        return Result(**shared, state=DeliveryState.QUEUED, reason=reason, wait_seconds=seconds, is_counted=False)
    shared["counted_tries"] = int(outcome.counted)
    if outcome.counted and (bound := bounces.effect(outcome.failure).max_tries):
        shared["protocol_tries"] = 1
        if claimed.protocol_tries + 1 >= bound:
            return Result(**shared, state=DeliveryState.FAILED, reason=outcome.failure.value)
    # Trouble of the line or the account says nothing about this letter: its schedule does not grow.
    step = claimed.counted_tries + 1 if outcome.counted else 1
    wait = max(retries.wait_after(step) * settings.LIMITS.retry_scale, outcome.retry_after or timedelta())
    return Result(**shared, state=DeliveryState.QUEUED, reason=outcome.failure.value, wait_seconds=wait.total_seconds())


def unsent(claimed: Claimed) -> Result:
    """Return what to write about a letter that was begun and could not be read from the database: back, not counted."""
    return Result(
        claimed.delivery_id,
        claimed.token,
        BEFORE_MARK,
        DeliveryState.QUEUED,
        reason="database_away",
        is_counted=False,
        message_id=claimed.message_id,
    )


# "retry_once" becomes queued the first time and unconfirmed the second; a letter that would wait beyond its expiry
# has expired now, unless its campaign stands still. A result that corrects the reaper takes back what the reaper
# assumed; while any other offer of the letter is unanswered, no end may say "not sent". Where the person was deleted
# meanwhile, what the server said is left out: it may repeat the address.
_STILL_ALIVE = aging.alive("o", wait="%(wait)s * interval '1 second'")
_WRITE = f"""
UPDATE campaigns_delivery d
SET state = CASE WHEN n.state IN ('failed', 'expired') AND n.unanswered > 0 THEN 'unconfirmed' ELSE n.state END,
    reason = CASE WHEN n.state = 'expired' THEN 'expired' ELSE %(reason)s END,
    token = d.token + 1, owner = '', lease_until = NULL, attempt_deadline = NULL, rung_at = NULL, moved_at = now(),
    due_at = CASE WHEN n.state = 'queued' THEN now() + %(wait)s * interval '1 second' ELSE d.due_at END,
    attempts = CASE WHEN %(counted)s THEN d.attempts ELSE greatest(d.attempts - 1, 0) END,
    counted_tries = d.counted_tries + %(counted_tries)s, protocol_tries = d.protocol_tries + %(protocol_tries)s,
    ambiguous_count = n.unanswered + %(ambiguous)s,
    sent_at = CASE WHEN n.state = 'sent' THEN now() ELSE d.sent_at END,
    last_stage = %(stage)s, last_code = %(code)s, last_enhanced = %(enhanced)s,
    last_text = CASE WHEN {ERASED} THEN '' ELSE %(text)s END, failure = %(failure)s
FROM (SELECT o.id, o.state AS was, o.unanswered, CASE
        WHEN %(state)s = 'retry_once' THEN CASE WHEN o.unanswered = 0 THEN 'queued' ELSE 'unconfirmed' END
        WHEN %(state)s = 'queued' AND NOT {_STILL_ALIVE} THEN 'expired'
        ELSE %(state)s END AS state
      FROM (SELECT id, state, expires_at, campaign_id, kind,
                   greatest(0, ambiguous_count - CASE WHEN state IN ('unconfirmed', 'queued') THEN 1 ELSE 0 END)
                     AS unanswered
            FROM campaigns_delivery WHERE id = %(id)s) o) n
WHERE d.id = n.id AND d.token = %(token)s AND d.state = ANY(%(from_states)s)
  AND (%(message_id)s = '' OR d.message_id = %(message_id)s)
RETURNING n.was, {ERASED}
"""  # noqa: S608 - a constant

# The server's yes is certain whatever the row says meanwhile: it was put back and perhaps begun again, or closed. After
# a fail-over that lost the last commits the row's token may even be lower, and its number may be another letter's: the
# Message-ID tells which letter was taken, where it is known (results of older versions waited without it).
_SENT_AFTER_ALL = f"""
WITH late AS (
  SELECT id, state, reason FROM campaigns_delivery
  WHERE id = %(id)s AND state <> 'sent'
    AND CASE WHEN %(message_id)s = '' THEN token >= %(token)s ELSE message_id = %(message_id)s END FOR UPDATE
), moved AS (
  UPDATE campaigns_delivery d
  SET state = 'sent', reason = 'late_answer', token = greatest(d.token, %(token)s) + 1, owner = '', lease_until = NULL,
      attempt_deadline = NULL, rung_at = NULL, moved_at = now(), sent_at = now(), ambiguous_count = 0,
      last_stage = %(stage)s, last_code = %(code)s, last_enhanced = %(enhanced)s,
      last_text = CASE WHEN {ERASED} THEN '' ELSE %(text)s END, failure = ''
  FROM late WHERE d.id = late.id RETURNING d.id, d.campaign_id
)
INSERT INTO campaigns_deliveryentry (delivery_id, campaign_id, at, kind, detail)
SELECT moved.id, moved.campaign_id, now(), 'late_answer',
       jsonb_build_object('was', late.state, 'reason', late.reason, 'now', 'sent')
FROM moved JOIN late ON late.id = moved.id
"""  # noqa: S608 - a constant


def write(result: Result) -> bool:
    """Write one result and what follows from it; return whether the row was still ours, or is sent after all.

    Writing twice is harmless: the second finds a raised token and changes nothing.
    """
    if result.suppress_workspace_id is None:
        return _write_row(result).is_ours
    with transaction.atomic():
        written = _write_row(result)
        if written.is_ours:
            _suppress(result, result.suppress_workspace_id, by_hash_only=written.is_erased)
    return written.is_ours


def _suppress(result: Result, workspace_id: int, *, by_hash_only: bool) -> None:
    """Suppress the address that bounced; of a person who was deleted meanwhile only the fingerprint stays."""
    email = result.suppress_email
    known = {"email_hash": addresses.fingerprint(addresses.parse(email).normalised)} if by_hash_only else {}
    source = f"delivery {result.delivery_id}: {result.code} {result.enhanced}".strip()
    suppression.add(workspace_id, email="" if by_hash_only else email, reason="hard_bounce", source=source, **known)


@dataclass(frozen=True, slots=True)
class _Written:
    is_ours: bool
    is_erased: bool = False


def _write_row(result: Result) -> _Written:
    values = {
        "id": result.delivery_id,
        "token": result.token,
        "from_states": list(result.from_states),
        "state": result.state,
        "reason": result.reason,
        "wait": result.wait_seconds,
        "counted": result.is_counted,
        "counted_tries": result.counted_tries,
        "protocol_tries": result.protocol_tries,
        "ambiguous": int(result.is_ambiguous),
        "stage": result.stage,
        "code": result.code,
        "enhanced": result.enhanced,
        "text": result.text,
        "failure": result.failure,
        "message_id": result.message_id,
    }
    written = database.execute(_WRITE, values)
    if written.row is None:
        return _Written(result.state == DeliveryState.SENT and _sent_after_all(values))
    was, is_erased = written.row
    if was in (DeliveryState.UNCONFIRMED, DeliveryState.QUEUED):
        _note_correction(result, was=str(was))
    return _Written(is_ours=True, is_erased=is_erased)


def _sent_after_all(values: dict[str, Any]) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(_SENT_AFTER_ALL, values)
        return bool(cursor.rowcount)


def _note_correction(result: Result, *, was: str) -> None:
    """Keep in the letter's history that an answer came after the row had been given up on."""
    DeliveryEntry.objects.create(
        delivery_id=result.delivery_id,
        campaign_id=Delivery.objects.values_list("campaign_id", flat=True).get(pk=result.delivery_id),
        kind="late_answer",
        detail={"was": was, "reason": "process_died", "now": str(result.state)},
    )


def record(result: Result, *, until: float) -> bool:
    """Write the result, however long the database takes to come back; what it refuses goes to the spool file, too.

    Args:
        until: `time.monotonic()` at which waiting ends and the result goes to the fsynced spool file instead.

    Returns False only when the row had passed to somebody else.
    """
    pause = 0.1
    while True:
        try:
            return write(result)
        except DATABASE_AWAY:
            drop_connection()
            if time.monotonic() + pause >= until:
                spool.append(asdict(result))
                return True
            time.sleep(pause)
            pause = min(pause * 2, 2.0)
        except (Error, UnicodeError) as error:  # a bug, or a schema in the middle of an update: waiting here is no help
            spool.append(asdict(result))
            log.critical(
                "The database refused the result of delivery %s (%s)", result.delivery_id, spool.kind_of(error)
            )
            return True


def drop_connection() -> None:
    """Close this process's database connection, in whatever state it is; the next query opens a new one."""
    try:
        connection.close()
    except Error:
        connection.connection = None


def replay(line: dict[str, Any]) -> bool:
    """Write one result that waited in the spool file."""
    return write(Result(**{**line, "from_states": tuple(line["from_states"])}))


def fail_unrendered(claimed: Claimed, *, code: str, text: str) -> bool:
    """Close a letter that could not be composed; the next recipient is not its business."""
    return write(
        Result(
            claimed.delivery_id,
            claimed.token,
            BEFORE_MARK,
            DeliveryState.FAILED,
            reason=FailureClass.RENDER.value,
            failure=FailureClass.RENDER.value,
            stage=FailureClass.RENDER.value,
            enhanced="",
            text=one_line(f"{code}: {text}")[:500],
            message_id=claimed.message_id,
        )
    )


def after_refusal(claimed: Claimed) -> None:
    """Close or release a letter that the marker refused, now that it is back in the queue."""
    claims.settle_refused(claimed.delivery_id)


def record_deadline(task_started: float) -> float:
    """Return until when (monotonic) a result may wait for the database: the hard limit less a margin."""
    limits = settings.LIMITS
    return task_started + float(limits.single.hard - limits.record_margin)
