"""What happened on the installation lately, one sentence each: incidents, and what campaigns did by themselves."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from django.db.models import Q
from django.utils import formats, timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from apps.accounts.models import Workspace
from apps.campaigns import chronicle
from apps.campaigns import selectors as campaigns
from apps.campaigns.models import CampaignEntry
from apps.smtp.outcome import Stage
from apps.web import moments, numbers
from core import incidents
from core.models import Incident

WITHIN = dt.timedelta(hours=24)
SHOWN = 20
_LOOKS = {"account_stopped": "unplug", "queue_deserted": "x", "worker_gone": "x", "beat_away": "timer-off"}


@dataclass(frozen=True, slots=True)
class Happening:
    """One thing that happened: its state's colour, its icon, the fact and what came of it."""

    at: dt.datetime
    style: str
    icon: str
    what: str
    how: str


def lately(workspace: Workspace | None) -> list[Happening]:
    """Return the last day's happenings, newest first, of a workspace or (None) of all."""
    found = [*_incidents(workspace), *_entries(workspace)]
    return sorted(found, key=lambda one: one.at, reverse=True)[:SHOWN]


def _incidents(workspace: Workspace | None) -> list[Happening]:
    return [
        _of_incident(one)
        for one in incidents.recent(WITHIN, limit=SHOWN * 2)
        if workspace is None or one.workspace_id in (None, workspace.pk)
    ]


def _of_incident(one: Incident) -> Happening:
    what, how = _words(one)
    if one.ended_at is None:
        ending = _("It is still so.")
    elif one.kind == "beat_away":
        ending = ""
    else:
        ending = _("Over since %(at)s.") % {"at": moments.words(one.ended_at, "seconds")}
    style = "failed" if one.ended_at is None else "waiting"
    return Happening(one.began_at, style, _LOOKS.get(one.kind, "x"), what, f"{how} {ending}".strip())


def _words(one: Incident) -> tuple[str, str]:
    match one.kind:
        case "queue_deserted":
            what = _("Nobody listened to the queue “%(queue)s”") % {"queue": one.subject}
            return what, _("What was in it waited; nothing was lost.")
        case "worker_gone":
            what = _("The worker %(name)s went away") % {"name": one.subject}
            return what, _("Emails in its hands come back by themselves, and nobody gets one twice.")
        case "account_stopped":
            what = _("%(name)s was stopped") % {"name": one.detail.get("name", one.subject)}
            return what, _refusals(one)
        case "beat_away":
            return _("Beat was away"), _away(one)
        case other:
            return other.replace("_", " ").capitalize(), one.subject


def _refusals(one: Incident) -> str:
    count = int(one.detail.get("failures") or 0)
    if one.detail.get("stage") == Stage.AUTH.value:
        words = ngettext("It refused our password.", "%(n)s refusals of our password in a row.", count)
    else:
        words = ngettext("It could not be reached.", "It could not be reached %(n)s times in a row.", count)
    return words % {"n": numbers.whole(count)}


def _away(one: Incident) -> str:
    seconds = (one.ended_at - one.began_at).total_seconds() if one.ended_at else 0
    minutes = max(1, round(seconds / 60))
    words = ngettext(
        "For %(n)s minute nothing was scheduled, swept or tried again. Then it went on.",
        "For %(n)s minutes nothing was scheduled, swept or tried again. Then it went on.",
        minutes,
    )
    return words % {"n": numbers.whole(minutes)}


def _entries(workspace: Workspace | None) -> list[Happening]:
    by_itself = Q(kind__in=["finished", "stalled", "reset", "failed", "does_not_add_up"]) | Q(kind="paused", by=None)
    wanted = CampaignEntry.objects.filter(by_itself, at__gt=timezone.now() - WITHIN)
    if workspace is not None:
        wanted = wanted.filter(campaign__workspace=workspace)
    rows = list(wanted.select_related("campaign", "by").order_by("-at")[:SHOWN])
    closed = campaigns.accounts([row.campaign for row in rows if row.kind == "finished"])
    return [_of_entry(row, closed.get(row.campaign_id)) for row in rows]


def _of_entry(entry: CampaignEntry, account: campaigns.Account | None) -> Happening:
    line, name = chronicle.line(entry), entry.campaign.name
    match entry.kind:
        case "finished":
            return Happening(entry.at, "sent", line.icon, _("%(name)s closed") % {"name": name}, _sum(account))
        case "stalled":
            what = _("%(name)s stopped") % {"name": name}
        case "failed":
            what = _("%(name)s could not be prepared") % {"name": name}
        case "does_not_add_up":
            what = _("%(name)s cannot close") % {"name": name}
        case "reset":
            what = _("%(name)s was set going again") % {"name": name}
        case _:
            what = _("%(name)s was paused") % {"name": name}
    return Happening(entry.at, line.style, line.icon, what, line.detail)


def _sum(account: campaigns.Account | None) -> str:
    if account is None:
        return ""
    parts = [getattr(account, state) for state in campaigns.PARTS]
    counted = [formats.number_format(part, force_grouping=True) for part in parts if part]
    total = numbers.whole(account.total)
    if sum(parts) != account.total:
        return ""
    return _("%(sum)s = %(total)s. It adds up.") % {"sum": " + ".join(counted) or "0", "total": total}
