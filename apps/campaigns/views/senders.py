"""Senders, as a page of the workspace's settings."""

from __future__ import annotations

import uuid

from django.contrib import messages
from django.db.models import Count, Q
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from apps.accounts.access import WorkspaceRequest, may, within
from apps.accounts.views.tabs import tabs
from apps.campaigns.forms import SenderForm
from apps.campaigns.models import SenderIdentity
from apps.campaigns.services import senders
from apps.campaigns.states import CampaignState


@may("campaigns.view")
@require_http_methods(["GET", "HEAD"])
def show(request: WorkspaceRequest) -> HttpResponse:
    """List the senders."""
    return _page(request, SenderForm())


@may("senders.edit")
@require_POST
def add(request: WorkspaceRequest) -> HttpResponse:
    """Add a sender."""
    form = SenderForm(request.POST)
    if form.is_valid():
        try:
            senders.add(request.workspace, **form.cleaned_data, by=request.user)
        except senders.SenderError as error:
            form.add_error(error.field, error.message)
        else:
            messages.success(request, _("Added. It can be chosen in every campaign."))
            return _back(request)
    return _page(request, form)


@may("senders.edit")
@require_http_methods(["GET", "HEAD", "POST"])
def edit(request: WorkspaceRequest, senderidentity_uuid: uuid.UUID) -> HttpResponse:
    """Change a sender."""
    sender = _sender(request, senderidentity_uuid)
    initial = {"name": sender.name, "email": sender.email, "reply_to": sender.reply_to}
    form = SenderForm(request.POST if request.method == "POST" else None, initial=initial)
    if request.method == "POST" and form.is_valid():
        try:
            senders.change(sender, **form.cleaned_data, by=request.user)
        except senders.SenderError as error:
            sender.refresh_from_db()
            form.add_error(error.field, error.message)
        else:
            messages.success(request, _("Saved. Drafts that chose it follow."))
            return _back(request)
    context = {"form": form, "sender": sender}
    return render(request, "campaigns/sender.html", context, status=422 if form.errors else 200)


@may("senders.edit")
@require_POST
def remove(request: WorkspaceRequest, senderidentity_uuid: uuid.UUID) -> HttpResponse:
    """Take a sender away."""
    senders.remove(_sender(request, senderidentity_uuid), by=request.user)
    messages.success(request, _("Removed. Campaigns keep the name and address they had from it."))
    return _back(request)


def _sender(request: WorkspaceRequest, senderidentity_uuid: uuid.UUID) -> SenderIdentity:
    return within(request.workspace, SenderIdentity.objects.all(), uuid=senderidentity_uuid)


def _back(request: WorkspaceRequest) -> HttpResponse:
    return redirect("campaigns:senders", workspace_slug=request.workspace.slug)


def _page(request: WorkspaceRequest, form: SenderForm) -> HttpResponse:
    drafts = Count("campaigns", filter=Q(campaigns__state=CampaignState.DRAFT))
    context = {
        "form": form,
        "rows": list(senders.of(request.workspace).annotate(drafts=drafts)),
        "may_edit": request.may("senders.edit"),
        "tabs": tabs(request, "campaigns:senders"),
    }
    return render(request, "campaigns/senders.html", context, status=422 if form.errors else 200)
