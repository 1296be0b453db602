"""A person's second try: failed letters go back to the queue, unconfirmed ones are sent again; never a machine's deed.

A letter keeps its row, Message-ID and return path. What its row said before is kept as an entry of its history.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db import connection, transaction
from django.utils.translation import gettext as _

from apps.accounts import audit
from apps.accounts.models import User
from apps.campaigns.models import Campaign
from apps.campaigns.services import history, lifecycle, restore_guard
from apps.campaigns.services.aging import STOOD
from apps.campaigns.services.gates import ERASED, SUPPRESSED, UNSUBSCRIBED
from apps.campaigns.states import RETRIABLE, CampaignState, DeliveryState
from apps.smtp.outcome import FailureClass
from core import jobs
from core.errors import EspError, InvalidTransitionError

# Ends that no server caused.
OWN_CLASSES = ("expired", "crashed", "too_late")
CLASSES = frozenset({*(failure.value for failure in FailureClass), *OWN_CLASSES}) - {FailureClass.AMBIGUOUS.value}

FAILED = (DeliveryState.FAILED.value, DeliveryState.EXPIRED.value)
UNCONFIRMED = (DeliveryState.UNCONFIRMED.value,)

# Why a letter gets no second try; empty where it may have one.
_EXCLUDED = f"""CASE WHEN {ERASED} THEN 'erased' WHEN d.reason = 'perm_recipient' THEN 'hard_bounce'
    WHEN {SUPPRESSED} THEN 'suppressed' WHEN {UNSUBSCRIBED} THEN 'unsubscribed' ELSE '' END"""
# The second of two clicks may come when the first one's copies are already unanswered, too.
_JUST_RESENT = """(d.state = 'unconfirmed' AND EXISTS (
    SELECT 1 FROM campaigns_deliveryentry e
    WHERE e.delivery_id = d.id AND e.kind = 'resent' AND e.at > now() - interval '1 minute'))"""
_CHOSEN = """d.campaign_id = %(campaign)s AND d.kind = 'campaign' AND d.state = ANY(%(states)s)
    AND (%(classes)s::text[] IS NULL OR d.reason = ANY(%(classes)s::text[]))"""


@dataclass(frozen=True, slots=True)
class Countable:
    """What a second try would do: how many letters by class, and how many are left out and why.

    Classes are those of `FailureClass`, and expired, crashed, too_late; the reasons for leaving out are hard_bounce,
    suppressed, unsubscribed and erased.
    """

    failed: dict[str, int]
    unconfirmed: int
    failed_left_out: dict[str, int]
    unconfirmed_left_out: dict[str, int]

    @property
    def retriable(self) -> int:
        """How many failed letters would be tried again."""
        return sum(self.failed.values())

    @property
    def left_out(self) -> int:
        """How many failed letters would stay as they are."""
        return sum(self.failed_left_out.values())


def countable(campaign: Campaign) -> Countable:
    """Count what a second try of a campaign would do now."""
    counts = _counts(campaign, states=(*FAILED, *UNCONFIRMED), classes=None)
    failed: dict[str, int] = {}
    found = Countable(failed, 0, {}, {})
    unconfirmed = 0
    for state, reason, excluded, letters in counts:
        is_unconfirmed = state in UNCONFIRMED
        if excluded:
            left_out = found.unconfirmed_left_out if is_unconfirmed else found.failed_left_out
            left_out[excluded] = left_out.get(excluded, 0) + letters
        elif is_unconfirmed:
            unconfirmed += letters
        else:
            failed[reason] = failed.get(reason, 0) + letters
    return Countable(failed, unconfirmed, found.failed_left_out, found.unconfirmed_left_out)


def retry_failed(campaign: Campaign, *, by: User | None, classes: Sequence[str] | None = None) -> int:
    """Put failed and expired letters back into the queue, with a new life and a new schedule; return how many.

    Whoever may or can not be written to stays as they are. Asking twice, or two people at once, is harmless: a letter
    that went back is failed no more.

    Args:
        by: who asked; None for the command.
        classes: only letters that failed for these; None for all.

    Raises:
        EspError: a class that does not exist.
        InvalidTransitionError: the campaign is a draft, is being prepared, or was cancelled.
    """
    if unknown := sorted(set(classes or ()) - CLASSES):
        raise EspError(
            _("There is no class of failure “%(name)s”. There are: %(all)s.")
            % {"name": unknown[0], "all": ", ".join(sorted(CLASSES))},
            code="unknown_class",
        )
    return _send_back(campaign, by=by, kind="retried", states=FAILED, classes=list(classes) if classes else None)


def resend_unconfirmed(campaign: Campaign, *, by: User | None) -> int:
    """Send the unconfirmed letters again, which nearly all have arrived; return how many. See `retry_failed`."""
    return _send_back(campaign, by=by, kind="resent", states=UNCONFIRMED, classes=None)


# The letters' last words move to their history; the row begins anew. An unconfirmed letter stays ambiguous: whatever
# becomes of its second copy, the first may have arrived.
_BACK = f"""
WITH chosen AS (
  SELECT d.id, d.state, d.reason, d.attempts, d.last_stage, d.last_code, d.last_enhanced, d.last_text
  FROM campaigns_delivery d WHERE {_CHOSEN} AND {_EXCLUDED} = '' AND NOT {_JUST_RESENT} ORDER BY d.id FOR UPDATE OF d
), back AS (
  UPDATE campaigns_delivery d
  SET state = 'queued', reason = 'second_try', token = d.token + 1, owner = '', rung_at = NULL, lease_until = NULL,
      attempt_deadline = NULL, due_at = now(), moved_at = now(),
      expires_at = now() + %(expires_after)s - (SELECT {STOOD} FROM campaigns_campaign k WHERE k.id = %(campaign)s),
      counted_tries = 0, protocol_tries = 0, crash_count = 0,
      ambiguous_count = greatest(d.ambiguous_count, CASE WHEN chosen.state = 'unconfirmed' THEN 1 ELSE 0 END)
  FROM chosen WHERE d.id = chosen.id RETURNING d.id
)
INSERT INTO campaigns_deliveryentry (delivery_id, campaign_id, at, kind, detail, by_id)
SELECT c.id, %(campaign)s, now(), %(kind)s, jsonb_build_object(
         'was', c.state, 'reason', c.reason, 'tries', c.attempts, 'stage', c.last_stage, 'code', c.last_code,
         'enhanced', c.last_enhanced, 'text', c.last_text), %(by)s
