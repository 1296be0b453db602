"""A workspace's own settings, its activity, and further workspaces."""

from __future__ import annotations

from urllib.parse import urlsplit

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from apps.accounts import audit, deeds
from apps.accounts.access import WorkspaceRequest, may
from apps.accounts.forms import NewWorkspaceForm, WorkspaceForm
from apps.accounts.models import User
from apps.accounts.services import workspaces
from apps.accounts.views.tabs import tabs

PAGE = 50


@may("workspace.edit")
@require_http_methods(["GET", "HEAD", "POST"])
def show(request: WorkspaceRequest) -> HttpResponse:
    """Name, postal address, zone and language."""
    workspace = request.workspace
    initial = {name: getattr(workspace, name) for name in ("name", "postal_address", "time_zone", "language")}
    form = WorkspaceForm(request.POST if request.method == "POST" else None, initial=initial)
    if request.method == "POST" and form.is_valid():
        try:
            workspaces.change(workspace, **form.cleaned_data, by=request.user)
        except workspaces.WorkspaceNameError as error:
            form.add_error("name", error.message)
        else:
            messages.success(request, _("Saved."))
            return redirect("accounts:workspace", workspace_slug=workspace.slug)
    context = {
        "form": form,
        "tabs": tabs(request, "accounts:workspace"),
        "public_url": settings.PUBLIC_URL,
        "is_https": urlsplit(settings.PUBLIC_URL).scheme == "https",
    }
    return render(request, "accounts/workspace.html", context, status=422 if form.errors else 200)


@may("audit.view")
@require_safe
def activity(request: WorkspaceRequest) -> HttpResponse:
    """Who did what, newest first."""
    after, before = _number(request, "after"), _number(request, "shown")
    rows = list(audit.of_workspace(request.workspace, after=after)[: PAGE + 1])
    more, rows = len(rows) > PAGE, rows[:PAGE]
    shown = before + len(rows)
    context = {
        "rows": [(row, deeds.WORDS.get(row.action, row.action)) for row in rows],
        "shown": shown,
        "next_url": f"?after={rows[-1].pk}&shown={shown}" if more else "",
        "tabs": tabs(request, "accounts:activity"),
    }
    return render(request, "accounts/activity.html", context)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def new(request: HttpRequest) -> HttpResponse:
    """Make a further workspace."""
    assert isinstance(request.user, User)
    if not workspaces.may_create(request.user):
        raise PermissionDenied
    form = NewWorkspaceForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        try:
            workspace = workspaces.create(form.cleaned_data["name"], owner=request.user)
        except workspaces.WorkspaceNameError as error:
            form.add_error("name", error.message)
        else:
            return redirect("web:dashboard", workspace_slug=workspace.slug)
    return render(request, "accounts/workspace_new.html", {"form": form}, status=422 if form.errors else 200)


def _number(request: HttpRequest, name: str) -> int:
    text = request.GET.get(name, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else 0
