"""Sending domains and the keys that sign their letters, as pages of the workspace's settings."""

from __future__ import annotations

import uuid

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from apps.accounts.access import WorkspaceRequest, may, within
from apps.accounts.views.tabs import tabs
from apps.campaigns.forms import SigningKeyForm
from apps.campaigns.services import domains
from apps.smtp.dkim_keys import Published
from apps.smtp.models import SigningKey
from apps.smtp.services import signing_keys
from apps.smtp.services.signing_keys import SigningKeyError
from core import clock


@may("campaigns.view")
@require_safe
def show(request: WorkspaceRequest) -> HttpResponse:
    """List the domains with their keys."""
    return _page(request, SigningKeyForm())


@may("domains.edit")
@require_POST
def add(request: WorkspaceRequest) -> HttpResponse:
    """Make a key, for a new domain or as the successor of another key."""
    form = SigningKeyForm(request.POST)
    if form.is_valid():
        try:
            key = signing_keys.make(request.workspace, **form.cleaned_data, by=request.user)
        except SigningKeyError as error:
            form.add_error(error.field or None, error.message)
        else:
            messages.success(request, _("Made. Publish its record, then let it sign."))
            return _to(request, key)
    return _page(request, form)


@may("campaigns.view")
@require_safe
def detail(request: WorkspaceRequest, signing_key_uuid: uuid.UUID) -> HttpResponse:
    """Show a key: the record to publish, whether it was found, and what can be done next."""
    key = _found(request, signing_key_uuid)
    needed_until = signing_keys.needed_until(key)
    context = {
        "key": key,
        "needed_until": needed_until,
        "may_go": key.state == SigningKey.State.MADE or bool(needed_until and needed_until <= clock.now()),
        "said": said(key),
        "may_edit": request.may("domains.edit"),
    }
    return render(request, "campaigns/signing_key.html", context)


@may("domains.edit")
@require_POST
def check(request: WorkspaceRequest, signing_key_uuid: uuid.UUID) -> HttpResponse:
    """Ask the name server for the key's record."""
    key = _found(request, signing_key_uuid)
    is_good = signing_keys.check(key) is Published.FOUND
    messages.add_message(request, messages.SUCCESS if is_good else messages.WARNING, said(key))
    return _to(request, key)


@may("domains.edit")
@require_POST
def activate(request: WorkspaceRequest, signing_key_uuid: uuid.UUID) -> HttpResponse:
    """Let a key sign, once its record is found or a person insists."""
    key = _found(request, signing_key_uuid)
    try:
        before = signing_keys.activate(key, by=request.user, unseen=request.POST.get("unseen") == "1")
    except SigningKeyError as error:
        key.refresh_from_db()
        reason = said(key) if error.code == "not_published" else ""
        messages.warning(request, f"{error.message} {reason}".strip())
        return _to(request, key)
    words = _("It signs every email from this domain now.")
    if before is not None:
        words = _("It signs now. Leave the record of the key before it, %(selector)s, published for a week.")
        words %= {"selector": before.selector}
    messages.success(request, words)
    return _to(request, key)


@may("domains.edit")
@require_POST
def retire(request: WorkspaceRequest, signing_key_uuid: uuid.UUID) -> HttpResponse:
    """Let a key sign no more."""
    key = _found(request, signing_key_uuid)
    try:
        signing_keys.retire(key, by=request.user)
    except SigningKeyError as error:
        messages.warning(request, error.message)
    else:
        messages.success(request, _("Retired. Leave its record published for a week."))
    return _to(request, key)


@may("domains.edit")
@require_POST
def delete(request: WorkspaceRequest, signing_key_uuid: uuid.UUID) -> HttpResponse:
    """Forget a key that nothing needs."""
    key = _found(request, signing_key_uuid)
    try:
        signing_keys.delete(key, by=request.user)
    except SigningKeyError as error:
        messages.warning(request, error.message)
        return _to(request, key)
    messages.success(request, _("Deleted. Its record can be taken away."))
    return redirect("campaigns:domains", workspace_slug=request.workspace.slug)


def said(key: SigningKey) -> str:
    """Return in words what the name server said of a key's record; empty where it was not asked."""
    words = {
        Published.FOUND: _("The record is published and right."),
        Published.MISSING: _("There is no such record yet. A new one may take an hour to be seen."),
        Published.DIFFERENT: _("There is a record at this name, but not this one. Compare it letter by letter."),
        Published.SEVERAL: _("There are several records at this name. Leave only this one."),
        Published.UNKNOWN: _("No name server answered this machine. Try again, or look it up elsewhere."),
    }
    return words.get(Published(key.published), "") if key.published else ""


def _found(request: WorkspaceRequest, signing_key_uuid: uuid.UUID) -> SigningKey:
    return within(request.workspace, SigningKey.objects.all(), uuid=signing_key_uuid)


def _to(request: WorkspaceRequest, key: SigningKey) -> HttpResponse:
    return redirect("campaigns:signing_key", workspace_slug=request.workspace.slug, signing_key_uuid=key.uuid)


def _page(request: WorkspaceRequest, form: SigningKeyForm) -> HttpResponse:
    context = {
        "form": form,
        "domains": domains.of(request.workspace),
        "may_edit": request.may("domains.edit"),
        "tabs": tabs(request, "campaigns:domains"),
    }
    return render(request, "campaigns/domains.html", context, status=422 if form.errors else 200)
