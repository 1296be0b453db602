"""What an outcome means beyond its own row: for the campaign, and for the account."""

from __future__ import annotations

from apps.campaigns.services import canary, lifecycle, outcomes
from apps.campaigns.services.claims import Claimed
from apps.campaigns.states import DeliveryKind
from apps.smtp import bounces
from apps.smtp.outcome import Deferred, FailureClass, Outcome, Rejected, Withheld


def follow_up(claimed: Claimed, outcome: Outcome) -> bool:
    """Do what an outcome means beyond its own row; return whether it paused the campaign."""
    match outcome:
        case Withheld(reason="refused"):
            outcomes.after_refusal(claimed)
        case Deferred(failure=failure) | Rejected(failure=failure):
            return look_at_campaign(claimed, failure, is_final=isinstance(outcome, Rejected))
    return False


def look_at_campaign(claimed: Claimed, failure: FailureClass, *, is_final: bool) -> bool:
    """Pause the campaign where nothing of it can get through, or too much of it does not; return whether it was."""
    if not claimed.campaign_id or claimed.kind != DeliveryKind.CAMPAIGN:
        return False
    match bounces.effect(failure).campaign:
        case "pause":
            return lifecycle.pause_for(claimed.campaign_id, reason=failure.value)
        case "canary" if is_final:
            return canary.note(claimed.campaign_id, failure)
    return False
