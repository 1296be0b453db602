"""What a refusal means for a letter: the outcome of a reply, by the table of `refusals.toml`, and its words."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import Final

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from apps.smtp import refusals
from apps.smtp.outcome import Deferred, FailureClass, Rejected, Reply, Stage
from apps.smtp.refusals import Effect

__all__ = [
    "EXPLANATIONS",
    "FailureClass",
    "classify",
    "effect",
    "extend",
    "interrupted",
    "refused",
    "suppresses",
    "table",
]

PASSING: Final = range(400, 500)
PERMANENT: Final = range(500, 600)
# From here on a letter is on offer; a refusal before it says nothing about this one and never counts.
OFFERED: Final = frozenset({Stage.MAIL, Stage.RCPT, Stage.DATA, Stage.BODY, Stage.DOT})

F = FailureClass
_table = refusals.built_in()

EXPLANATIONS: Final[dict[FailureClass, Promise]] = {
    F.PERM_RECIPIENT: _("The address does not exist or takes no mail. We will not write to it again."),
    F.QUOTA: _("The recipient's mailbox is full."),
    F.TRANSIENT_RECIPIENT: _("The receiving server could not take this email for this address."),
    F.TRANSIENT_DEST: _("The receiving side could not be reached or was not ready. We try again."),
    F.POLICY_RATE: _("The receiving server asks us to send more slowly. We try again."),
    F.POLICY_AUTH: _(
        "The receiving server does not believe that the email is yours: check the DNS records of the sending domain."
    ),
    F.POLICY_REPUTATION: _("The receiving server refused the email because of its content or the sender's reputation."),
    F.MESSAGE: _("The email itself was refused, for example because it is too big."),
    F.ACCOUNT: _("The sending account cannot send: check its name, password, encryption and limits."),
    F.PROTOCOL: _("The server answered in a way that makes no sense."),
    F.RENDER: _("The email could not be made for this contact: check the template and the contact's fields."),
    F.AMBIGUOUS: _("The connection broke at the last moment. The email may have arrived; nobody can know."),
}

# How a conversation can break without a reply.
BREAKS: Final[dict[str, FailureClass]] = {
    "timeout": F.TRANSIENT_DEST,
    "closed": F.TRANSIENT_DEST,
    "unreachable": F.TRANSIENT_DEST,
    "dns": F.TRANSIENT_DEST,
    "pool_full": F.TRANSIENT_DEST,
    "garbage": F.PROTOCOL,
    "too_long": F.PROTOCOL,
    "unexpected": F.PROTOCOL,
    "tls": F.ACCOUNT,
    "starttls_not_offered": F.ACCOUNT,
    "auth_not_offered": F.ACCOUNT,
    "address_refused": F.ACCOUNT,
    "not_configured": F.ACCOUNT,
}

_WAIT = re.compile(r"(?:in|after|within|for)\s+(\d{1,5})\s*(s|sec|secs|seconds?|m|min|mins|minutes?)\b", re.IGNORECASE)
_LONGEST_WAIT = timedelta(hours=4)


def table() -> refusals.Table:
    """Return the table that decides in this process."""
    return _table


def extend(path: Path) -> None:
    """Put the rules of an installation's own file above the others.

    Raises:
        RefusalTableError: with the file and the rule that cannot be read.
    """
    global _table
    try:
        _table = refusals.built_in().with_own(path.read_text("utf-8"))
    except refusals.RefusalTableError as error:
        raise refusals.RefusalTableError(f"{path}: {error.message}") from error


def classify(stage: Stage, reply: Reply) -> FailureClass:
    """Return what a refusal is about."""
    return _table.classify(stage, reply)


def effect(failure: FailureClass) -> Effect:
    """Return what the class does."""
    return _table.effects[failure]


def suppresses(stage: Stage, failure: FailureClass) -> bool:
    """Return whether the contact must never be written to again: only an unknown recipient, only at RCPT."""
    return stage is Stage.RCPT and effect(failure).contact == "suppress"


def refused(stage: Stage, reply: Reply) -> Deferred | Rejected:
    """Return the outcome of a complete reply that is not the one hoped for; the letter was certainly not taken."""
    failure = classify(stage, reply)
    if effect(failure).fails and reply.code in PERMANENT:
        return Rejected(stage, reply, failure)
    return Deferred(stage, reply, failure, _counts(stage, failure), retry_after=_wait_asked_for(reply))


def interrupted(stage: Stage, reason: str) -> Deferred:
    """Return the outcome of a conversation that broke before the dot, without a reply."""
    failure = BREAKS[reason]
    return Deferred(stage, None, failure, _counts(stage, failure), reason=reason)


def _counts(stage: Stage, failure: FailureClass) -> bool:
    return stage in OFFERED and effect(failure).counted


def _wait_asked_for(reply: Reply) -> timedelta | None:
    found = _WAIT.search(reply.text)
    if reply.code not in PASSING or not found:
        return None
    number = int(found[1])
    asked = timedelta(minutes=number) if found[2].lower().startswith("m") else timedelta(seconds=number)
    return min(asked, _LONGEST_WAIT)
