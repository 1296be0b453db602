"""A letter's fate in plain words: what, why, what next; the server's reply stands beneath, verbatim."""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.translation import gettext as _

from apps.campaigns.models import Delivery
from apps.smtp import bounces
from apps.smtp.outcome import FailureClass

# What the chip shows; leased, sending and committing are all in hand.
# Explanations that end with the next try.
SAY_SO_THEMSELVES = frozenset({FailureClass.TRANSIENT_DEST.value, FailureClass.POLICY_RATE.value})
# Why a letter is unconfirmed, where nothing came after the offer that went unanswered.
UNANSWERED = frozenset({"", "no_reply", "process_died", "retry_once", "restored"})
CHIPS = {"leased": "hand", "sending": "hand", "committing": "hand"}


@dataclass(frozen=True, slots=True)
class Fate:
    """One sentence about a letter, and the reply that proves it."""

    chip: str
    sentence: str
    reply: str


def of(delivery: Delivery) -> Fate:
    """Return what became, or is becoming, of a letter."""
    chip = CHIPS.get(delivery.state, delivery.state)
    if delivery.state == "queued" and delivery.attempts:
        chip = "waiting"
    parts = (str(delivery.last_code) if delivery.last_code else "", delivery.last_enhanced, delivery.last_text)
    return Fate(chip, _sentence(delivery), " ".join(part for part in parts if part))


def _sentence(delivery: Delivery) -> str:
    match delivery.state:
        case "sent":
            return _sent(delivery.reason)
        case "skipped":
            return _skipped(delivery.reason)
        case "cancelled":
            return _("The campaign was cancelled before this email began.")
        case "expired":
            return _("We tried until the email was too old to send, then gave up.")
        case "unconfirmed" if delivery.reason not in UNANSWERED:
            return _(
                "It may or may not have arrived: the connection broke before the last answer, and later it did not go "
                "through again."
            )
        case "unconfirmed":
            return _(
                "It may or may not have arrived: the connection broke before the last answer. We hold it, so nobody "
                "gets it twice."
            )
        case "failed":
            return _failed(delivery)
        case "queued" if delivery.reason == "second_try":
            return _("Somebody asked for another try. It waits for its turn.")
        case "queued" if delivery.failure in SAY_SO_THEMSELVES:
            return _explained(delivery.failure)
        case "queued" if delivery.attempts:
            return _("%(why)s We try again by ourselves.") % {"why": _explained(delivery.failure)}
        case "queued":
            return _("Waiting for its turn.")
        case _:
            return _("A worker has it in hand.")


def _sent(reason: str) -> str:
    if reason.startswith("proven_by_"):
        return _("It arrived: something came back from it that only its reader can cause.")
    return _("Accepted by the receiving server.")


def _skipped(reason: str) -> str:
    return {
        "suppressed": _("Not sent: the address is suppressed."),
        "unsubscribed": _("Not sent: this person unsubscribed after the campaign began."),
        "erased": _("Not sent: the contact was deleted after the campaign began."),
    }.get(reason, _("Not sent."))


def _failed(delivery: Delivery) -> str:
    if delivery.reason == "too_late":
        return _("It was certainly not sent: we learned so only after the campaign was closed.")
    if delivery.reason == "crashed":
        return _("The worker died three times with this email in hand, so we stopped trying it.")
    if delivery.reason == FailureClass.RENDER.value:
        return _("The email could not be built for this person.")
    return _explained(delivery.failure)


def _explained(failure: str) -> str:
    try:
        return str(bounces.EXPLANATIONS[FailureClass(failure)])
    except (KeyError, ValueError):
        return _("The receiving server did not take it.")


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer to "did this person get it?": a short one, and the kind of banner it stands on."""

    kind: str
    icon: str
    answer: str


def verdict(delivery: Delivery) -> Verdict:
    """Return whether one person got the letter, as far as anybody can know."""
    match delivery.state:
        case "sent" if delivery.reason.startswith("proven_by_"):
            return Verdict("ok", "check", _("Yes. It arrived."))
        case "sent":
            return Verdict("ok", "check", _("Yes, as far as anybody can tell: it was accepted."))
        case "failed" | "expired":
            return Verdict("bad", "x", _("No."))
        case "skipped" | "cancelled":
            return Verdict("calm", "minus", _("No, it was not sent."))
        case "unconfirmed":
            return Verdict("unc", "circle-question-mark", _("We cannot know."))
        case _:
            return Verdict("warn" if delivery.attempts else "calm", "clock", _("Not yet."))
