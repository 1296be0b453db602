"""Home: where signing in leads, and what a workspace is doing now."""

from __future__ import annotations

import datetime as dt

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from apps.accounts.access import WorkspaceRequest, may
from apps.accounts.models import Workspace
from apps.tracking import summaries
from apps.web import attention, readiness, selectors

LATELY = dt.timedelta(days=30)


@login_required
def home(request: HttpRequest) -> HttpResponse:
    """Lead to the first workspace of who signed in; say so when there is none."""
    mine = Workspace.objects.filter(memberships__user_id=request.user.pk or 0)
    workspace = mine.order_by("memberships__created_at").first()
    if workspace is None:
        return render(request, "web/no_workspace.html")
    return redirect("web:dashboard", workspace_slug=workspace.slug)


@may("workspace.view")
def dashboard(request: WorkspaceRequest) -> HttpResponse:
    """Show what is being sent, what was sent last, and on a new installation the first steps."""
    context = {
        "home": selectors.home(request.workspace),
        "needs": attention.of(request.workspace, role=request.membership.role),
        "readiness": readiness.of(request.workspace, role=request.membership.role),
        "may_import": request.may("contacts.import"),
        "may_add": request.may("contacts.edit"),
        "may_send": request.may("campaigns.send"),
        "may_compose": request.may("campaigns.edit"),
    }
    return render(request, "web/dashboard.html", context)


@may("campaigns.view")
def sending_now(request: WorkspaceRequest) -> HttpResponse:
    """Return the foot of the sidebar; it asks again only while something is being sent."""
    return render(request, "web/sending_now.html", {"line": selectors.sending_now(request.workspace)})


@may("campaigns.view")
def last_days(request: WorkspaceRequest) -> HttpResponse:
    """Return the figures of the last 30 days, which the home page asks for once it stands."""
    return render(request, "web/last_days.html", {"summary": summaries.since(request.workspace, LATELY)})
