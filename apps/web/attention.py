"""What needs somebody: things that do not mend themselves, each with where it is mended."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass

from django.db.models import Count, Q
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from apps.accounts import roles
from apps.accounts.models import Workspace
from apps.campaigns import selectors
from apps.campaigns.models import Campaign, Delivery
from apps.campaigns.states import CampaignState, DeliveryKind, DeliveryState
from apps.contacts.models import ImportJob
from apps.smtp import standing
from core import clock

# Older than this it is history: the report and the import still show it.
RECENT = dt.timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Need:
    """One thing: a chip, the fact, the consequence, and where to go."""

    state: str
    word: str
    fact: str
    consequence: str
    deed: str
    url: str


def of(workspace: Workspace, *, role: str) -> list[Need]:
    """Return what needs somebody, the worst first."""
    return [*_accounts(workspace, role), *_campaigns(workspace), *_unconfirmed(workspace), *_imports(workspace)]


def _accounts(workspace: Workspace, role: str) -> Iterator[Need]:
    may_mend = roles.allows(role, "transports.edit")
    for one in standing.of_workspace(workspace):
        if not one.trouble:
            continue
        waiting = Delivery.objects.filter(
            workspace=workspace, transport=one.transport, state=DeliveryState.QUEUED, attempts__gt=0
        ).count()
        waits = ngettext("%(n)s email waits for it.", "%(n)s emails wait for it.", waiting) % {"n": waiting}
        yield Need(
            "bad",
            _("Blocked"),
            one.trouble,
            " ".join(filter(None, [_sentence(one.said), _("Nothing is lost."), waits if waiting else ""])),
            _("Mend it") if may_mend else _("Look at it"),
            reverse("smtp:account", args=[workspace.slug, one.transport.uuid]),
        )


def _sentence(said: str) -> str:
    return said if not said or said[-1] in ".!?" else f"{said}."


def _campaigns(workspace: Workspace) -> Iterator[Need]:
    words = {
        CampaignState.STALLED: (
            _("“%(name)s” has come to a stop"), _("Nothing is lost: it goes on when its trouble is over.")
        ),
        CampaignState.FAILED: (_("“%(name)s” could not be sent"), _("Nobody got it. Its page says why.")),
    }  # fmt: skip
    for campaign in selectors.asking(workspace)[:5]:
        yield Need(
            "waiting",
            _("Asks"),
            _("“%(name)s” missed its time") % {"name": campaign.name},
            _("It does not leave late by itself. Nobody was sent anything."),
            _("Say what now"),
            reverse("campaigns:detail", args=[workspace.slug, campaign.pk]),
        )
    stalled = Q(state=CampaignState.STALLED) | Q(state=CampaignState.FAILED, moved_at__gt=clock.now() - RECENT)
    for campaign in Campaign.objects.filter(stalled, workspace=workspace).order_by("-moved_at")[:5]:
        fact, consequence = words[CampaignState(campaign.state)]
        url = reverse("campaigns:detail", args=[workspace.slug, campaign.pk])
        yield Need(campaign.state, "", fact % {"name": campaign.name}, consequence, _("Look at it"), url)


def _unconfirmed(workspace: Workspace) -> Iterator[Need]:
    held = (
        Delivery.objects.filter(
            workspace=workspace, kind=DeliveryKind.CAMPAIGN, state=DeliveryState.UNCONFIRMED,
            campaign__started_at__gt=clock.now() - RECENT,
        )
        .values("campaign_id", "campaign__name")
        .annotate(n=Count("pk"))
        .order_by("-campaign_id")[:5]
    )  # fmt: skip
    for row in held:
        n, url = row["n"], reverse("campaigns:people", args=[workspace.slug, row["campaign_id"]])
        yield Need(
            "unconfirmed",
            _("%(n)s unconfirmed") % {"n": n},
            ngettext(
                "%(n)s email of “%(name)s” may or may not have arrived",
                "%(n)s emails of “%(name)s” may or may not have arrived",
                n,
            )
            % {"n": n, "name": row["campaign__name"]},
            _("The connection broke before the last answer. We hold them, so nobody gets it twice."),
            _("Look at them"),
            f"{url}?part=unconfirmed",
        )


def _imports(workspace: Workspace) -> Iterator[Need]:
    lately = ImportJob.objects.filter(workspace=workspace, moved_at__gt=clock.now() - RECENT).order_by("-pk")
    for job in lately.filter(state__in=[ImportJob.State.FINISHED, ImportJob.State.FAILED])[:5]:
        url = reverse("contacts:import_detail", args=[workspace.slug, job.uuid])
        rejected = job.rejects.count()
        if job.state == ImportJob.State.FAILED:
            fact = _("The import “%(file)s” broke off") % {"file": job.file_name}
            yield Need("bad", _("Stopped"), fact, job.error, _("Look at it"), url)
        elif rejected:
            yield Need(
                "warn",
                ngettext("%(n)s reject", "%(n)s rejects", rejected) % {"n": rejected},
                ngettext(
                    "The import “%(file)s” left %(n)s row out", "The import “%(file)s” left %(n)s rows out", rejected
                )
                % {"file": job.file_name, "n": rejected},
                _("Correct these rows and import them again; the others stay as they are."),
                _("Look at them"),
                url,
            )
