"""People: found, added, changed, one at a time."""

from __future__ import annotations

import uuid

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from apps.accounts.access import WorkspaceRequest, may, within
from apps.contacts import selectors
from apps.contacts.forms import ChooseListForm, NewPersonForm, PersonForm
from apps.contacts.models import Contact, ContactList, Subscription, Suppression
from apps.contacts.services import contacts, subscriptions, suppression
from apps.contacts.views import paging
from core.addresses import InvalidAddressError

STATES = ("yes", "unconfirmed", "unsubscribed", "suppressed")


@may("contacts.view")
@require_safe
def show(request: WorkspaceRequest) -> HttpResponse:
    """List people, newest first, by what is in their name or address, by list and by state."""
    lists = list(ContactList.objects.filter(workspace=request.workspace))
    chosen = next((one for one in lists if str(one.uuid) == request.GET.get("list", "")), None)
    state = request.GET.get("state", "")
    wanted = selectors.Filter(request.GET.get("q", "").strip()[:200], chosen, state if state in STATES else "")
    page = selectors.people(request.workspace, wanted, after=paging.number(request, "after"))
    kept = {"q": wanted.query, "list": str(chosen.uuid) if chosen else "", "state": wanted.state}
    context = {
        "page": page,
        "totals": selectors.totals(request.workspace),
        "lists": lists,
        "kept": kept,
        "may_edit": request.may("contacts.edit"),
        "may_import": request.may("contacts.import"),
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


@may("contacts.view")
@require_safe
def detail(request: WorkspaceRequest, contact_uuid: uuid.UUID) -> HttpResponse:
    """Show one person: names, lists, and whether they can be written to."""
    contact = _contact(request, contact_uuid)
    names = {"first_name": contact.first_name, "last_name": contact.last_name}
    return _page_of(request, contact, PersonForm(initial=names))


@may("contacts.edit")
@require_POST
def edit(request: WorkspaceRequest, contact_uuid: uuid.UUID) -> HttpResponse:
    """Change a person's names."""
    contact = _contact(request, contact_uuid)
    form = PersonForm(request.POST)
    if not form.is_valid():
        return _page_of(request, contact, form)
    contacts.edit(contact, **form.cleaned_data)
    messages.success(request, _("Saved."))
    return _to_person(request, contact)


@may("contacts.edit")
@require_POST
def subscribe(request: WorkspaceRequest, contact_uuid: uuid.UUID) -> HttpResponse:
    """Put a person on a list they are not on."""
    contact = _contact(request, contact_uuid)
    form = ChooseListForm(request.POST, lists=ContactList.objects.filter(workspace=request.workspace))
    if form.is_valid():
        source = _("by hand, %(who)s") % {"who": request.user}
        state = subscriptions.subscribe(contact, form.cleaned_data["contact_list"], source=source)
        if state == Subscription.State.UNSUBSCRIBED:
            messages.warning(request, _("They left this list. Only they can come back to it."))
    return _to_person(request, contact)


@may("contacts.edit")
@require_POST
def unsubscribe(request: WorkspaceRequest, contact_uuid: uuid.UUID) -> HttpResponse:
    """Take a person off one list, because they asked."""
    contact = _contact(request, contact_uuid)
    form = ChooseListForm(request.POST, lists=ContactList.objects.filter(workspace=request.workspace))
    if form.is_valid():
        source = _("by hand, %(who)s") % {"who": request.user}
        subscriptions.unsubscribe(contact.pk, [form.cleaned_data["contact_list"].pk], source=source)
    return _to_person(request, contact)


@may("suppressions.edit")
@require_POST
def suppress(request: WorkspaceRequest, contact_uuid: uuid.UUID) -> HttpResponse:
    """Stop all letters to a person."""
    contact = _contact(request, contact_uuid)
    source = _("by hand, %(who)s") % {"who": request.user}
    suppression.add(request.workspace.pk, email=contact.email, reason=Suppression.Reason.MANUAL, source=source)
    messages.success(request, _("Suppressed. Nothing is sent to this address."))
    return _to_person(request, contact)


@may("contacts.edit")
@require_POST
def delete(request: WorkspaceRequest, contact_uuid: uuid.UUID) -> HttpResponse:
    """Remove a person."""
    contacts.delete(_contact(request, contact_uuid))
    messages.success(request, _("Deleted."))
    return redirect("contacts:list", workspace_slug=request.workspace.slug)


def _contact(request: WorkspaceRequest, contact_uuid: uuid.UUID) -> Contact:
    return within(request.workspace, Contact.objects.all(), uuid=contact_uuid)


def _page_of(request: WorkspaceRequest, contact: Contact, form: PersonForm) -> HttpResponse:
    person = selectors.person(request.workspace, contact)
    known = [one.contact_list_id for one in person.subscriptions]
    others = ContactList.objects.filter(workspace=request.workspace).exclude(pk__in=known)
    context = {
        "person": person,
        "form": form,
        "choose": ChooseListForm(lists=others) if others else None,
        "may_edit": request.may("contacts.edit"),
        "may_suppress": request.may("suppressions.edit"),
    }
    return render(request, "contacts/detail.html", context, status=422 if form.errors else 200)


def _to_person(request: WorkspaceRequest, contact: Contact) -> HttpResponse:
    return redirect("contacts:detail", workspace_slug=request.workspace.slug, contact_uuid=contact.uuid)


def _next_url(request: WorkspaceRequest, page: selectors.Page, kept: dict[str, str]) -> str:
    if page.next_after is None:
        return ""
    shown = len(page.people) + paging.number(request, "shown")
    return paging.url(**kept, after=page.next_after, shown=shown)
