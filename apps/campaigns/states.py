"""The states of campaigns and deliveries, and which may follow which; pure."""

from __future__ import annotations

from enum import StrEnum


class DeliveryState(StrEnum):
    """Where one letter stands; see docs/adr and ARCHITECTURE.md for the drawing."""

    QUEUED = "queued"
    LEASED = "leased"
    SENDING = "sending"
    COMMITTING = "committing"
    SENT = "sent"
    FAILED = "failed"
    SKIPPED = "skipped"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    UNCONFIRMED = "unconfirmed"


TERMINAL = frozenset(
    {
        DeliveryState.SENT,
        DeliveryState.FAILED,
        DeliveryState.SKIPPED,
        DeliveryState.EXPIRED,
        DeliveryState.CANCELLED,
        DeliveryState.UNCONFIRMED,
    }
)
IN_HAND = frozenset({DeliveryState.LEASED, DeliveryState.SENDING, DeliveryState.COMMITTING})
PENDING = frozenset({DeliveryState.QUEUED}) | IN_HAND


class DeliveryKind(StrEnum):
    """What a letter is for."""

    CAMPAIGN = "campaign"
    TEST = "test"
    CONFIRMATION = "confirmation"
    TRANSACTIONAL = "transactional"
    SYSTEM = "system"


class Policy(StrEnum):
    """What happens to a letter whose fate nobody can know."""

    HOLD = "hold"
    RETRY_ONCE = "retry_once"


# A campaign may choose otherwise. What somebody waits for is sent once more rather than missed.
POLICY_OF_KIND: dict[DeliveryKind, Policy] = {
    DeliveryKind.CAMPAIGN: Policy.HOLD,
    DeliveryKind.TEST: Policy.HOLD,
    DeliveryKind.CONFIRMATION: Policy.RETRY_ONCE,
    DeliveryKind.TRANSACTIONAL: Policy.RETRY_ONCE,
    DeliveryKind.SYSTEM: Policy.RETRY_ONCE,
}


class CampaignState(StrEnum):
    """Where a campaign stands."""

    DRAFT = "draft"
    SCHEDULED = "scheduled"
    PREPARING = "preparing"
    SENDING = "sending"
    PAUSED = "paused"
    STALLED = "stalled"
    FINISHED = "finished"
    CANCELLED = "cancelled"
    FAILED = "failed"


CAMPAIGN_MOVES: dict[CampaignState, frozenset[CampaignState]] = {
    CampaignState.DRAFT: frozenset({CampaignState.SCHEDULED}),
    CampaignState.SCHEDULED: frozenset(
        {CampaignState.PREPARING, CampaignState.DRAFT, CampaignState.CANCELLED, CampaignState.FAILED}
    ),
    CampaignState.PREPARING: frozenset({CampaignState.SENDING, CampaignState.CANCELLED, CampaignState.FAILED}),
    CampaignState.SENDING: frozenset(
        {CampaignState.PAUSED, CampaignState.STALLED, CampaignState.FINISHED, CampaignState.CANCELLED}
    ),
    # With nothing pending there is nothing left to hold back: both close by themselves.
    CampaignState.PAUSED: frozenset({CampaignState.SENDING, CampaignState.CANCELLED, CampaignState.FINISHED}),
    CampaignState.STALLED: frozenset(
        {CampaignState.SENDING, CampaignState.CANCELLED, CampaignState.PAUSED, CampaignState.FINISHED}
    ),
    # Only when letters of it are given a second try, which takes their ends back.
    CampaignState.FINISHED: frozenset({CampaignState.SENDING}),
    CampaignState.CANCELLED: frozenset(),
    CampaignState.FAILED: frozenset(),
}

# What a person may still change.
EDITABLE = frozenset({CampaignState.DRAFT})
# Something may still be in hand.
UNFINISHED = frozenset(
    {
        CampaignState.SCHEDULED,
        CampaignState.PREPARING,
        CampaignState.SENDING,
        CampaignState.PAUSED,
        CampaignState.STALLED,
    }
)


# Where letters that met a bad end may be given a second try; a cancelled campaign stays as it is.
RETRIABLE = frozenset({CampaignState.SENDING, CampaignState.PAUSED, CampaignState.STALLED, CampaignState.FINISHED})


def sources_of(target: CampaignState) -> list[CampaignState]:
    """Return the states from which a campaign may move to the target."""
    return [state for state, targets in CAMPAIGN_MOVES.items() if target in targets]
