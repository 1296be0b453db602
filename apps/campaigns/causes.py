"""Why letters are where they are, in the few words of a filter or a table's foot."""

from __future__ import annotations

from django.db.models import Q, QuerySet
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from apps.campaigns.models import Delivery
from apps.campaigns.states import DeliveryState

WORDS: dict[str, str | Promise] = {
    "perm_recipient": _("no such mailbox"),
    "hard_bounce": _("no such mailbox"),
    "quota": _("mailbox full"),
    "transient_recipient": _("not taken for this address"),
    "transient_dest": _("server busy or out of reach"),
    "policy_rate": _("asked to slow down"),
    "policy_auth": _("sender not believed"),
    "policy_reputation": _("refused as content or sender"),
    "message": _("email too big or malformed"),
    "account": _("our account could not send"),
    "protocol": _("answer made no sense"),
    "render": _("could not be built"),
    "ambiguous": _("no last answer"),
    "no_reply": _("no last answer"),
    "process_died": _("no last answer"),
    "campaign_cancelled": _("campaign cancelled"),
    "crashed": _("the worker died three times"),
    "too_late": _("known only after the close"),
    "second_try": _("a second try that somebody asked for"),
    "suppressed": _("suppressed"),
    "unsubscribed": _("unsubscribed"),
    "erased": _("contact deleted"),
    "cancelled": _("campaign cancelled"),
    "expired": _("gave up"),
}

PARTS: dict[str, str | Promise] = {
    "sent": _("sent"),
    "skipped": _("skipped"),
    "failed": _("failed"),
    "unconfirmed": _("unconfirmed"),
    "waiting": _("waiting"),
    "queued": _("queued"),
}

_WITH_REASON = (DeliveryState.SKIPPED, DeliveryState.FAILED, DeliveryState.UNCONFIRMED)


def words(cause: str) -> str:
    """Return a cause in words; one that a newer release wrote is shown by its name."""
    return str(WORDS.get(cause, cause.replace("_", " ")))


def with_cause(deliveries: QuerySet[Delivery], cause: str) -> QuerySet[Delivery]:
    """Return the letters of one cause, as `tally.CAUSE_OF_STATE` counts them."""
    if cause in ("cancelled", "expired"):
        return deliveries.filter(state=cause)
    ended = Q(state__in=_WITH_REASON) & (Q(reason=cause) | Q(reason="", failure=cause))
    waiting = Q(state=DeliveryState.QUEUED, attempts__gt=0)
    if cause == "second_try":
        return deliveries.filter(waiting, reason=cause)
    return deliveries.filter(ended | (waiting & Q(failure=cause) & ~Q(reason="second_try")))
