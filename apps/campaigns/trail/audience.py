"""The steps before a letter: lists, consent, exclusion, suppression, and what was decided when the audience froze."""

from __future__ import annotations

import datetime as dt

from django.utils.translation import gettext as _

from apps.campaigns.models import LeftOut
from apps.campaigns.states import CampaignState
from apps.campaigns.trail import consent
from apps.campaigns.trail.asked import Asked
from apps.campaigns.trail.steps import Step
from apps.contacts.models import ContactList, Subscription, Suppression

State = Subscription.State
UNFROZEN = frozenset({CampaignState.DRAFT, CampaignState.SCHEDULED})


def lists_of(asked: Asked) -> tuple[list[int], list[int]]:
    """Return the lists a campaign goes to and those it leaves out: frozen ones, or a draft's choice."""
    campaign = asked.campaign
    if campaign.state == CampaignState.DRAFT:
        return (
            sorted(campaign.lists.values_list("pk", flat=True)),
            sorted(campaign.excluded_lists.values_list("pk", flat=True)),
        )
    return list(campaign.audience_list_ids), list(campaign.excluded_list_ids)


def names(list_ids: list[int]) -> str:
    """Return lists by name; one that is gone is counted."""
    known = dict(ContactList.objects.filter(pk__in=list_ids).values_list("pk", "name"))
    words = [_("“%(name)s”") % {"name": known[one]} if one in known else _("a deleted list") for one in list_ids]
    return ", ".join(words)


def memberships(asked: Asked) -> list[Subscription]:
    """Return the person's membership of the campaign's lists and of those it excludes, as it is today."""
    if asked.contact is None:
        return []
    ours, excluded = lists_of(asked)
    found = Subscription.objects.filter(contact=asked.contact, contact_list__in=[*ours, *excluded])
    return list(found.select_related("contact_list").order_by("created_at", "pk"))


def suppression_of(asked: Asked) -> Suppression | None:
    """Return why the address must not be written to today."""
    return Suppression.objects.filter(workspace_id=asked.campaign.workspace_id, email_hash=asked.email_hash).first()


def left_out(asked: Asked) -> LeftOut | None:
    """Return what decided against the person when the audience was frozen."""
    if asked.contact is None:
        return None
    return LeftOut.objects.filter(campaign=asked.campaign, contact=asked.contact).first()


def steps(asked: Asked) -> list[Step]:
    """Return how the person came to the campaign's lists, left them, or was suppressed."""
    ours, excluded = lists_of(asked)
    on_record = consent.steps(asked.contact, ours, excluded=excluded) if asked.contact else {}
    told = [step for steps in on_record.values() for step in steps]
    for one in memberships(asked):
        # A membership from before there was a record, or one whose confirmation is still awaited.
        if one.contact_list_id not in on_record or one.state == State.UNCONFIRMED:
            told += _membership(one, is_excluded=one.contact_list_id in excluded)
    if suppression := suppression_of(asked):
        what = _("The address was suppressed: %(why)s") % {"why": str(suppression.get_reason_display()).lower()}
        told.append(Step(suppression.created_at, what, _source(suppression.source), style="failed", icon="ban"))
    return told


def _membership(one: Subscription, *, is_excluded: bool) -> list[Step]:
    values = {"name": one.contact_list.name}
    came = _("Came to the list “%(name)s”") % values
    how = _source(one.source)
    if is_excluded:
        how = " ".join(part for part in (how, _("This campaign leaves out everyone on it.")) if part)
    if one.state == State.UNCONFIRMED:
        how = " ".join(part for part in (how, _("The subscription was never confirmed.")) if part)
        return [Step(one.created_at, came, how, style="waiting", icon="clock")]
    if one.state == State.UNSUBSCRIBED:
        went = _("Unsubscribed from “%(name)s”") % values
        left = Step(one.changed_at, went, how, style="skipped", icon="minus")
        if one.changed_at == one.created_at:
            return [left]
        return [Step(one.created_at, came, "", style="sent", icon="check"), left]
    joined = [Step(one.created_at, _("Subscribed to “%(name)s”") % values, how, style="sent", icon="check")]
    if one.changed_at - one.created_at > dt.timedelta(seconds=1):
        again = _("The subscription to “%(name)s” was confirmed") % values
        joined = [Step(one.created_at, came, "", style="draft", icon="list-checks")]
        joined.append(Step(one.changed_at, again, how, style="sent", icon="check"))
    return joined


def _source(text: str) -> str:
    return _("By: %(source)s.") % {"source": text.rstrip(".")} if text else ""


def taken(asked: Asked) -> Step:
    """Return the step that took the person into the audience."""
    assert asked.delivery is not None
    ours, excluded = lists_of(asked)
    via = asked.delivery.via_list_ids or ours
    parts = [_("On %(lists)s, confirmed.") % {"lists": names(list(via))}] if via else []
    if excluded:
        parts.append(_("Not on %(lists)s.") % {"lists": names(excluded)})
    parts.append(_("Not suppressed."))
    return Step(asked.delivery.created_at, _("Taken into the audience"), " ".join(parts), style="sent", icon="check")


def refused(asked: Asked, found: LeftOut) -> Step:
    """Return the step that left the person out."""
    return Step(found.at, _("Left out of the audience"), why_left_out(asked, found), style="skipped", icon="minus")


def why_left_out(asked: Asked, found: LeftOut) -> str:
    """Return the reason in one sentence."""
    match found.reason:
        case "excluded":
            return _("On %(lists)s, which this campaign leaves out.") % {"lists": names(list(found.list_ids or []))}
        case "suppressed":
            why = dict(Suppression.Reason.choices).get(found.suppression, "")
            return _("The address was suppressed: %(why)s.") % {"why": str(why).lower() or _("no reason on record")}
        case "unsubscribed":
            return _("Unsubscribed from every list that this campaign goes to.")
        case "unconfirmed":
            return _("On the list, but the subscription was not confirmed.")
        case other:
            return other.replace("_", " ")


def forecast(asked: Asked) -> tuple[bool, str]:
    """Return whether the person would get a letter if the audience were frozen now, and why (not)."""
    ours, excluded = lists_of(asked)
    mine = memberships(asked)
    on = [one for one in mine if one.contact_list_id in ours]
    confirmed = [one.contact_list_id for one in on if one.state == State.CONFIRMED]
    kept_out = [one.contact_list_id for one in mine if one.contact_list_id in excluded and one.state == State.CONFIRMED]
    if not on:
        return False, _("They are on none of the lists that this campaign goes to.")
    if found := suppression_of(asked):
        return False, _("The address is suppressed: %(why)s.") % {"why": str(found.get_reason_display()).lower()}
    if not confirmed and any(one.state == State.UNSUBSCRIBED for one in on):
        return False, _("Unsubscribed from every list that this campaign goes to.")
    if not confirmed:
        return False, _("On the list, but the subscription was not confirmed.")
    if kept_out:
        return False, _("On %(lists)s, which this campaign leaves out.") % {"lists": names(kept_out)}
    return True, _("On %(lists)s, confirmed.") % {"lists": names(confirmed)}
