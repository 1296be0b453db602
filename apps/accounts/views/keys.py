"""API keys of a workspace: make one, see it once, revoke it."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from apps.accounts.access import WorkspaceRequest, may, within
from apps.accounts.forms import ApiKeyForm
from apps.accounts.models import ApiKey
from apps.accounts.services import api_keys
from apps.accounts.views.tabs import tabs
from core import clock


@never_cache
@may("keys.edit")
@require_http_methods(["GET", "HEAD", "POST"])
def show(request: WorkspaceRequest) -> HttpResponse:
    """List the keys; a POST makes one and answers with it, this once."""
    form = ApiKeyForm(request.POST if request.method == "POST" else None, role=request.membership.role)
    made = None
    if request.method == "POST" and form.is_valid():
        made = api_keys.make(request.membership, **form.cleaned_data)
        form = ApiKeyForm(role=request.membership.role)
    context = {
        "tabs": tabs(request, "accounts:keys"),
        "form": form,
        "made": made,
        "keys": list(api_keys.of_workspace(request.workspace)),
        "now": clock.now(),
    }
    return render(request, "accounts/keys.html", context, status=422 if form.errors else 200)


@may("keys.edit")
@require_POST
def revoke(request: WorkspaceRequest, api_key_id: int) -> HttpResponse:
    """End a key at once."""
    key = within(request.workspace, ApiKey.objects.all(), pk=api_key_id)
    api_keys.revoke(key)
    messages.success(request, _("Revoked. The next call with %(key)s is refused.") % {"key": key.name})
    return redirect("accounts:keys", workspace_slug=request.workspace.slug)
