"""One line per thing that happened to a campaign."""

from __future__ import annotations

from typing import Any

from apps.accounts.models import User
from apps.campaigns.models import CampaignEntry


def note(campaign_id: int, kind: str, *, by: User | None = None, **detail: Any) -> None:
    """Append an entry; `kind` is a stable word, `detail` plain values."""
    CampaignEntry.objects.create(campaign_id=campaign_id, kind=kind, detail=detail, by=by)
