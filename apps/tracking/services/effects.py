"""What events mean for deliveries, beyond the moment they came."""

from __future__ import annotations

from django.db import connection

from apps.campaigns.services import proofs
from apps.tracking.machines import PROVES_ARRIVAL

# Only campaigns that move or moved lately: unconfirmed letters are few, and found by (campaign, state).
_PROVEN = """
SELECT d.id, min(e.kind)
FROM campaigns_campaign k
JOIN campaigns_delivery d ON d.campaign_id = k.id AND d.state = 'unconfirmed'
JOIN tracking_event e ON e.delivery_id = d.id AND (e.machine_reason = ANY(%s) OR e.kind = 'unsubscribe')
WHERE k.state IN ('sending', 'paused', 'stalled') OR k.moved_at > now() - interval '1 day'
GROUP BY d.id ORDER BY d.id LIMIT 1000
"""


def prove_arrivals() -> int:
    """Close unconfirmed letters whose reader was faster than the reaper; return how many.

    An open may come while the letter still counts as in hand (its process was killed at the dot); only minutes
    later the row says unconfirmed.
    """
    with connection.cursor() as cursor:
        cursor.execute(_PROVEN, [sorted(PROVES_ARRIVAL)])
        found = cursor.fetchall()
    return sum(proofs.arrived(delivery_id, by=kind) for delivery_id, kind in found)
