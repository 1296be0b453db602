"""Notes now and then how far campaigns are, so that their pace can be drawn without counting a million letters."""

from __future__ import annotations

from django.conf import settings
from django.db import connection

from apps.campaigns.services.gates import GOES

# Large campaigns are measured less often. The slot lets two beats at once write one row.
_DUE = f"""
SELECT k.id FROM campaigns_campaign k WHERE {GOES} AND NOT EXISTS (
  SELECT 1 FROM campaigns_pacesample s WHERE s.campaign_id = k.id
  AND s.at > now() - 0.9 * interval '1 second'
             * CASE WHEN k.audience_size > %(large)s THEN %(slowly)s ELSE %(period)s END)
ORDER BY k.id
"""  # noqa: S608 - a constant
_MEASURE = f"""
INSERT INTO campaigns_pacesample (campaign_id, slot, at, tried, waiting, held_by)
SELECT k.id, date_bin(%(period)s * interval '1 second', now(), 'epoch'::timestamptz), now(),
       coalesce(c.tried, 0), coalesce(c.waiting, '{{}}'),
       CASE WHEN NOT a.is_active THEN 'off' WHEN t.closed_until > now() THEN 'account'
            WHEN t.opens_at > now() + interval '1 minute' THEN 'limit' ELSE '' END
FROM campaigns_campaign k JOIN smtp_transport a ON a.id = k.transport_id
LEFT JOIN smtp_throttle t ON t.transport_id = a.id
CROSS JOIN LATERAL (
  SELECT sum(n) FILTER (WHERE state IN ('sent', 'failed', 'expired', 'unconfirmed')) AS tried,
         jsonb_object_agg(why, n) FILTER (WHERE why <> '') AS waiting
  FROM (SELECT state, CASE WHEN state = 'queued' AND attempts > 0 THEN mx_group || ':' || failure ELSE '' END AS why,
               count(*) AS n
        FROM campaigns_delivery WHERE campaign_id = k.id AND kind = 'campaign' GROUP BY 1, 2) groups) c
WHERE k.id = %(campaign)s AND {GOES}
ON CONFLICT (campaign_id, slot) DO NOTHING
"""  # noqa: S608 - a constant


def measure() -> int:
    """Measure every campaign that is being sent and was not measured for a while; return how many rows were written.

    Twice at once, or not for an hour: the graph has one point per slot, or a gap.
    """
    limits = settings.LIMITS
    values = {"period": limits.measure, "slowly": limits.measure_large, "large": limits.large}
    written = 0
    with connection.cursor() as cursor:
        cursor.execute(_DUE, values)
        for (campaign_id,) in cursor.fetchall():
            cursor.execute(_MEASURE, {**values, "campaign": campaign_id})
            written += cursor.rowcount
    return written
