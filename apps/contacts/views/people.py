"""People: found, added by hand, changed many at a time, taken along as a file."""

from __future__ import annotations

import uuid
from urllib.parse import urlencode

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.http.request import QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import content_disposition_header
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from apps.accounts.access import WorkspaceRequest, may, within
from apps.contacts import selectors, traces
from apps.contacts.forms import NewPersonForm
from apps.contacts.models import BulkDeed, Contact, ContactList
from apps.contacts.services import bulk, contacts, exports
from apps.contacts.views import paging
from core import toasts
from core.addresses import InvalidAddressError

STATES = ("yes", "unconfirmed", "unsubscribed", "suppressed")


@may("contacts.view")
@require_safe
def show(request: WorkspaceRequest) -> HttpResponse:
    """List people, newest first, by what is in their name or address, by list and by state."""
    wanted = _wanted(request, request.GET)
    page = selectors.people(request.workspace, wanted, after=paging.number(request, "after"))
    kept = _kept(wanted)
    seen = traces.of([person.contact.pk for person in page.people])
    context = {
        "page": page,
        "rows": [(person, seen[person.contact.pk]) for person in page.people],
        "totals": selectors.totals(request.workspace),
        "lists": list(ContactList.objects.filter(workspace=request.workspace)),
        "kept": kept,
        "may_edit": request.may("contacts.edit"),
        "may_suppress": request.may("suppressions.edit"),
        "may_import": request.may("contacts.import"),
        "may_export": request.may("contacts.export"),
        "shown": len(page.people) + paging.number(request, "shown"),
        "next_url": _next_url(request, page, kept),
    }
    return render(request, "contacts/list.html", context)


@may("contacts.edit")
@require_http_methods(["GET", "HEAD", "POST"])
def add(request: WorkspaceRequest) -> HttpResponse:
    """Add a person by hand."""
    form = NewPersonForm(request.POST or None, workspace=request.workspace)
    if request.method == "POST" and form.is_valid():
        source = _("by hand, %(who)s") % {"who": request.user}
        try:
            contact = contacts.add(request.workspace, **form.cleaned_data, source=source)
        except contacts.ContactExistsError as error:
            messages.info(request, error.message)
            return _to_person(request, error.contact)
        except InvalidAddressError as error:
            form.add_error("email", error.message)
        else:
            messages.success(request, _("Added."))
            return _to_person(request, contact)
    return render(request, "contacts/add.html", {"form": form}, status=422 if form.errors else 200)


@may("contacts.edit")
@require_POST
def change(request: WorkspaceRequest) -> HttpResponse:
    """Add the chosen people to a list, take them off it, or suppress them; the toast offers the way back."""
    wanted = _wanted(request, request.POST)
    back = redirect(reverse("contacts:list", args=[request.workspace.slug]) + _query(wanted))
    kind = request.POST.get("deed", "")
    target = _list_of(request, request.POST.get("to", ""))
    people = _chosen(request, wanted)
    if kind not in BulkDeed.Kind.values or not people:
        messages.warning(request, _("Nobody was chosen."))
        return back
    _check_may(request, kind)
    if kind == BulkDeed.Kind.SUPPRESS:
        target = None
    elif target is None:
        messages.warning(request, _("Choose a list first."))
        return back
    deed = bulk.do(request.workspace, BulkDeed.Kind(kind), people, contact_list=target, by=request.user)
    undo = reverse("contacts:undo", args=[request.workspace.slug, deed.uuid]) if deed.people else ""
    toasts.done(request, _said(deed, asked=len(people)), undo=undo)
    return back


@may("contacts.edit")
@require_POST
def undo(request: WorkspaceRequest, bulkdeed_uuid: uuid.UUID) -> HttpResponse:
    """Take back what was done to many people."""
    deed = within(request.workspace, BulkDeed.objects.select_related("contact_list", "actor"), uuid=bulkdeed_uuid)
    _check_may(request, deed.kind)
    count = bulk.undo(deed)
    said = ngettext("Taken back for %(n)s person.", "Taken back for %(n)s people.", count)
    messages.success(request, said % {"n": count})
    return redirect("contacts:list", workspace_slug=request.workspace.slug)


