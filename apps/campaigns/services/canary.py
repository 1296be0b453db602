"""Pauses a campaign by itself when too many of its letters meet the same wall: a bad list, or a letter none can build.

The first hundred letters are the canary, and what holds for them goes on holding for the rest. Only letters since the
campaign last moved count: whoever lets it go on after a look has accepted what was before.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Final

from django.db import connection

from apps.campaigns.services import lifecycle
from apps.campaigns.services.gates import GOES
from apps.smtp.outcome import FailureClass


@dataclass(frozen=True, slots=True)
class Bound:
    """How many of a class are too many: more than `least`, and more than `share` of what was tried."""

    reason: str
    least: int
    share: float


BOUNDS: Final[dict[FailureClass, Bound]] = {
    FailureClass.PERM_RECIPIENT: Bound("hard_bounces", least=5, share=0.05),
    FailureClass.RENDER: Bound("letters_unbuilt", least=1, share=0.01),
}
# Counting costs more the longer a campaign runs, so a process asks at each of its first failures, then now and then.
ALWAYS_UP_TO: Final = 20
THEN_EVERY: Final = 50

_IS_TOO_MUCH = f"""
SELECT bad.n > %(least)s AND bad.n > %(share)s * (
  SELECT count(*) FROM (
    SELECT 1 FROM campaigns_delivery d
    WHERE d.campaign_id = k.id AND d.kind = 'campaign' AND d.state IN ('sent', 'failed', 'unconfirmed')
      AND d.moved_at > k.moved_at
    LIMIT (bad.n / %(share)s)::bigint + 1) tried)
FROM campaigns_campaign k CROSS JOIN LATERAL (
  SELECT count(*) AS n FROM campaigns_delivery d
  WHERE d.campaign_id = k.id AND d.kind = 'campaign' AND d.state = 'failed' AND d.reason = %(failure)s
    AND d.moved_at > k.moved_at) bad
WHERE k.id = %(campaign)s AND {GOES}
"""  # noqa: S608 - a constant

_seen: Counter[tuple[int, FailureClass]] = Counter()


def note(campaign_id: int, failure: FailureClass) -> bool:
    """Look at a campaign one letter of which has just failed for this; return whether it was paused."""
    bound = BOUNDS.get(failure)
    if bound is None or not _is_time_to_ask(campaign_id, failure):
        return False
    values = {"campaign": campaign_id, "failure": failure.value, "least": bound.least, "share": bound.share}
    with connection.cursor() as cursor:
        cursor.execute(_IS_TOO_MUCH, values)
        row = cursor.fetchone()
    return bool(row and row[0]) and lifecycle.pause_for(campaign_id, reason=bound.reason)


def _is_time_to_ask(campaign_id: int, failure: FailureClass) -> bool:
    _seen[campaign_id, failure] += 1
    seen = _seen[campaign_id, failure]
    return seen <= ALWAYS_UP_TO or seen % THEN_EVERY == 0