FROM chosen c JOIN back ON back.id = c.id
"""  # noqa: S608 - the fragments are constants


def _send_back(
    campaign: Campaign, *, by: User | None, kind: str, states: tuple[str, ...], classes: list[str] | None
) -> int:
    restore_guard.refuse_while_frozen()
    with transaction.atomic():
        state = CampaignState(Campaign.objects.select_for_update(no_key=True).get(pk=campaign.pk).state)
        if state not in RETRIABLE:
            raise InvalidTransitionError(
                _("“%(name)s” is %(current)s: its emails get no second try. Nothing has changed.")
                % {"name": campaign.name, "current": state.value}
            )
        left_out = sum(row[3] for row in _counts(campaign, states=states, classes=classes) if row[2])
        letters = _back(campaign, by=by, kind=kind, states=states, classes=classes)
        if letters:
            lifecycle.reopen(campaign.pk)
            chosen = ",".join(sorted(classes or ()))
            history.note(campaign.pk, kind, by=by, letters=letters, left_out=left_out, classes=chosen)
            audit.note(
                f"campaign_{kind}",
                workspace=campaign.workspace_id,
                by=by,
                target=campaign.name,
                letters=letters,
                classes=chosen or None,
            )
            jobs.ring(lifecycle.SWEEP)
    campaign.refresh_from_db()
    return letters


def _back(campaign: Campaign, *, by: User | None, kind: str, states: tuple[str, ...], classes: list[str] | None) -> int:
    values: dict[str, Any] = {
        "campaign": campaign.pk,
        "states": list(states),
        "classes": classes,
        "expires_after": campaign.expires_after,
        "kind": kind,
        "by": by.pk if by else None,
    }
    with connection.cursor() as cursor:
        cursor.execute(_BACK, values)
        return int(cursor.rowcount)


_COUNTS = f"""
SELECT d.state, d.reason, {_EXCLUDED}, count(*) FROM campaigns_delivery d WHERE {_CHOSEN}
GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
"""  # noqa: S608 - the fragments are constants


def _counts(
    campaign: Campaign, *, states: tuple[str, ...], classes: list[str] | None
) -> list[tuple[str, str, str, int]]:
    """Count letters by state, reason and why they are left out."""
    with connection.cursor() as cursor:
        cursor.execute(
            _COUNTS,
            {"campaign": campaign.pk, "states": list(states), "classes": classes},
        )
        return [(str(row[0]), str(row[1]), str(row[2]), int(row[3])) for row in cursor.fetchall()]
