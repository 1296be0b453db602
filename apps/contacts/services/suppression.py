"""Addresses that must not be written to: each change is one statement, so that rivals cannot lose one."""

from __future__ import annotations

from typing import Any

from django.db import connection, transaction
from django.db.models import Q
from django.utils.translation import gettext as _

from apps.accounts import audit
from apps.accounts.models import User
from apps.contacts.models import ConsentEvent, Contact, Suppression
from apps.contacts.services import consent
from core import addresses
from core.errors import EspError, NotFoundError

Reason = Suppression.Reason

# Strongest last. A complaint is never lifted, so nothing may replace it.
STRENGTH: tuple[Reason, ...] = (Reason.MANUAL, Reason.UNSUBSCRIBED, Reason.HARD_BOUNCE, Reason.COMPLAINT)

_ADD = """
INSERT INTO contacts_suppression AS kept
       (workspace_id, email, email_hash, reason, source, asked_to_stop, by_hand, created_at)
VALUES (%(workspace)s, %(email)s, %(hash)s, %(reason)s, %(source)s, %(asked)s, %(by_hand)s, now())
ON CONFLICT (workspace_id, email_hash) DO UPDATE SET
    reason = CASE WHEN {stronger} THEN excluded.reason ELSE kept.reason END,
    source = CASE WHEN {stronger} THEN excluded.source ELSE kept.source END,
    created_at = CASE WHEN {stronger} THEN excluded.created_at ELSE kept.created_at END,
    email = CASE WHEN kept.email = '' THEN excluded.email ELSE kept.email END,
    asked_to_stop = excluded.asked_to_stop OR kept.asked_to_stop OR kept.reason = 'unsubscribed',
    by_hand = coalesce(kept.by_hand, CASE WHEN kept.reason = 'manual' THEN kept.source END, excluded.by_hand)
RETURNING id
""".format(stronger="array_position(%(strength)s, excluded.reason) > array_position(%(strength)s, kept.reason)")


class SuppressionStaysError(EspError):
    """This suppression is not ours to lift."""

    code = "suppression_stays"
    status = 409


def add(workspace_id: int, *, email: str = "", email_hash: bytes = b"", reason: str, source: str = "") -> Suppression:
    """Suppress an address and return the row as it stands; a stronger reason that is there already stays.

    Args:
        workspace_id: whose suppression it is.
        email: the address; or, where only its hash is known,
        email_hash: `addresses.fingerprint` of the normal form.
        reason: a `Suppression.Reason`; complaint > hard_bounce > unsubscribed > manual.
        source: what brought it, in words; at most 300 characters are kept.

    Raises:
        InvalidAddressError: the email is not an address.
    """
    shown, email_hash = _identify(email, email_hash)
    values: dict[str, Any] = {
        "workspace": workspace_id,
        "email": shown,
        "hash": email_hash,
        "reason": str(Reason(reason)),
        "source": source[:300],
        "asked": reason == Reason.UNSUBSCRIBED,
        "by_hand": source[:300] if reason == Reason.MANUAL else None,
        "strength": [str(one) for one in STRENGTH],
    }
    with connection.cursor() as cursor:
        cursor.execute(_ADD, values)
        (row_id,) = cursor.fetchone()
    return Suppression.objects.get(pk=row_id)


def by_hand(contact: Contact, *, why: str, by: User) -> Suppression:
    """Suppress a person's address, because a member says so."""
    source = _("by hand, %(who)s") % {"who": by}
    source = f"{source}: {why.strip()}" if why.strip() else source
    with transaction.atomic():
        found = add(contact.workspace_id, email=contact.email, reason=Reason.MANUAL, source=source)
        consent.note(contact, ConsentEvent.Kind.SUPPRESSED, source=source)
        target = addresses.mask(contact.email)
        audit.note("contacts_suppressed", workspace=contact.workspace_id, target=target, people=1)
    return found