@may("contacts.export")
@require_POST
def export(request: WorkspaceRequest) -> HttpResponseBase:
    """Give the people of a filter as CSV; a POST, because it leaves a row in the audit."""
    lines = exports.begin(request.workspace, _wanted(request, request.POST))
    response = StreamingHttpResponse(lines, content_type="text/csv; charset=utf-8")
    name = f"{request.workspace.slug}-contacts.csv"
    response["Content-Disposition"] = str(content_disposition_header(True, name))
    return response


def _check_may(request: WorkspaceRequest, kind: str) -> None:
    """Refuse who may change people, but not whom the workspace never writes to."""
    if kind == BulkDeed.Kind.SUPPRESS and not request.may("suppressions.edit"):
        raise PermissionDenied


def _wanted(request: WorkspaceRequest, asked: QueryDict) -> selectors.Filter:
    state = asked.get("state", "")
    return selectors.Filter(
        asked.get("q", "").strip()[:200],
        _list_of(request, asked.get("list", "")),
        state if state in STATES else "",
    )


def _list_of(request: WorkspaceRequest, text: str) -> ContactList | None:
    try:
        wanted = uuid.UUID(text)
    except ValueError:
        return None
    return ContactList.objects.filter(workspace=request.workspace, uuid=wanted).first()


def _kept(wanted: selectors.Filter) -> dict[str, str]:
    chosen = wanted.contact_list
    return {"q": wanted.query, "list": str(chosen.uuid) if chosen else "", "state": wanted.state}


def _query(wanted: selectors.Filter) -> str:
    kept = {key: value for key, value in _kept(wanted).items() if value}
    return f"?{urlencode(kept)}" if kept else ""


def _chosen(request: WorkspaceRequest, wanted: selectors.Filter) -> list[int]:
    """Return the ids of the people whose boxes are ticked, or of everybody the filter finds."""
    if request.POST.get("everybody"):
        return bulk.ids_of(selectors.matching(request.workspace, wanted))
    ticked = []
    for text in request.POST.getlist("chosen"):
        try:
            ticked.append(uuid.UUID(text))
        except ValueError:
            continue
    return bulk.ids_of(Contact.objects.filter(workspace=request.workspace, uuid__in=ticked))


def _said(deed: BulkDeed, *, asked: int) -> str:
    n, name = deed.people, deed.contact_list.name if deed.contact_list else ""
    if deed.kind == BulkDeed.Kind.ADD:
        done = ngettext("Added %(n)s person to %(list)s.", "Added %(n)s people to %(list)s.", n)
    elif deed.kind == BulkDeed.Kind.REMOVE:
        done = ngettext("Took %(n)s person off %(list)s.", "Took %(n)s people off %(list)s.", n)
    else:
        done = ngettext("Suppressed %(n)s person.", "Suppressed %(n)s people.", n)
    words = [done % {"n": n, "list": name}]
    if rest := asked - n:
        words.append(_rest_of(deed, rest))
    return " ".join(words)


def _rest_of(deed: BulkDeed, rest: int) -> str:
    said = {
        BulkDeed.Kind.ADD: _("%(n)s were on it already, or had left it: they stay as they are."),
        BulkDeed.Kind.REMOVE: _("%(n)s were not on it."),
        BulkDeed.Kind.SUPPRESS: _("%(n)s were suppressed already."),
    }
    return said[BulkDeed.Kind(deed.kind)] % {"n": rest}


def _to_person(request: WorkspaceRequest, contact: Contact) -> HttpResponse:
    return redirect("contacts:detail", workspace_slug=request.workspace.slug, contact_uuid=contact.uuid)


def _next_url(request: WorkspaceRequest, page: selectors.Page, kept: dict[str, str]) -> str:
    if page.next_after is None:
        return ""
    shown = len(page.people) + paging.number(request, "shown")
    return paging.url(**kept, after=page.next_after, shown=shown)
