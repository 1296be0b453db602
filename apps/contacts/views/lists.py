"""Lists: made, changed, deleted."""

from __future__ import annotations

import uuid

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from apps.accounts.access import WorkspaceRequest, may, within
from apps.contacts import selectors
from apps.contacts.forms import ListForm
from apps.contacts.models import ContactList
from apps.contacts.services import lists


@may("contacts.view")
@require_safe
def show(request: WorkspaceRequest) -> HttpResponse:
    """List the lists with how many people are on each."""
    context = {"lists": selectors.lists(request.workspace), "may_edit": request.may("contacts.edit")}
    return render(request, "contacts/lists.html", context)


@may("contacts.edit")
@require_http_methods(["GET", "HEAD", "POST"])
def add(request: WorkspaceRequest) -> HttpResponse:
    """Make a list."""
    form = ListForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            lists.create(request.workspace, **form.cleaned_data)
        except lists.ListNameError as error:
            form.add_error("name", error.message)
        else:
            messages.success(request, _("Added."))
            return redirect("contacts:lists", workspace_slug=request.workspace.slug)
    return _page(request, form, None)


@may("contacts.edit")
@require_http_methods(["GET", "HEAD", "POST"])
def edit(request: WorkspaceRequest, contactlist_uuid: uuid.UUID) -> HttpResponse:
    """Give a list another name or description, show it to people or hide it."""
    contact_list = within(request.workspace, ContactList.objects.all(), uuid=contactlist_uuid)
    initial = {
        "name": contact_list.name,
        "description": contact_list.description,
        "is_public": contact_list.is_public,
    }
    form = ListForm(request.POST or None, initial=initial)
    if request.method == "POST" and form.is_valid():
        try:
            lists.change(contact_list, **form.cleaned_data)
        except lists.ListNameError as error:
            contact_list.refresh_from_db()
            form.add_error("name", error.message)
        else:
            messages.success(request, _("Saved."))
            return redirect("contacts:lists", workspace_slug=request.workspace.slug)
    return _page(request, form, contact_list)


@may("contacts.edit")
@require_POST
def delete(request: WorkspaceRequest, contactlist_uuid: uuid.UUID) -> HttpResponse:
    """Remove a list, once its name is typed; the people stay."""
    contact_list = within(request.workspace, ContactList.objects.all(), uuid=contactlist_uuid)
    if " ".join(request.POST.get("typed", "").split()).casefold() != contact_list.name.casefold():
        messages.warning(request, _("Type the name exactly. Nothing was deleted."))
        return redirect("contacts:list_edit", workspace_slug=request.workspace.slug, contactlist_uuid=contact_list.uuid)
    lists.delete(contact_list)
    messages.success(
        request,
        _("Deleted the list “%(name)s”. Its people are still among your contacts.") % {"name": contact_list.name},
    )
    return redirect("contacts:lists", workspace_slug=request.workspace.slug)


def _page(request: WorkspaceRequest, form: ListForm, contact_list: ContactList | None) -> HttpResponse:
    context = {
        "form": form,
        "contact_list": contact_list,
        "people": contact_list.subscriptions.count() if contact_list else 0,
    }
    return render(request, "contacts/list_form.html", context, status=422 if form.errors else 200)
