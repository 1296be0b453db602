"""A letter's recorded reason in a few words, as they stand behind a count: "214 no such mailbox"."""

from __future__ import annotations

from django.utils.translation import gettext as _

from apps.campaigns import causes


def phrase(state: str, reason: str) -> str:
    """Return the reason for a state; a reason that is not known here is shown by its own name."""
    match state:
        case "sent":
            is_proven = reason.startswith("proven_by_")
            return _("arrived: something came back later") if is_proven else _("accepted by the receiving server")
        case "cancelled" if reason == "not_prepared":
            return _("not begun: the audience could not be frozen")
        case "cancelled":
            return _("not begun when the campaign was cancelled")
        case "expired":
            return _("gave up: too old to be sent")
        case "skipped":
            return _skipped(reason)
        case "failed":
            return _failed(reason)
        case "unconfirmed":
            return _unconfirmed(reason)
        case "queued" if not reason:
            return _("waiting for their turn")
        case "queued":
            return _failed(reason)
        case _:
            return _("in hand")


def _named(reason: str) -> str:
    return reason.replace("_", " ") or _("no reason on record")


def _skipped(reason: str) -> str:
    return {
        "suppressed": _("suppressed after the freeze"),
        "unsubscribed": _("unsubscribed after the freeze"),
        "erased": _("deleted after the freeze"),
        "capped": _("reached the cap"),
        "invalid": _("no valid address"),
    }.get(reason) or _named(reason)


def _failed(reason: str) -> str:
    return {
        "transient_dest": _("receiving side not ready"),
        "crashed": _("three workers died with it in hand"),
        "too_late": _("not sent, learned only after the close"),
        "retry_once": _("no last answer, tried once more"),
        "lease_ended": _("given back by a worker that is gone"),
    }.get(reason) or (causes.words(reason) if reason else _named(reason))


def _unconfirmed(reason: str) -> str:
    return {
        "no_reply": _("the connection broke at the last answer"),
        "process_died": _("the worker died at the last answer"),
        "restored": _("may have left before a backup was restored"),
    }.get(reason) or _named(reason)
