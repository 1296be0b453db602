"""One person: what they agreed to, what was written to them, what we know; and every change of that."""

from __future__ import annotations

import uuid

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from apps.accounts.access import WorkspaceRequest, may, within
from apps.contacts import selectors
from apps.contacts.forms import ChooseListForm, EditPersonForm, NoteForm
from apps.contacts.models import Contact, ContactList, Subscription, Suppression
from apps.contacts.services import contacts, subscriptions, suppression
from core import toasts
from core.addresses import InvalidAddressError

HISTORY = 50
NOTES = 50


@may("contacts.view")
@require_safe
def detail(request: WorkspaceRequest, contact_uuid: uuid.UUID) -> HttpResponse:
    """Show one person: lists, letters, consent, notes, and whether they can be written to."""
    return _page_of(request, _contact(request, contact_uuid), NoteForm())


@may("contacts.edit")
@require_http_methods(["GET", "HEAD", "POST"])
def edit(request: WorkspaceRequest, contact_uuid: uuid.UUID) -> HttpResponse:
    """Change a person's address, names and fields."""
    contact = _contact(request, contact_uuid)
    form = EditPersonForm(request.POST if request.method == "POST" else None, contact=contact)
    if request.method == "POST" and form.is_valid():
        values = form.cleaned_data
        try:
            contacts.change_address(contact, email=values["email"])
        except (InvalidAddressError, contacts.ContactExistsError) as error:
            form.add_error("email", error.message)
        else:
            contacts.edit(
                contact, first_name=values["first_name"], last_name=values["last_name"], attributes=form.attributes
            )
            messages.success(request, _("Saved."))
            return _to_person(request, contact)
    context = {"contact": contact, "form": form}
    return render(request, "contacts/edit.html", context, status=422 if form.errors else 200)


@may("contacts.edit")
@require_POST
def note(request: WorkspaceRequest, contact_uuid: uuid.UUID) -> HttpResponse:
    """Write something down about a person."""
    contact = _contact(request, contact_uuid)
    form = NoteForm(request.POST)
    if not form.is_valid():
        return _page_of(request, contact, form)
    contacts.write_note(contact, text=form.cleaned_data["text"], by=request.user)
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
    was_suppressed = Suppression.objects.filter(workspace=request.workspace, email_hash=contact.email_hash).exists()
    found = suppression.by_hand(contact, why=request.POST.get("why", "")[:200], by=request.user)
    words = _("Suppressed. Nothing is sent to this address.")
    if was_suppressed:  # lifting this would lift the older reason too
        messages.success(request, words)
    else:
        undo = reverse("contacts:suppression_remove", args=[request.workspace.slug, found.pk])
        toasts.done(request, words, undo=undo, back="person", why=_("Taken back at once"))
    return _to_person(request, contact)


@may("contacts.edit")
@require_POST
def delete(request: WorkspaceRequest, contact_uuid: uuid.UUID) -> HttpResponse:
    """Remove a person for good, once their address is typed."""
    contact = _contact(request, contact_uuid)
    if request.POST.get("typed", "").strip().casefold() != contact.email.casefold():
        messages.warning(request, _("Type the address exactly. Nothing was deleted."))
        return _to_person(request, contact)
    contacts.delete(contact)
    messages.success(request, _("Deleted. Their emails still count in the reports, without their name and address."))
    return redirect("contacts:list", workspace_slug=request.workspace.slug)


def _contact(request: WorkspaceRequest, contact_uuid: uuid.UUID) -> Contact:
    return within(request.workspace, Contact.objects.all(), uuid=contact_uuid)


def _page_of(request: WorkspaceRequest, contact: Contact, form: NoteForm) -> HttpResponse:
    person = selectors.person(request.workspace, contact)
    known = [one.contact_list_id for one in person.subscriptions]
    others = ContactList.objects.filter(workspace=request.workspace).exclude(pk__in=known)
    context = {
        "person": person,
        "contact": contact,
        "form": form,
        "history": selectors.consent_history(contact)[:HISTORY],
        "notes": selectors.notes(contact)[:NOTES],
        "choose": ChooseListForm(lists=others) if others else None,
        "may_edit": request.may("contacts.edit"),
        "may_suppress": request.may("suppressions.edit"),
        "may_lift": person.suppression is not None and suppression.is_liftable(person.suppression),
    }
    return render(request, "contacts/detail.html", context, status=422 if form.errors else 200)


def _to_person(request: WorkspaceRequest, contact: Contact) -> HttpResponse:
    return redirect("contacts:detail", workspace_slug=request.workspace.slug, contact_uuid=contact.uuid)
