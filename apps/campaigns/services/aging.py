"""How long a campaign stood still: its letters live longer by that, and none of their rows is written for it.

`held` of a campaign is what it stood still until its last move; every move adds what has come since. So a letter's own
`expires_at` is by a clock that stops while nobody may try it, and the campaign's row alone tells how late it is.
`k` is the campaign in every fragment.
"""

from __future__ import annotations

from django.db.models import DurationField
from django.db.models.expressions import RawSQL

# While an account is off, its campaigns stand still before the sweep says so, too.
_OFF_SINCE = """(SELECT t.switched_off_at FROM smtp_transport t WHERE t.id = {k}.transport_id)"""
# By the clock of Django's `Now()`, which writes the moves.
_STOOD = f"""({{k}}.held + greatest(interval '0', CASE
    WHEN {{k}}.state IN ('paused', 'stalled') THEN statement_timestamp() - {{k}}.moved_at
    WHEN {{k}}.state = 'sending' AND {_OFF_SINCE} IS NOT NULL
    THEN statement_timestamp() - greatest({{k}}.moved_at, {_OFF_SINCE})
    ELSE interval '0' END))"""

STOOD = _STOOD.format(k="k")
"""In SQL, how long a campaign has stood still in its whole life until now."""

STANDS = f"""(k.state IN ('paused', 'stalled')
    OR (k.state = 'sending' AND {_OFF_SINCE.format(k="k")} IS NOT NULL))"""


def stood() -> RawSQL:
    """Return `STOOD` for `Campaign.objects.update(held=...)`, which belongs to every move out of a standstill."""
    return RawSQL(_STOOD.format(k="campaigns_campaign"), [], output_field=DurationField())  # noqa: S611 - a constant


def alive(letter: str = "d", *, wait: str = "interval '0'") -> str:
    """Return in SQL whether a letter may be tried after so long a wait; while its campaign stands still none expires.

    Args:
        letter: the alias of the letter's row.
        wait: an interval in SQL.
    """
    return f"""({letter}.expires_at > now() + {wait} OR EXISTS (
    SELECT 1 FROM campaigns_campaign k WHERE k.id = {letter}.campaign_id AND {letter}.kind = 'campaign'
      AND ({STANDS} OR {letter}.expires_at + {STOOD} > now() + {wait})))"""  # noqa: S608 - constants
