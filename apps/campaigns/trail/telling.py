"""Puts a trail together: the verdict first, then the steps, for people with a letter and for those without one."""

from __future__ import annotations

import datetime as dt

from django.utils import formats, timezone
from django.utils.translation import gettext as _

from apps.campaigns import fates
from apps.campaigns.fates import Verdict
from apps.campaigns.models import Campaign, Delivery
from apps.campaigns.states import CampaignState
from apps.campaigns.trail import audience, steps, tries
from apps.campaigns.trail.asked import Asked
from apps.campaigns.trail.steps import Step, Trail

_NO = Verdict("calm", "minus", "")


def tell(asked: Asked) -> Trail:
    """Return whether the person got the campaign, and everything that decided so."""
    before = audience.steps(asked)
    if asked.delivery is not None:
        return _of_letter(asked, asked.delivery, before)
    if asked.contact is None:
        answer = _no(_("No, it was not sent."))
        return Trail(answer, _("Nobody with this address is among your contacts."), steps.in_order(before))
    if asked.campaign.state in audience.UNFROZEN:
        return _of_draft(asked, before)
    return _without_letter(asked, before)


def _no(answer: str) -> Verdict:
    return Verdict(_NO.kind, _NO.icon, answer)


def _of_letter(asked: Asked, delivery: Delivery, before: list[Step]) -> Trail:
    tried = tries.tries(delivery)
    told = [
        *before,
        audience.taken(asked),
        *tries.halts(delivery, asked.campaign),
        *tried,
        *tries.end(delivery),
        *tries.revisions(delivery),
        *steps.later(delivery),
        *tries.expected(delivery, asked.campaign, number=len(tried) + 1),
    ]
    return Trail(_verdict(delivery, asked.campaign), _sentence(delivery, asked.campaign), steps.in_order(told))


def _verdict(delivery: Delivery, campaign: Campaign) -> Verdict:
    found = fates.verdict(delivery)
    if delivery.state == "sent" and delivery.sent_at and not delivery.reason.startswith("proven_by_"):
        return Verdict(found.kind, found.icon, _("Yes. Accepted at %(when)s.") % {"when": _moment(delivery.sent_at)})
    if delivery.state == "queued" and delivery.attempts and campaign.state == CampaignState.SENDING:
        answer = _("Not yet. We try again at %(when)s.") % {"when": _moment(delivery.due_at)}
        return Verdict(found.kind, found.icon, answer)
    return found


def _sentence(delivery: Delivery, campaign: Campaign) -> str:
    sentence = fates.of(delivery).sentence
    if delivery.state != "queued":
        return sentence
    if campaign.state == CampaignState.PAUSED:
        return " ".join((sentence, _("The campaign is paused; nothing leaves until it goes on.")))
    if campaign.state == CampaignState.STALLED:
        return " ".join((sentence, _("The campaign has stopped; nothing leaves until it goes on.")))
    keeps = _("We keep trying until %(when)s.") % {"when": _moment(delivery.expires_at + campaign.held)}
    return f"{sentence} {keeps}"


def _of_draft(asked: Asked, before: list[Step]) -> Trail:
    would, why = audience.forecast(asked)
    if would:
        sentence = _("The audience is not frozen yet. As things stand, they will get it. %(why)s") % {"why": why}
    else:
        sentence = _("The audience is not frozen yet. As things stand, they will not get it. %(why)s") % {"why": why}
    at = asked.campaign.scheduled_at if asked.campaign.state == CampaignState.SCHEDULED else None
    told = [*before, Step(at, _("The audience will be frozen"), why, style="queued", is_expected=True)]
    return Trail(Verdict("calm", "clock", _("Not yet.")), sentence, steps.in_order(told))


def _without_letter(asked: Asked, before: list[Step]) -> Trail:
    found = audience.left_out(asked)
    if found is not None:
        why = audience.why_left_out(asked, found)
        told = steps.in_order([*before, audience.refused(asked, found)])
        return Trail(_no(_("No, it was not sent.")), why, told)
    if asked.campaign.state == CampaignState.PREPARING:
        waits = _("The audience is being counted; they have not been judged yet.")
        return Trail(Verdict("calm", "clock", _("Not yet.")), waits, steps.in_order(before))
    if asked.campaign.audience_size is None:
        nobody = _("The campaign ended before it had an audience; nobody got it.")
        return Trail(_no(_("No, it was not sent.")), nobody, steps.in_order(before))
    why = _never_judged(asked)
    judged = Step(frozen_at(asked.campaign), _("Not in the audience"), why, style="skipped", icon="minus")
    return Trail(_no(_("No, it was not sent.")), why, steps.in_order([*before, judged]))


def frozen_at(campaign: Campaign) -> dt.datetime | None:
    """Return when the audience was complete."""
    entry = campaign.entries.filter(kind="sending").order_by("at").first()
    return entry.at if entry else campaign.started_at


def _never_judged(asked: Asked) -> str:
    """Say why a person has neither a letter nor a reason: at the freeze they were on none of the lists."""
    ours, _excluded = audience.lists_of(asked)
    if any(one.contact_list_id in ours for one in audience.memberships(asked)):
        return _("They came to the list after the audience had been frozen.")
    if asked.campaign.left_out and not asked.campaign.people_left_out.exists() and sum(_counts(asked.campaign)):
        return _("They were not in the audience. This campaign is older than the record of who was left out and why.")
    return _("They were on none of the lists that this campaign goes to.")


def _counts(campaign: Campaign) -> list[int]:
    return [int(count) for reason, count in campaign.left_out.items() if reason != "duplicate"]


def _moment(value: dt.datetime) -> str:
    local, now = timezone.localtime(value), timezone.localtime()
    if local.date() == now.date():
        return formats.time_format(local, "H:i")
    return formats.date_format(local, "j F, H:i")
