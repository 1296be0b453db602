"""Sending accounts: what carries emails, how fast it may go, and how it feels today."""

from __future__ import annotations

import uuid

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from apps.accounts.access import WorkspaceRequest, may, within
from apps.smtp import standing
from apps.smtp.forms import ProviderForm, SmtpForm
from apps.smtp.models import Transport
from apps.smtp.providers import catalogue
from apps.smtp.services import accounts, probes
from apps.smtp.services.accounts import AccountError
from apps.smtp.services.probe import Probe
from core import toasts


@may("workspace.view")
@require_safe
def show(request: WorkspaceRequest) -> HttpResponse:
    """List the accounts with their health and what they used of their limits."""
    found = standing.of_workspace(request.workspace)
    context = {
        "standings": found,
        "troubled": next((one for one in found if one.trouble), None),
        "has_real": any(not one.transport.is_local_inbox for one in found),
        "may_edit": request.may("transports.edit"),
    }
    return render(request, "smtp/accounts.html", context)


@may("workspace.view")
@require_safe
def detail(request: WorkspaceRequest, transport_uuid: uuid.UUID) -> HttpResponse:
    """Show one account."""
    return _detail(request, _found(request, transport_uuid))


@may("transports.edit")
@require_http_methods(["GET", "HEAD", "POST"])
def new(request: WorkspaceRequest) -> HttpResponse:
    """Add an account: an SMTP server, or one with a provider of the list."""
    wanted = request.GET.get("with", "")
    chosen = catalogue.find(wanted)
    if wanted and chosen is None:
        raise Http404
    form = ProviderForm(request.POST or None, provider=chosen) if chosen else SmtpForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            made = _added(request, form)
        except AccountError as error:
            form.add_error(error.field or None, error.message)
        else:
            return _saved(request, made)
    return _form(request, form, None)


@may("transports.edit")
@require_http_methods(["GET", "HEAD", "POST"])
def edit(request: WorkspaceRequest, transport_uuid: uuid.UUID) -> HttpResponse:
    """Change an account; its secrets go in and never come out."""
    account = _found(request, transport_uuid)
    if account.is_local_inbox:
        return _to(request, account)  # there is nothing to type in
    form = _form_of(request, account)
    if form is None:
        messages.warning(request, _("This provider is not offered here. Nothing of the account can be changed."))
        return _to(request, account)
    if request.method == "POST" and form.is_valid():
        try:
            _change(account, form)
        except AccountError as error:
            account.refresh_from_db()
            form.add_error(error.field or None, error.message)
        else:
            return _saved(request, account)
    return _form(request, form, account)


@may("transports.edit")
@require_POST
def test(request: WorkspaceRequest, transport_uuid: uuid.UUID) -> HttpResponse:
    """Try the connection now, up to the sign-in; no email is sent."""
    account = _changeable(request, transport_uuid)
    probe = probes.probe(account)
    if request.htmx:
        return render(request, "smtp/probe.html", {"probe": probe})
    account.refresh_from_db()
    return _detail(request, account, probe=probe)


@may("transports.edit")
@require_POST
def switch(request: WorkspaceRequest, transport_uuid: uuid.UUID) -> HttpResponse:
    """Switch an account off or on."""
    account = _changeable(request, transport_uuid)
    accounts.switch(account, on=request.POST.get("on") == "1")
    words = (
        _("Switched on.")
        if account.is_active
        else _("Switched off. Its emails wait; choose another account for new campaigns.")
    )
    toasts.done(request, words, undo=request.path, on="0" if account.is_active else "1")
    return _to(request, account)


@may("transports.edit")
@require_POST
def delete(request: WorkspaceRequest, transport_uuid: uuid.UUID) -> HttpResponse:
    """Delete an account that was never used."""
    account = _changeable(request, transport_uuid)
    try:
        accounts.delete(account)
    except accounts.AccountInUseError as error:
        messages.warning(request, error.message)
        return _to(request, account)
    messages.success(request, _("Deleted."))
    return redirect("smtp:accounts", workspace_slug=request.workspace.slug)


def _found(request: WorkspaceRequest, transport_uuid: uuid.UUID) -> Transport:
    return within(request.workspace, Transport.objects.select_related("throttle"), uuid=transport_uuid)


def _changeable(request: WorkspaceRequest, transport_uuid: uuid.UUID) -> Transport:
    """Return an account that people set up; the local inbox is not one."""
    accounts_of_people = Transport.objects.exclude(kind=Transport.Kind.LOCAL_INBOX)
    return within(request.workspace, accounts_of_people, uuid=transport_uuid)


def _detail(request: WorkspaceRequest, account: Transport, *, probe: Probe | None = None) -> HttpResponse:
    context = {
        "standing": standing.of(account),
        "account": account,
        "probe": probe,
        "may_edit": request.may("transports.edit") and not account.is_local_inbox,
    }
    return render(request, "smtp/account.html", context)


def _added(request: WorkspaceRequest, form: SmtpForm | ProviderForm) -> Transport:
    name, limits = form.cleaned_data["name"], form.limits
    if isinstance(form, ProviderForm):
        return accounts.add_provider(request.workspace, name=name, account=form.typed, limits=limits)
    return accounts.add_smtp(request.workspace, name=name, server=form.server, limits=limits)


def _change(account: Transport, form: SmtpForm | ProviderForm) -> None:
    name, limits = form.cleaned_data["name"], form.limits
    if isinstance(form, ProviderForm):
        accounts.change_provider(account, name=name, account=form.typed, limits=limits)
    else:
        accounts.change_smtp(account, name=name, server=form.server, limits=limits)


def _form_of(request: WorkspaceRequest, account: Transport) -> SmtpForm | ProviderForm | None:
    if not account.is_provider:
        return SmtpForm(request.POST or None, account=account)
    provider = catalogue.find(account.provider)
    return ProviderForm(request.POST or None, provider=provider, account=account) if provider else None


def _form(request: WorkspaceRequest, form: SmtpForm | ProviderForm, account: Transport | None) -> HttpResponse:
    provider = form.provider if isinstance(form, ProviderForm) else None
    context = {"form": form, "account": account, "provider": provider, "providers": catalogue.offered().values()}
    return render(request, "smtp/account_form.html", context, status=422 if form.errors else 200)


def _saved(request: WorkspaceRequest, account: Transport) -> HttpResponse:
    if request.POST.get("then") == "test":
        probe = probes.probe(account)
        level = messages.SUCCESS if probe.is_good else messages.WARNING
        messages.add_message(request, level, _("Saved. %(found)s") % {"found": probe.words})
    else:
        messages.success(request, _("Saved."))
    return _to(request, account)


def _to(request: WorkspaceRequest, account: Transport) -> HttpResponse:
    return redirect("smtp:account", workspace_slug=request.workspace.slug, transport_uuid=account.uuid)
