"""The moves that a campaign makes by itself when nothing can carry it, and when something can again."""

from __future__ import annotations

from django.db import connection, transaction
from django.db.models.functions import Now

from apps.campaigns.models import Campaign
from apps.campaigns.services import history
from apps.campaigns.services.aging import stood
from apps.campaigns.services.gates import THAWED
from apps.campaigns.services.lifecycle import ACCOUNT, SWEEP, forget_rings
from apps.campaigns.states import CampaignState
from apps.smtp.services import breaker
from core import jobs


def stall(campaign_id: int, *, reason: str) -> bool:
    """Mark a sending campaign that nothing can carry."""
    moved = Campaign.objects.filter(pk=campaign_id, state=CampaignState.SENDING).update(
        state=CampaignState.STALLED, state_reason=reason, held=stood(), moved_at=Now()
    )
    if moved:
        history.note(campaign_id, "stalled", reason=reason)
    return bool(moved)


def wake(campaign_id: int, *, reason: str = "worker_came") -> bool:
    """Let a stalled campaign go on by itself, because something that may carry it has come up since."""
    with transaction.atomic():
        moved = Campaign.objects.filter(pk=campaign_id, state=CampaignState.STALLED).update(
            state=CampaignState.SENDING, state_reason="", resets=0, held=stood(), moved_at=Now()
        )
        if moved:
            history.note(campaign_id, "resumed", reason=reason)
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


_TROUBLED = breaker.TROUBLED.format("k.transport_id")


def look_at_accounts() -> tuple[int, int]:
    """Stall the campaigns whose account is off or in trouble, and wake those whose account is well again.

    This says how a campaign stands; what holds its letters is the account itself (`gates.STALLED_FOR_ACCOUNT`). So one
    letter may still go now and then to see whether the account works, and what is in hand ends as it ends.

    Returns how many stalled and how many went on.
    """
    stalled = sum(
        stall(one, reason=ACCOUNT)
        for one in _find(
            f"""k.state = 'sending' AND {_TROUBLED} AND EXISTS (
                SELECT 1 FROM campaigns_delivery d WHERE d.campaign_id = k.id AND d.kind = 'campaign'
                AND d.state = 'queued')"""  # noqa: S608 - constants
        )
    )
    woken = sum(
        wake(one, reason="account_well")
        for one in _find(f"k.state = 'stalled' AND k.state_reason = '{ACCOUNT}' AND NOT {_TROUBLED}")
    )
    return stalled, woken


def _find(which: str) -> list[int]:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT k.id FROM campaigns_campaign k WHERE {which} AND {THAWED} ORDER BY k.id")  # noqa: S608
        return [row[0] for row in cursor.fetchall()]
