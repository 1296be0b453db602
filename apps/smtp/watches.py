"""What goes wrong on the smtp floor, for the record of incidents: sending accounts that are stopped."""

from __future__ import annotations

from apps.smtp.models import Throttle
from core.incidents import Sighting, register


@register("account_stopped")
def stopped_accounts() -> list[Sighting]:
    """Return the accounts that failed so often that they are tried only now and then."""
    troubled = Throttle.objects.filter(
        transport__is_active=True, trouble_since__isnull=False, closed_until__isnull=False
    ).select_related("transport")
    return [
        Sighting(
            "account_stopped",
            f"{one.transport.name} ({one.transport_id})",
            one.transport.workspace_id,
            {"name": one.transport.name, "stage": one.trouble_stage, "failures": one.failures},
        )
        for one in troubled
    ]
