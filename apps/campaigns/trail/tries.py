"""The steps of a letter: its tries with the servers' replies, pauses, its end, and what changed that end."""

from __future__ import annotations

import datetime as dt

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from apps.campaigns import fates, reasons
from apps.campaigns.models import Attempt, Campaign, CampaignEntry, Delivery, DeliveryEntry, Revision
from apps.campaigns.states import TERMINAL, CampaignState
from apps.campaigns.trail.steps import Step
from apps.smtp import bounces
from apps.smtp.outcome import FailureClass

_STYLES = {"queued": ("waiting", "clock"), "failed": ("failed", "x"), "expired": ("failed", "timer-off")}
_HALTS = {"paused", "stalled"}
# Why a try ended without a word from a server.
OURSELVES = {
    "given_back": lambda: _("The worker was asked to stop. The email was given back, certainly unsent."),
    "lease_ended": lambda: _("The worker is gone. The email was certainly not sent, so it went back to the queue."),
    "crashed": lambda: _("The worker died with it in hand, for the third time. It was certainly not sent."),
    "process_died": lambda: _("The worker died just when the email was handed over. Nobody heard the answer."),
    "refused": lambda: _("Held back at the last moment: we asked again, and it might not go any more."),
    "no_time": lambda: _("Held back: too little time was left to hear the server's answer."),
    "stalled": lambda: _("Held back: our machine stood still for a moment."),
    "database_away": lambda: _("The database was away before the email was handed over. It was certainly not sent."),
    "retry_once": lambda: _("The connection broke before the last answer. By this campaign's rule we try once more."),
}


def tries(delivery: Delivery) -> list[Step]:
    """Return every try that is on record, and the accepted one."""
    kept = list(Attempt.objects.filter(delivery=delivery).select_related("transport").order_by("number"))
    told, count = [], 0
    for one in kept:
        count += one.times
        told.append(_try(one, number=count))
    if accepted := _accepted(delivery, number=count + 1):
        told.append(accepted)
    elif not kept and delivery.attempts and delivery.last_text:
        told.append(_remembered(delivery))
    return told


def ordinal(number: int) -> str:
    """Return "First try" and so on."""
    words = {1: _("First try"), 2: _("Second try"), 3: _("Third try")}
    return words.get(number) or _("Try %(n)d") % {"n": number}


def _try(one: Attempt, *, number: int) -> Step:
    style, icon = _STYLES.get(one.state, ("unconfirmed", "circle-question-mark"))
    what = _("%(which)s: %(what)s") % {
        "which": ordinal(number),
        "what": reasons.phrase("queued" if one.state == "queued" else one.state, one.reason)
        if one.reason not in OURSELVES
        else _our_word(one.reason),
    }
    parts = [_explained(one), _through(one.transport.name, one.stage)]
    if one.times > 1:
        parts.append(
            ngettext("The same happened %(n)d time.", "The same happened %(n)d times.", one.times) % {"n": one.times}
        )
    reply = " ".join(part for part in (str(one.code) if one.code else "", one.enhanced, one.text) if part)
    how = " ".join(part for part in parts if part)
    return Step(one.at, what, how, reply, style=style, icon=icon, until=one.until)


def _our_word(reason: str) -> str:
    return {
        "given_back": _("given back"),
        "lease_ended": _("the worker died"),
        "crashed": _("the worker died"),
        "process_died": _("the worker died at the last byte"),
        "retry_once": _("no last answer"),
        "database_away": _("given back"),
    }.get(reason) or _("held back")


def _explained(one: Attempt) -> str:
    if one.reason in OURSELVES:
        return OURSELVES[one.reason]()
    try:
        return str(bounces.EXPLANATIONS[FailureClass(one.failure)])
    except (KeyError, ValueError):
        return ""


def _through(account: str, stage: str) -> str:
    values = {"account": account, "stage": stage.upper()}
    if stage in ("mail", "rcpt", "data"):
        return _("Through %(account)s, refused at %(stage)s, before we sent the email.") % values
    if stage == "dot":
        return _("Through %(account)s, after the whole email had been handed over.") % values
    if stage in ("render", ""):
        return ""
    return _("Through %(account)s, at %(stage)s.") % values


def _accepted(delivery: Delivery, *, number: int) -> Step | None:
    if delivery.state != "sent" or (delivery.reason.startswith("proven_by_") and delivery.last_code != 250):
        return None
    what = _("%(which)s: accepted") % {"which": ordinal(number)}
    how = _("Through %(account)s. The receiving server took it.") % {"account": delivery.transport.name}
    return Step(delivery.sent_at, what, how, fates.of(delivery).reply, style="sent", icon="check")


def _remembered(delivery: Delivery) -> Step:
    """Return the last try of a letter from before tries were kept."""
    fate = fates.of(delivery)
    style, icon = _STYLES.get(delivery.state, ("unconfirmed", "circle-question-mark"))
    what = ngettext("After %(n)d try", "After %(n)d tries", delivery.attempts) % {"n": delivery.attempts}
    return Step(delivery.moved_at, what, fate.sentence, fate.reply, style=style, icon=icon)


