"""The questions that are asked in the same statement that moves a letter on: may it go, and if not, why.

`d` is the delivery in every fragment. They are asked twice for each letter: when an attempt begins, and again at
the marker just before the final dot.
"""

from __future__ import annotations

from apps.campaigns.services import aging
from apps.campaigns.states import DeliveryState
from apps.smtp.services import breaker

SUPPRESSED = """EXISTS (
    SELECT 1 FROM contacts_suppression s WHERE s.workspace_id = d.workspace_id AND s.email_hash = d.email_hash)"""

# Off the campaign's lists by their own wish, and on none of them any more.
UNSUBSCRIBED = """(d.kind = 'campaign' AND EXISTS (
    SELECT 1 FROM contacts_subscription u JOIN campaigns_campaign uc ON uc.id = d.campaign_id
    WHERE u.contact_id = d.contact_id AND u.contact_list_id = ANY(uc.audience_list_ids) AND u.state = 'unsubscribed')
  AND NOT EXISTS (
    SELECT 1 FROM contacts_subscription u JOIN campaigns_campaign uc ON uc.id = d.campaign_id
    WHERE u.contact_id = d.contact_id AND u.contact_list_id = ANY(uc.audience_list_ids) AND u.state = 'confirmed'))"""

# The person was deleted while the letter waited.
ERASED = "(d.kind = 'campaign' AND d.contact_id IS NULL)"

# `k` is the campaign. One that stalled for its account is open: the account holds its letters back, and the one that
# finds out whether the account works again must pass. So no letter is lost to the state's change, whenever it comes.
STALLED_FOR_ACCOUNT = "(k.state = 'stalled' AND k.state_reason = 'account')"
GOES = f"(k.state = 'sending' OR {STALLED_FOR_ACCOUNT})"

CAMPAIGN_OPEN = f"""(d.kind <> 'campaign' OR EXISTS (
    SELECT 1 FROM campaigns_campaign k WHERE k.id = d.campaign_id AND {GOES}))"""  # noqa: S608 - a constant

# While a campaign stands still its letters do not age.
ALIVE = aging.alive()

# After a restore nothing leaves until an operator says so (`restore_guard`). A table that was made anew has another
# number than the one its row was written in, so the statement that would begin a letter sees a restore by itself; while
# tables are filled one by one, the row may not be there yet, and without it the gate is shut.
THAWED = """EXISTS (
    SELECT 1 FROM instance_epoch e WHERE e.id = 1 AND e.frozen_at IS NULL AND e.own_table = e.tableoid::bigint)"""

# Switching an account off stops what waits for it at once.
ACCOUNT_ON = "EXISTS (SELECT 1 FROM smtp_transport t WHERE t.id = d.transport_id AND t.is_active)"

# Nor is it in trouble: asked when an attempt begins. Its limits are asked after that.
ACCOUNT_OPEN = f"NOT {breaker.SHUT.format('d.transport_id')}"

MAY_GO = f"{THAWED} AND {CAMPAIGN_OPEN} AND {ACCOUNT_ON} AND NOT {SUPPRESSED} AND NOT {UNSUBSCRIBED} AND NOT {ERASED}"


def unsent(state: str) -> str:
    """Return in SQL how a letter ends that is not tried again: `state`, or unconfirmed where it may have arrived.

    An earlier offer of it went unanswered, so "not sent" would be a guess.
    """
    return f"CASE WHEN d.ambiguous_count > 0 THEN '{DeliveryState.UNCONFIRMED}' ELSE {state} END"
