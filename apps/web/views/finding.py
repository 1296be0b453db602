"""The palette: one search over campaigns, people and pages, as a fragment or as a page of its own."""

from __future__ import annotations

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from apps.accounts.access import WorkspaceRequest, may
from apps.web import finding


@may("workspace.view")
@require_safe
def show(request: WorkspaceRequest) -> HttpResponse:
    """Show what the words of `q` name."""
    query = request.GET.get("q", "").strip()[: finding.LONGEST]
    groups = finding.find(request.workspace, role=request.membership.role, query=query)
    template = "web/found.html" if request.htmx else "web/find.html"
    return render(request, template, {"groups": groups, "query": query})