def carry_over(workspace_id: int, *, from_hash: bytes, to: addresses.Address) -> None:
    """Suppress a person's new address as strongly as the old one was; a bounce stays with the old mailbox."""
    old = Suppression.objects.filter(workspace_id=workspace_id, email_hash=from_hash).first()
    if old is None:
        return
    if old.by_hand is not None:
        add(workspace_id, email=to.email, reason=Reason.MANUAL, source=old.by_hand)
    if old.reason != Reason.HARD_BOUNCE:
        add(workspace_id, email=to.email, reason=old.reason, source=old.source)
    elif old.asked_to_stop:
        add(workspace_id, email=to.email, reason=Reason.UNSUBSCRIBED, source=old.source)


def is_liftable(found: Suppression) -> bool:
    """Return whether a member may lift a suppression: not a complaint, and not the person's own wish."""
    return found.reason in (Reason.MANUAL, Reason.HARD_BOUNCE) and not found.asked_to_stop


def remove(workspace_id: int, *, suppression_id: int, why: str = "") -> None:
    """Lift a suppression that a member may lift: by hand, or after a bounce.

    Args:
        why: the member's reason; it stands in the audit and in the person's history.

    Raises:
        NotFoundError: there is none in this workspace.
        SuppressionStaysError: a complaint, or the person asked to stop: only they may undo that.
    """
    mine = Suppression.objects.filter(workspace_id=workspace_id, pk=suppression_id)
    with transaction.atomic():
        kept = mine.first()
        if mine.filter(reason__in=[Reason.MANUAL, Reason.HARD_BOUNCE], asked_to_stop=False).delete()[0]:
            email = kept.email if kept else ""
            audit.note("suppression_lifted", workspace=workspace_id, target=addresses.mask(email), why=why[:300])
            if email:
                normalised = addresses.parse(email).normalised
                consent.note_address(workspace_id, normalised, ConsentEvent.Kind.LIFTED, source=why)
            return
    kept = mine.first()
    if kept is None:
        raise NotFoundError(_("This address is not suppressed any more."))
    if kept.reason == Reason.COMPLAINT:
        raise SuppressionStaysError(_("They marked an email as spam. This suppression cannot be lifted."))
    raise SuppressionStaysError(_("They asked to stop. Only they can undo it, with the link in any email they got."))


def lift_by_the_person(workspace_id: int, *, email: str = "", email_hash: bytes = b"") -> bool:
    """Undo "unsubscribe from everything" for the person, and return whether there was such a wish.

    Bounces and complaints stay, and so does what a member suppressed by hand, before the wish or after it.
    """
    _shown, email_hash = _identify(email, email_hash)
    mine = Suppression.objects.filter(workspace_id=workspace_id, email_hash=email_hash)
    with transaction.atomic():
        kept = mine.select_for_update().first()  # a member who suppresses meanwhile waits for the end of this
        if kept is None:
            return False
        if kept.reason != Reason.UNSUBSCRIBED:
            mine.filter(asked_to_stop=True).exclude(reason=Reason.COMPLAINT).update(asked_to_stop=False)
            return False
        if kept.by_hand is None:
            mine.delete()
        else:
            mine.update(reason=Reason.MANUAL, source=kept.by_hand, asked_to_stop=False)
    return True


def is_suppressed(workspace_id: int, *, email: str = "", email_hash: bytes = b"") -> bool:
    """Return whether the address must not be written to."""
    _shown, email_hash = _identify(email, email_hash)
    return Suppression.objects.filter(workspace_id=workspace_id, email_hash=email_hash).exists()


def has_asked_to_stop(workspace_id: int, *, email: str) -> bool:
    """Return whether the person with this address has asked to stop everything, and not taken that back."""
    _shown, email_hash = _identify(email, b"")
    mine = Suppression.objects.filter(workspace_id=workspace_id, email_hash=email_hash)
    return mine.filter(Q(asked_to_stop=True) | Q(reason=Reason.UNSUBSCRIBED)).exists()


def _identify(email: str, email_hash: bytes) -> tuple[str, bytes]:
    if email:
        address = addresses.parse(email)
        return address.email, addresses.fingerprint(address.normalised)
    if len(email_hash) != 32:
        raise ValueError("give an email or its 32-byte hash")
    return "", bytes(email_hash)
