"""Lists that people subscribe to."""

from __future__ import annotations

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from apps.accounts.models import Workspace
from apps.contacts.models import ContactList
from core.errors import EspError

FIRST_NAME = "Newsletter"


class ListNameError(EspError):
    """The name is empty, or another list has it."""

    code = "list_name"


def create(workspace: Workspace, *, name: str, description: str = "") -> ContactList:
    """Return a new list.

    Raises:
        ListNameError: the name is empty or taken.
    """
    contact_list = ContactList(workspace=workspace, name=_named(name), description=description.strip()[:300])
    _save(contact_list)
    return contact_list


def rename(contact_list: ContactList, *, name: str, description: str = "") -> None:
    """Give a list another name and description.

    Raises:
        ListNameError: the name is empty or taken; the list keeps its own.
    """
    contact_list.name, contact_list.description = _named(name), description.strip()[:300]
    _save(contact_list)


def create_first(workspace: Workspace) -> None:
    """Give a new workspace its first list, so that the first import has somewhere to go."""
    ContactList.objects.get_or_create(workspace=workspace, name=FIRST_NAME)


def _named(name: str) -> str:
    name = " ".join(name.split())[:120]
    if not name:
        raise ListNameError(_("Give the list a name."))
    return name


def _save(contact_list: ContactList) -> None:
    try:
        with transaction.atomic():
            contact_list.save()
    except IntegrityError:
        raise ListNameError(_("There is a list with this name already.")) from None
