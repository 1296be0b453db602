"""What comes back later and proves what became of a letter that nobody knew about: it closes the question."""

from __future__ import annotations

from typing import Any

from django.db import connection

from apps.smtp.outcome import FailureClass, Reply

# Unconfirmed, or waiting (and not yet marked) for the one more try that its policy allows.
_OPEN = """(state = 'unconfirmed' OR (state IN ('queued', 'leased', 'sending') AND ambiguous_count > 0))"""

_CLOSE = """
WITH asked AS (
  SELECT id, state, reason FROM campaigns_delivery WHERE id = %(id)s AND {which} FOR UPDATE
), closed AS (
  UPDATE campaigns_delivery d
  SET {changes}, token = d.token + 1, owner = '', lease_until = NULL, attempt_deadline = NULL, rung_at = NULL,
      moved_at = now(), ambiguous_count = 0
  FROM asked WHERE d.id = asked.id RETURNING d.id, d.campaign_id, d.state
)
INSERT INTO campaigns_deliveryentry (delivery_id, campaign_id, at, kind, detail)
SELECT closed.id, closed.campaign_id, now(), 'proven',
       jsonb_build_object('was', asked.state, 'reason', asked.reason, 'by', %(by)s::text, 'now', closed.state)
FROM closed JOIN asked ON asked.id = closed.id
"""
_ARRIVED = _CLOSE.format(
    which=_OPEN, changes="state = 'sent', reason = %(reason)s, sent_at = coalesce(d.sent_at, d.moved_at)"
)
# A bounce speaks of one copy. Where a second may be on its way it settles nothing, unless nobody is there at all.
_BOUNCED = _CLOSE.format(
    which=f"{_OPEN} AND (ambiguous_count <= 1 OR %(reason)s = 'perm_recipient')",
    changes="""state = 'failed', reason = %(reason)s, failure = %(reason)s, last_stage = 'later', last_code = %(code)s,
      last_enhanced = %(enhanced)s, last_text = %(text)s""",
)


def arrived(delivery_id: int, *, by: str) -> bool:
    """Close an unconfirmed letter as sent, because something came back that only its arrival can cause.

    The event is kept in the letter's history; its campaign's account moves with the row, and no second copy leaves.

    Args:
        by: what came back: open, click, unsubscribe, view, delivered …

    Returns whether there was a question to close.
    """
    return _close(_ARRIVED, {"id": delivery_id, "by": by, "reason": f"proven_by_{by}"[:40]})


def bounced(delivery_id: int, *, failure: FailureClass, reply: Reply, by: str = "bounce") -> bool:
    """Close an unconfirmed letter as failed, because its bounce came back; see `arrived`.

    The caller has made sure that the bounce is genuine, and suppresses the address where the rule says so.

    Args:
        failure: what the bounce is about, as `bounces.classify` understands it.
        reply: what it quotes of the server.
    """
    values: dict[str, Any] = {"id": delivery_id, "by": by, "reason": failure.value, "code": reply.code or None}
    return _close(_BOUNCED, values | {"enhanced": reply.enhanced[:12], "text": reply.text[:500]})


def _close(statement: str, values: dict[str, Any]) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return bool(cursor.rowcount)
