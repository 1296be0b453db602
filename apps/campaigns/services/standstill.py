"""The moves that a campaign makes by itself when nothing can carry it, and when something can again."""

from __future__ import annotations

from django.db import transaction
from django.db.models.functions import Now

from apps.campaigns.models import Campaign
from apps.campaigns.services import history
from apps.campaigns.services.lifecycle import SWEEP, forget_rings, wait_longer
from apps.campaigns.states import CampaignState
from core import jobs


def stall(campaign_id: int, *, reason: str) -> bool:
    """Mark a sending campaign that nothing can carry."""
    moved = Campaign.objects.filter(pk=campaign_id, state=CampaignState.SENDING).update(
        state=CampaignState.STALLED, state_reason=reason, moved_at=Now()
    )
    if moved:
        history.note(campaign_id, "stalled", reason=reason)
    return bool(moved)


def wake(campaign_id: int) -> bool:
    """Let a stalled campaign go on by itself, because something that may carry it has come up since."""
    with transaction.atomic():
        wait_longer(campaign_id)
        moved = Campaign.objects.filter(pk=campaign_id, state=CampaignState.STALLED).update(
            state=CampaignState.SENDING, state_reason="", resets=0, moved_at=Now()
        )
        if moved:
            history.note(campaign_id, "resumed", reason="worker_came")
            forget_rings(campaign_id)
            jobs.ring(SWEEP)
    return bool(moved)


def give_up(campaign_id: int, *, reason: str) -> bool:
    """Fail a campaign whose audience cannot be frozen: nobody got it, and what was prepared the sweep cancels."""
    moved = Campaign.objects.filter(pk=campaign_id, state=CampaignState.PREPARING).update(
        state=CampaignState.FAILED, state_reason=reason, moved_at=Now()
    )
    if moved:
        history.note(campaign_id, "failed", reason=reason)
        jobs.ring(SWEEP)
    return bool(moved)
