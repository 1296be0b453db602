"""What holds a campaign back right now, what that means, and what to do about it."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from django.utils import formats
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from apps.campaigns.models import Campaign
from apps.campaigns.selectors import Account
from apps.campaigns.states import CampaignState
from apps.campaigns.tally import Pace
from apps.smtp import bounces, standing
from apps.smtp.outcome import FailureClass

# Longer without a move while something is due, and somebody should look.
QUIET = dt.timedelta(seconds=60)
HEALTH = "manage.py health_check"


@dataclass(frozen=True, slots=True)
class Situation:
    """A banner: the fact, the consequence, and the command that tells more.

    Args:
        held: off or trouble where the sending account has to be seen to before anything goes on; else empty.
    """

    kind: str
    title: str
    detail: str = ""
    command: str = ""
    next_due_at: dt.datetime | None = None
    held: str = ""


def grouped(count: int) -> str:
    """Return a count as people of the language write it."""
    return formats.number_format(count, force_grouping=True)


def of(campaign: Campaign, account: Account, pace: Pace) -> Situation | None:
    """Return what a person should know about a campaign that is under way; None while all goes well."""
    match campaign.state:
        case CampaignState.STALLED if campaign.state_reason == "account":
            return _held_by_account(campaign) or Situation("calm", _("Its sending account works again. It goes on."))
        case CampaignState.STALLED:
            return _stalled(account)
        case CampaignState.FAILED:
            return _failed()
        case CampaignState.SENDING | CampaignState.PAUSED | CampaignState.STALLED if _is_open(campaign, account):
            return _does_not_add_up(campaign, account)
        case CampaignState.PAUSED:
            return _paused(campaign, account)
        case CampaignState.CANCELLED if account.pending:
            return Situation("calm", _("Cancelled. What is in hand ends by itself."))
        case CampaignState.SENDING if account.pending and (held := _held_by_account(campaign)):
            return held
        case CampaignState.SENDING if pace.due and pace.quiet_for > QUIET:
            return _quiet(pace)
        case CampaignState.SENDING if account.waiting and not pace.due and not account.in_hand and pace.next_due_at:
            return Situation(
                "calm",
                _("Everything else is done; the rest waits for its next try."),
                _("Receiving servers asked us to come back later. Nothing is wrong with these addresses."),
                next_due_at=pace.next_due_at,
            )
    return None


def _failed() -> Situation:
    detail = _(
        "We tried four times to freeze its audience, each time for half an hour. Everything that was prepared is "
        "cancelled. The health check and the log of the workers say what stood in the way; then send a copy of it."
    )
    return Situation("bad", _("It could not be prepared, and nobody got it."), detail, HEALTH)


def _is_open(campaign: Campaign, account: Account) -> bool:
    return not account.pending and not account.adds_up and campaign.finished_at is None


def _does_not_add_up(campaign: Campaign, account: Account) -> Situation:
    title = _("It cannot close: its emails do not make its audience.")
    detail = _(
        "%(total)s people were in its audience at the freeze, and there are %(parts)s emails. Rows in the database "
        "were changed beside us. Compare it with a backup:"
    )
    words = {"total": grouped(account.total), "parts": grouped(account.letters)}
    return Situation("bad", title, detail % words, f"manage.py account {campaign.pk}")


def _held_by_account(campaign: Campaign) -> Situation | None:
    """Say that the sending account is what everything waits for, if it is."""
    if campaign.transport is None:
        return None
    account = standing.of(campaign.transport)
    name = {"name": campaign.transport.name}
    if account.health == "off":
        title = _("“%(name)s” is switched off, so nothing carries its emails.") % name
        detail = _("Switch the sending account on again, and they go on. Nothing is lost.")
        return Situation("warn", title, detail, held="off")
    if account.trouble:
        detail = _("Its emails wait, and none of them failed. One is tried now and then, and all go on when it works.")
        said = f"{detail} {account.said}".strip()
        return Situation("bad", account.trouble, said, next_due_at=account.tried_at, held="trouble")
    if account.opens_at:
        title = _("“%(name)s” has used up its limit for now.") % name
        detail = _("The rest goes on by itself. Nothing is lost.")
        return Situation("calm", title, detail, next_due_at=account.opens_at)
    return None


def _waiting(count: int) -> str:
    return ngettext("%(n)s email waits; nothing is lost.", "%(n)s emails wait; nothing is lost.", count) % {
        "n": grouped(count)
    }


def _stalled(account: Account) -> Situation:
    detail = _(
        "We set it going three times and no email moved. Ask the health check what stands still, put that right, and "
        "let it go on. It also goes on by itself when a mail worker starts. %(waiting)s"
    )
    title = _("It stopped: nothing carries its emails.")
    return Situation("bad", title, detail % {"waiting": _waiting(account.pending)}, HEALTH)


def _paused(campaign: Campaign, account: Account) -> Situation:
    waiting = _waiting(account.pending)
    if campaign.state_reason == "letters_crash":
        title = _("Paused by itself: worker after worker died with one of its emails in hand.")
        return Situation("bad", title, f"{waiting} {_('Look at the failed emails before it goes on.')}", HEALTH)
    if campaign.state_reason == "restored":
        detail = _(
            "What may have gone out after the backup is unconfirmed, so that nobody gets it twice. Look at it before "
            "the rest goes on."
        )
        return Situation("warn", _("Paused: the database was restored from a backup."), f"{detail} {waiting}")
    if campaign.state_reason == "hard_bounces":
        title = _("Paused by itself: too many of these addresses do not exist.")
        detail = _("More than 5 % were refused for good. Receiving servers take that for a bought or an old list.")
        return Situation("bad", title, f"{detail} {waiting}")
    if campaign.state_reason == "letters_unbuilt":
        title = _("Paused by itself: the email cannot be built for many of its people.")
        return Situation("bad", title, f"{_('Look at the failed emails: they say which field is missing.')} {waiting}")
    if campaign.state_reason:
        return Situation("warn", _("Paused by itself."), f"{_explained(campaign.state_reason)} {waiting}".strip())
    in_hand = ngettext("%(n)s email is still in hand.", "%(n)s emails are still in hand.", account.in_hand)
    detail = f"{waiting} {in_hand % {'n': grouped(account.in_hand)}}" if account.in_hand else waiting
    return Situation("warn", _("Paused. No email leaves until you let it go on."), detail)


def _quiet(pace: Pace) -> Situation:
    minutes = max(1, int(pace.quiet_for / dt.timedelta(minutes=1)))
    title = ngettext(
        "No email has moved for %(n)s minute.", "No email has moved for %(n)s minutes.", minutes
    ) % {"n": grouped(minutes)}  # fmt: skip
    detail = ngettext(
        "%(n)s email could go now. Nothing is lost. The health check says what stands still:",
        "%(n)s emails could go now. Nothing is lost. The health check says what stands still:",
        pace.due,
    ) % {"n": grouped(pace.due)}
    return Situation("warn", title, detail, HEALTH)


def _explained(reason: str) -> str:
    try:
        return str(bounces.EXPLANATIONS[FailureClass(reason)])
    except (KeyError, ValueError):
        return ""
