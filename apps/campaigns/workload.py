"""How much work waits, whatever the broker holds: the rows say what is due."""

from __future__ import annotations

from dataclasses import dataclass

from django.conf import settings
from django.db import connection

from apps.accounts.models import Workspace

# Beyond this a page says "more than": counting on would cost more than the figure is worth.
COUNTED = 100_000


@dataclass(frozen=True, slots=True)
class Workload:
    """Letters and campaigns that somebody could take now, and whether anything at all is under way."""

    letters: int
    campaigns: int
    under_way: int


_ASK = """
SELECT
  (SELECT count(*) FROM (
     SELECT 1 FROM campaigns_campaign k JOIN campaigns_delivery d ON d.campaign_id = k.id AND d.kind = 'campaign'
     WHERE k.state = 'sending' AND d.state = 'queued' AND d.due_at <= now()
       AND (%(workspace)s::bigint IS NULL OR k.workspace_id = %(workspace)s)
     LIMIT %(most)s) letters)
  + (SELECT count(*) FROM (
     SELECT 1 FROM campaigns_delivery d
     WHERE d.state = 'queued' AND d.batch_id IS NULL AND d.due_at <= now() AND d.kind <> 'campaign'
       AND (%(workspace)s::bigint IS NULL OR d.workspace_id = %(workspace)s)
     LIMIT %(most)s) singles),
  (SELECT count(*) FROM campaigns_campaign k
   WHERE ((k.state = 'scheduled' AND k.scheduled_at <= now()
            AND NOT (k.is_appointed AND k.scheduled_at < now() - %(late)s * interval '1 second'))
          OR k.state = 'preparing')
     AND (%(workspace)s::bigint IS NULL OR k.workspace_id = %(workspace)s)),
  (SELECT count(*) FROM campaigns_campaign k
   WHERE (k.state IN ('preparing', 'sending') OR (k.state = 'scheduled' AND k.scheduled_at <= now()
            AND NOT (k.is_appointed AND k.scheduled_at < now() - %(late)s * interval '1 second')))
     AND (%(workspace)s::bigint IS NULL OR k.workspace_id = %(workspace)s))
"""


def waiting(workspace: Workspace | None) -> Workload:
    """Return what is due in a workspace, or for None on the whole installation."""
    values: dict[str, float | None] = {"workspace": workspace.pk if workspace else None, "most": COUNTED + 1}
    values["late"] = settings.LIMITS.late  # who missed their time ask a person, not a worker
    with connection.cursor() as cursor:
        cursor.execute(_ASK, values)
        letters, campaigns, under_way = cursor.fetchone()
    return Workload(min(letters, COUNTED), campaigns, under_way)
