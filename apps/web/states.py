"""How each state looks and what it is called on screens; the words of the glossary, translated."""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _


@dataclass(frozen=True)
class Look:
    """A chip's colour class, its word and its icon; without an icon it pulses."""

    style: str
    word: str | Promise
    icon: str = ""


_IN_HAND = Look("hand", _("In hand"))
_CANCELLED = Look("cancelled", _("Cancelled"), "ban")

DELIVERY: dict[str, Look] = {
    "queued": Look("queued", _("Queued"), "circle-dashed"),
    "leased": _IN_HAND,
    "sending": _IN_HAND,
    "committing": _IN_HAND,
    "hand": _IN_HAND,
    "sent": Look("sent", _("Sent"), "check"),
    "waiting": Look("waiting", _("Waiting"), "clock"),
    "failed": Look("failed", _("Failed"), "x"),
    "expired": Look("expired", _("Gave up"), "timer-off"),
    "skipped": Look("skipped", _("Skipped"), "minus"),
    "unconfirmed": Look("unconfirmed", _("Unconfirmed"), "circle-question-mark"),
    "cancelled": _CANCELLED,
}
CAMPAIGN: dict[str, Look] = {
    "draft": Look("draft", _("Draft"), "pencil-line"),
    "scheduled": Look("scheduled", _("Scheduled"), "calendar-clock"),
    "preparing": Look("preparing", _("Preparing"), "list-checks"),
    "sending": Look("sending", _("Sending")),
    "paused": Look("paused", _("Paused"), "pause"),
    "stalled": Look("bad", _("Stopped"), "octagon-alert"),
    "finished": Look("finished", _("Finished"), "check-check"),
    "cancelled": _CANCELLED,
    "failed": Look("failed", _("Failed"), "x"),
}
GENERAL: dict[str, Look] = {
    "ok": Look("ok", _("In order"), "check"),
    "warn": Look("warn", _("Check"), "triangle-alert"),
    "bad": Look("bad", _("Fix first"), "octagon-alert"),
}


def look(state: str, *, of: str = "") -> Look:
    """Return how a state looks; `of="delivery"` where a word means another thing there (sending: In hand)."""
    table = {**GENERAL, **CAMPAIGN, **DELIVERY} if of == "delivery" else {**DELIVERY, **GENERAL, **CAMPAIGN}
    # A state that a newer release wrote must not take a whole page down.
    return table.get(str(state), Look("draft", str(state).replace("_", " ").capitalize(), "circle-dashed"))
