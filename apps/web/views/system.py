"""The System page for admins: does everything run, and if not, which command helps.

Workers, queues and beat belong to the installation, so every admin of a workspace sees them; figures, accounts,
campaigns and incidents of other workspaces are for instance admins alone.
"""

from __future__ import annotations

import datetime as dt

from django.conf import settings
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from apps.accounts.access import WorkspaceRequest, may, within
from apps.accounts.models import Workspace
from apps.campaigns.models import Campaign
from apps.campaigns.services import stuck
from apps.web import happenings, notices, system
from core import health

CHECK_SECONDS = 12.0


def _scope(request: WorkspaceRequest) -> Workspace | None:
    """Return whose figures the member may see: None means all workspaces'."""
    return None if request.user.is_instance_admin else request.workspace


def _context(request: WorkspaceRequest) -> dict[str, object]:
    sees_all, scope = request.user.is_instance_admin, _scope(request)
    return {
        "system": system.of(request.workspace, sees_all=sees_all),
        "notice": notices.worst(scope),
        "happened": happenings.lately(scope),
        "sees_all": sees_all,
        "may_repair": request.may("system.repair"),
    }


@may("system.view")
@require_safe
def show(request: WorkspaceRequest) -> HttpResponse:
    """Show how everything stands."""
    return render(request, "web/system.html", _context(request))


@may("system.view")
@require_safe
def live(request: WorkspaceRequest) -> HttpResponse:
    """Answer a poll of the page."""
    if not request.htmx:
        return redirect("web:system", workspace_slug=request.workspace.slug)
    return render(request, "web/system_live.html", _context(request))


@may("system.view")
@require_safe
def notice(request: WorkspaceRequest) -> HttpResponse:
    """Answer any page's question whether an admin must act."""
    return render(request, "web/system_notice.html", {"notice": notices.worst(_scope(request))})


@may("system.view")
@require_safe
def checks(request: WorkspaceRequest) -> HttpResponse:
    """Run every health check for an instance admin: their answers speak of the machine and of all workspaces."""
    reports = health.run(health.Context(), budget_seconds=CHECK_SECONDS) if request.user.is_instance_admin else None
    status = health.worst(reports) if reports is not None else None
    return render(request, "web/system_checks.html", {"reports": reports, "status": status})


@may("system.repair")
@require_POST
def reset(request: WorkspaceRequest, campaign_id: int) -> HttpResponse:
    """Set one stuck campaign of this workspace going again."""
    campaign = within(request.workspace, Campaign.objects.all(), pk=campaign_id)
    found = stuck.find(dt.timedelta(seconds=settings.LIMITS.stuck))
    mine = next((one for one in found if one.campaign_id == campaign.pk), None)
    if mine is None:
        messages.info(request, _("“%(name)s” is not stuck; nothing was changed.") % {"name": campaign.name})
    elif stuck.reset(mine, by=request.user):
        messages.success(request, _("“%(name)s” was set going again.") % {"name": campaign.name})
    else:
        messages.warning(
            request,
            _("“%(name)s” was set going three times and nothing moved, so it is stopped now. Look at its account.")
            % {"name": campaign.name},
        )
    return redirect("web:system", workspace_slug=request.workspace.slug)
