"""A campaign's history in plain words: one sentence per entry."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from apps.campaigns.models import CampaignEntry
from apps.smtp import bounces
from apps.smtp.outcome import FailureClass

_LOOKS = {
    "created": ("draft", "pencil-line"),
    "scheduled": ("ok", "calendar-clock"),
    "appointed": ("ok", "calendar-clock"),
    "unscheduled": ("draft", "pencil-line"),
    "sending": ("sent", "send"),
    "paused": ("waiting", "pause"),
    "resumed": ("sent", "play"),
    "reset": ("waiting", "rotate-cw"),
    "stalled": ("failed", "octagon-alert"),
    "failed": ("failed", "octagon-alert"),
    "does_not_add_up": ("failed", "octagon-alert"),
    "cancelled": ("failed", "ban"),
    "retried": ("sent", "rotate-cw"),
    "resent": ("waiting", "rotate-cw"),
    "finished": ("sent", "check-check"),
    "archived": ("draft", "archive"),
    "unarchived": ("draft", "archive-restore"),
}


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that happened, who did it, and what it means."""

    at: dt.datetime
    what: str
    detail: str
    style: str
    icon: str


def line(entry: CampaignEntry) -> Line:
    """Return an entry as a line; a kind that is not known here is shown by its own name."""
    style, icon = _LOOKS.get(entry.kind, ("draft", "circle-dashed"))
    what, detail = _words(entry)
    return Line(entry.at, what, detail, style, icon)


def _words(entry: CampaignEntry) -> tuple[str, str]:
    who = str(entry.by) if entry.by else ""
    match entry.kind:
        case "created":
            return _by(who, _("%(who)s began this campaign"), _("The campaign was begun")), _copied(entry)
        case "scheduled":
            return _by(who, _("%(who)s sent it off"), _("It was sent off")), _content(entry)
        case "appointed" if entry.detail.get("at"):
            return _by(who, _("%(who)s chose another time"), _("It got another time")), ""
        case "appointed":
            return _by(who, _("%(who)s sent it off at once"), _("It was sent off at once")), ""
        case "unscheduled":
            return _by(who, _("%(who)s took it back to a draft"), _("It went back to a draft")), _restored(entry)
        case "sending":
            return _("The audience is frozen, sending began"), ""
        case "paused":
            return _by(who, _("%(who)s paused it"), _("It was paused")), _paused(entry)
        case "resumed":
            why = {
                "worker_came": _("A mail worker has started."),
                "account_well": _("Its sending account works again."),
            }
            return _by(who, _("%(who)s let it go on"), _("It went on")), why.get(str(entry.detail.get("reason")), "")
        case "reset":
            nobody = _("Nothing moved, so we set it going again")
            return _by(who, _("Nothing moved, so %(who)s set it going again"), nobody), _reset(entry)
        case "stalled" if entry.detail.get("reason") == "account":
            return _("It stopped"), _("Its sending account is switched off or in trouble. It goes on by itself.")
        case "stalled":
            return _("It stopped"), _("It was set going three times and no email moved.")
        case "failed":
            return _("It could not be prepared"), _("Nobody got it, and what was prepared is cancelled.")
        case "does_not_add_up":
            return _("It cannot close"), _("Its emails do not make its audience.")
        case "cancelled":
            return (
                _by(who, _("%(who)s cancelled the rest"), _("The rest was cancelled")),
                _restored(entry) or _("What had not begun was not sent."),
            )
        case "archived":
            return _by(who, _("%(who)s archived it"), _("It was archived")), ""
        case "unarchived":
            return _by(who, _("%(who)s took it out of the archive"), _("It left the archive")), ""
        case "retried":
            what = _by(who, _("%(who)s had the failed emails tried again"), _("The failed emails are tried again"))
            return what, _second_tries(entry)
        case "resent":
            what = _by(who, _("%(who)s had unconfirmed emails sent again"), _("Unconfirmed emails are sent again"))
            return what, f"{_second_tries(entry)} {_('Some people may get it twice.')}"
        case "finished":
            return _("Closed"), _("Every email has met its end, and the states add up to the audience.")
        case other:
            return other.replace("_", " ").capitalize(), ""


def _by(who: str, somebody: str, nobody: str) -> str:
    return somebody % {"who": who} if who else nobody


def _copied(entry: CampaignEntry) -> str:
    name = entry.detail.get("copy_of")
    return _("A copy of “%(name)s”.") % {"name": name} if name else ""


def _content(entry: CampaignEntry) -> str:
    if entry.detail.get("at"):
        return _("The content is frozen; the audience is counted when its time comes.")
    return _("The content is frozen.")


def _paused(entry: CampaignEntry) -> str:
    match str(entry.detail.get("reason", "")):
        case "restored":
            return _("By itself: the database was restored from a backup.")
        case "letters_crash":
            return _("By itself: worker after worker died with one of its emails in hand.")
        case "hard_bounces":
            return _("By itself: too many of its addresses do not exist.")
        case "letters_unbuilt":
            return _("By itself: the email could not be built for too many people.")
        case reason if reason in set(FailureClass):
            return _("By itself: %(why)s") % {"why": bounces.EXPLANATIONS[FailureClass(reason)]}
    return ""


def _second_tries(entry: CampaignEntry) -> str:
    letters, left_out = int(entry.detail.get("letters") or 0), int(entry.detail.get("left_out") or 0)
    back = ngettext("%(n)d email went back to the queue.", "%(n)d emails went back to the queue.", letters)
    out = ngettext(
        "%(n)d stays as it is: nobody may or can be reached there.",
        "%(n)d stay as they are: nobody may or can be reached there.",
        left_out,
    )
    return " ".join([back % {"n": letters}, *([out % {"n": left_out}] if left_out else [])])


def _restored(entry: CampaignEntry) -> str:
    if entry.detail.get("reason") != "restored":
        return ""
    return _("The database was restored from a backup, and it may have gone out after that.")


def _reset(entry: CampaignEntry) -> str:
    why = {
        "slice_not_made": _("The audience was not finished."),
        "lease_ended": _("Emails were in the hands of a worker that is gone."),
        "letters_due": _("Emails were due and nobody took them."),
    }.get(str(entry.detail.get("reason", "")), "")
    leases = int(entry.detail.get("leases") or 0)
    back = ngettext("%(n)d email went back to the queue.", "%(n)d emails went back to the queue.", leases)
    return " ".join(part for part in (why, back % {"n": leases} if leases else "") if part)
