"""Addresses that must not be written to."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_safe

from apps.accounts.access import WorkspaceRequest, may, within
from apps.contacts import selectors
from apps.contacts.forms import SuppressForm, WhyForm
from apps.contacts.models import Contact, Suppression
from apps.contacts.services import suppression, suppression_lists
from apps.contacts.views import paging


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
    """Suppress addresses by hand or from a file, one per line."""
    form = SuppressForm(request.POST, request.FILES) if request.method == "POST" else SuppressForm()
    if form.is_valid():
        try:
            lines = form.cleaned_data["emails"].splitlines()
            if file := form.cleaned_data["file"]:
                lines += suppression_lists.lines_of(file.read(suppression_lists.MAX_BYTES + 1))
            note = form.cleaned_data["note"]
            result = suppression_lists.add(request.workspace, lines, note=note, by=request.user)
        except suppression_lists.SuppressionFileError as error:
            form.add_error(None, error.message)
        else:
            messages.success(request, _said(result))
            if not result.refused:
                return _back(request)
            return render(request, "contacts/suppress.html", {"form": SuppressForm(), "result": result})
    return render(request, "contacts/suppress.html", {"form": form}, status=422 if form.errors else 200)


@may("suppressions.edit")
@require_http_methods(["GET", "HEAD", "POST"])
def remove(request: WorkspaceRequest, suppression_id: int) -> HttpResponse:
    """Ask why, then lift a suppression that a member may lift; the others say why not."""
    found = within(request.workspace, Suppression.objects.all(), pk=suppression_id)
    form = WhyForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        try:
            suppression.remove(request.workspace.pk, suppression_id=found.pk, why=form.cleaned_data["why"])
        except suppression.SuppressionStaysError as error:
            messages.warning(request, error.message)
        else:
            messages.success(request, _("Lifted. This address can be written to again."))
        return _to_where_asked(request, found)
    context = {"form": form, "one": found, "may_lift": suppression.is_liftable(found)}
    return render(request, "contacts/lift.html", context, status=422 if form.errors else 200)


def _said(result: suppression_lists.Added) -> str:
    words = [ngettext("Suppressed %(n)s address.", "Suppressed %(n)s addresses.", result.added) % {"n": result.added}]
    if result.known:
        words.append(_("%(n)s were suppressed already.") % {"n": result.known})
    return " ".join(words)


def _to_where_asked(request: WorkspaceRequest, found: Suppression) -> HttpResponse:
    """Go back to the person, where the deed was done on their page."""
    contact = Contact.objects.filter(workspace=request.workspace, email_hash=bytes(found.email_hash))
    if request.POST.get("back") == "person" and (person := contact.first()):
        return redirect("contacts:detail", workspace_slug=request.workspace.slug, contact_uuid=person.uuid)
    return _back(request)


def _back(request: WorkspaceRequest) -> HttpResponse:
    return redirect("contacts:suppressed", workspace_slug=request.workspace.slug)
