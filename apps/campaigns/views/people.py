"""Everyone of a campaign, one by one: by part of the account, by cause, by name, address or reply."""

from __future__ import annotations

from urllib.parse import urlencode

from django.http import HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from apps.accounts.access import WorkspaceRequest, may
from apps.campaigns import causes, fates, finding, situations, tally
from apps.campaigns.models import Campaign
from apps.campaigns.selectors import PARTS
from apps.campaigns.views import entrance, second_tries

PEOPLE = 50
FOOT = 5


@may("campaigns.view")
@require_safe
def people(request: WorkspaceRequest, campaign_id: int) -> HttpResponse:
    """Show everyone, one by one, while the campaign is under way too."""
    campaign = entrance.campaign_of(request, campaign_id)
    counted = tally.of(campaign)
    values = {
        "campaign": campaign,
        "account": counted.account,
        "may_send": request.may("campaigns.send"),
        "may_export": request.may("contacts.export"),
        **context(request, campaign, counted),
    }
    return render(request, "campaigns/people.html", values)


def context(request: WorkspaceRequest, campaign: Campaign, counted: tally.Tally) -> dict[str, object]:
    """Return one page of everyone, by part, cause and what is in their name, address or reply."""
    wanted = finding.Wanted.of(request.GET)
    deliveries = finding.deliveries(campaign, wanted)
    total = deliveries.count() if wanted.query else _counted(counted, wanted)
    after, before = _number(request.GET.get("after")), _number(request.GET.get("shown"))
    found = list(deliveries.filter(pk__gt=after)[: PEOPLE + 1])
    page, shown = found[:PEOPLE], before + len(found[:PEOPLE])
    return {
        "people": [(delivery, fates.of(delivery)) for delivery in page],
        "part": wanted.part,
        "cause": wanted.cause,
        "query": wanted.query,
        "pills": _pills(counted, wanted),
        "causes": [(one.cause, causes.words(one.cause), one.letters) for one in _causes(counted, wanted.part)],
        "offer": second_tries.offer(request, campaign)
        if counted.account.failed or counted.account.unconfirmed
        else None,
        "foot": _foot(counted, wanted, shown=shown, total=total),
        "shown": shown,
        "found": total,
        "next_url": "?" + urlencode({**wanted.kept, "after": page[-1].pk, "shown": shown})
        if len(found) > PEOPLE
        else "",
    }


def _pills(counted: tally.Tally, wanted: finding.Wanted) -> list[tuple[str, int, str]]:
    """Return the parts that hold anybody, in the account's order, each with its count and address."""
    kept = {"q": wanted.query} if wanted.query else {}
    rows = [(name, getattr(counted.account, name)) for name in PARTS]
    return [
        (name, count, "?" + urlencode({"part": name, **kept}) + "#people")
        for name, count in rows
        if count or name == wanted.part
    ]


def _causes(counted: tally.Tally, part: str) -> list[tally.Cause]:
    """Return the causes of a part, or of all parts, the same cause of two parts taken together; most frequent first."""
    letters: dict[str, int] = {}
    for one in counted.causes:
        if part in ("", one.part):
            letters[one.cause] = letters.get(one.cause, 0) + one.letters
    return [tally.Cause(part, cause, letters[cause]) for cause in sorted(letters, key=lambda name: -letters[name])]


def _counted(counted: tally.Tally, wanted: finding.Wanted) -> int:
    if wanted.cause:
        return sum(one.letters for one in _causes(counted, wanted.part) if one.cause == wanted.cause)
    if wanted.part:
        return getattr(counted.account, wanted.part) if wanted.part in PARTS else 0
    return counted.account.total


def _foot(counted: tally.Tally, wanted: finding.Wanted, *, shown: int, total: int) -> str:
    """Return what the part in sight is made of; empty where nothing can be said."""
    made_of = _causes(counted, wanted.part)[:FOOT]
    if not wanted.part or wanted.cause or wanted.query or not made_of:
        return ""
    return _("%(shown)s of %(total)s %(part)s: %(why)s") % {
        "shown": situations.grouped(shown),
        "total": situations.grouped(total),
        "part": causes.PARTS[wanted.part],
        "why": ", ".join(f"{situations.grouped(one.letters)} {causes.words(one.cause)}" for one in made_of),
    }


def _number(text: str | None) -> int:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 19 else 0
