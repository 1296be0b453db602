"""Addresses that must not be written to."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from apps.accounts.access import WorkspaceRequest, may, within
from apps.contacts import selectors
from apps.contacts.forms import SuppressForm
from apps.contacts.models import Suppression
from apps.contacts.services import suppression
from apps.contacts.views import paging
from core.addresses import InvalidAddressError


@may("contacts.view")
@require_safe
def show(request: WorkspaceRequest) -> HttpResponse:
    """List suppressions, newest first."""
    query = request.GET.get("q", "").strip()[:200]
    found = selectors.suppressed(request.workspace, query=query, after=paging.number(request, "after"))
    rows = list(found[: selectors.PAGE + 1])
    more, rows = len(rows) > selectors.PAGE, rows[: selectors.PAGE]
    shown = len(rows) + paging.number(request, "shown")
    context = {
        "rows": rows,
        "query": query,
        "shown": shown,
        "found": selectors.suppressed(request.workspace, query=query).count(),
        "next_url": paging.url(q=query, after=rows[-1].pk, shown=shown) if more else "",
        "may_edit": request.may("suppressions.edit"),
    }
    return render(request, "contacts/suppressed.html", context)


@may("suppressions.edit")
@require_http_methods(["GET", "HEAD", "POST"])
def add(request: WorkspaceRequest) -> HttpResponse:
    """Suppress an address by hand."""
    form = SuppressForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        source = form.cleaned_data["note"] or _("by hand, %(who)s") % {"who": request.user}
        try:
            suppression.add(
                request.workspace.pk,
                email=form.cleaned_data["email"],
                reason=Suppression.Reason.MANUAL,
                source=source,
            )
        except InvalidAddressError as error:
            form.add_error("email", error.message)
        else:
            messages.success(request, _("Suppressed. Nothing is sent to this address."))
            return _back(request)
    return render(request, "contacts/suppress.html", {"form": form}, status=422 if form.errors else 200)


@may("suppressions.edit")
@require_POST
def remove(request: WorkspaceRequest, suppression_id: int) -> HttpResponse:
    """Lift a suppression that a member may lift; the others say why not."""
    found = within(request.workspace, Suppression.objects.all(), pk=suppression_id)
    try:
        suppression.remove(request.workspace.pk, suppression_id=found.pk)
    except suppression.SuppressionStaysError as error:
        messages.warning(request, error.message)
    else:
        messages.success(request, _("Lifted. This address can be written to again."))
    return _back(request)


def _back(request: WorkspaceRequest) -> HttpResponse:
    return redirect("contacts:suppressed", workspace_slug=request.workspace.slug)