def halts(delivery: Delivery, campaign: Campaign) -> list[Step]:
    """Return the times the campaign stood still while this letter had no end."""
    entries = list(CampaignEntry.objects.filter(campaign=campaign).select_related("by").order_by("at", "pk"))
    told: list[tuple[CampaignEntry, dt.datetime | None]] = []
    begun: CampaignEntry | None = None
    for entry in entries:
        if begun is not None and entry.kind not in _HALTS:
            told.append((begun, entry.at))
            begun = None
        if entry.kind in _HALTS and begun is None:
            begun = entry
    if begun is not None:
        told.append((begun, None))
    over = delivery.moved_at if delivery.state in TERMINAL else None
    return [
        _halt(entry, until)
        for entry, until in told
        if (over is None or entry.at < over) and (until is None or until > delivery.created_at)
    ]


def _halt(entry: CampaignEntry, until: dt.datetime | None) -> Step:
    if entry.kind == "stalled":
        what = _("The campaign had stopped")
    elif entry.by:
        what = _("%(who)s paused the campaign") % {"who": entry.by}
    else:
        what = _("The campaign was paused by itself")
    how = _("The place in the queue was kept.")
    return Step(entry.at, what, how, style="draft", icon="pause", until=until)


def end(delivery: Delivery) -> list[Step]:
    """Return the end of a letter that no try tells: skipped, cancelled, expired while it waited."""
    if delivery.state in ("skipped", "cancelled"):
        sentence = fates.of(delivery).sentence
        return [Step(delivery.moved_at, _("Not sent"), sentence, style="skipped", icon="minus")]
    if delivery.state == "expired":
        sentence = fates.of(delivery).sentence
        return [Step(delivery.moved_at, _("We gave up"), sentence, style="failed", icon="timer-off")]
    if delivery.state == "failed" and delivery.reason == "too_late":
        return [Step(delivery.moved_at, _("Not sent"), fates.of(delivery).sentence, style="failed", icon="x")]
    if delivery.state == "unconfirmed" and delivery.reason == "restored":
        how = _("It may have left after the backup was made, so it is held and no machine sends it again.")
        what = _("The database was restored from a backup")
        return [Step(delivery.moved_at, what, how, style="unconfirmed", icon="circle-question-mark")]
    return []


def revisions(delivery: Delivery) -> list[Step]:
    """Return what changed the letter's end after it had been reached."""
    entries = list(DeliveryEntry.objects.filter(delivery=delivery).select_related("by").order_by("pk"))
    by = {entry.at: str(entry.by) for entry in entries if entry.by}
    revised = list(Revision.objects.filter(delivery=delivery).order_by("pk"))
    known = {one.at for one in revised}
    return [
        *(_revision(one, by=by.get(one.at, "")) for one in revised),
        *(_late_word(entry) for entry in entries if entry.at not in known),
    ]


def _late_word(entry: DeliveryEntry) -> Step:
    """Return what came back about an earlier copy while the letter waited for its one more try."""
    if entry.detail.get("now") == "sent":
        what = _("An earlier copy had arrived after all")
        return Step(entry.at, what, _("So no second one is sent."), style="sent", icon="check")
    return Step(entry.at, _("Word came back about an earlier copy"), style="draft", icon="rotate-cw")


def _revision(one: Revision, *, by: str) -> Step:
    if one.to_state == "sent" and one.to_reason.startswith("proven_by_"):
        what = _("No longer unconfirmed: it arrived")
        how = _("Something came back from it that only its reader can cause.")
        return Step(one.at, what, how, style="sent", icon="check")
    if one.to_state == "sent":
        what = _("No longer unconfirmed: it was accepted")
        return Step(one.at, what, _("The server's answer was kept and read later."), style="sent", icon="check")
    if one.to_state == "queued":
        what = _("%(who)s gave it a second try") % {"who": by} if by else _("Put back in the queue")
        was = _("It had ended before: %(why)s.") % {"why": reasons.phrase(one.from_state, one.from_reason)}
        return Step(one.at, what, was, style="draft", icon="rotate-cw")
    what = _("Its end was corrected: %(why)s") % {"why": reasons.phrase(one.to_state, one.to_reason)}
    return Step(one.at, what, "", style="draft", icon="rotate-cw")


def expected(delivery: Delivery, campaign: Campaign, *, number: int) -> list[Step]:
    """Return the next try, where there will be one."""
    if delivery.state != "queued" or campaign.state in (CampaignState.CANCELLED, CampaignState.FINISHED):
        return []
    asks = _("Before it we ask again: still subscribed, not suppressed, and is the campaign still being sent?")
    what = ordinal(number)
    return [Step(delivery.due_at, what, asks, style="queued", icon="circle-dashed", is_expected=True)]
