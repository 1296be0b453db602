"""Lists that people subscribe to."""

from __future__ import annotations

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from apps.accounts import audit
from apps.accounts.models import Workspace
from apps.contacts.models import ContactList
from core import addresses
from core.errors import EspError

FIRST_NAME = "Newsletter"


class ListNameError(EspError):
    """The name is empty, or another list has it."""

    code = "list_name"


def create(workspace: Workspace, *, name: str, description: str = "", is_public: bool = False) -> ContactList:
    """Return a new list.

    Raises:
        ListNameError: the name is empty or taken.
    """
    contact_list = ContactList(
        workspace=workspace, name=_named(name), description=_described(description), is_public=is_public
    )
    _save(contact_list)
    return contact_list


def check_name(workspace: Workspace, name: str) -> None:
    """Refuse a name that another list of the workspace has.

    Raises:
        ListNameError: it is taken.
    """
    if ContactList.objects.filter(workspace=workspace, name=name).exists():
        raise ListNameError(_("There is a list with this name already."))


def change(contact_list: ContactList, *, name: str, description: str = "", is_public: bool = False) -> None:
    """Give a list another name and description, and show it to people who choose, or hide it.

    Raises:
        ListNameError: the name is empty or taken; the list keeps its own.
    """
    contact_list.name, contact_list.description = _named(name), _described(description)
    contact_list.is_public = is_public
    _save(contact_list)


def delete(contact_list: ContactList) -> None:
    """Remove a list with its subscriptions; the people stay, and so does the record of their consent."""
    with transaction.atomic():
        people = contact_list.subscriptions.count()
        audit.note("list_deleted", workspace=contact_list.workspace_id, target=contact_list.name, people=people)
        contact_list.delete()


def create_first(workspace: Workspace) -> None:
    """Give a new workspace its first list, so that the first import has somewhere to go."""
    ContactList.objects.get_or_create(workspace=workspace, name=FIRST_NAME)


def _described(description: str) -> str:
    return " ".join(addresses.CONTROLS.sub("", description).split())[:300]


def _named(name: str) -> str:
    name = " ".join(addresses.CONTROLS.sub("", name).split())[:120]
    if not name:
        raise ListNameError(_("Give the list a name."))
    return name


def _save(contact_list: ContactList) -> None:
    try:
        with transaction.atomic():
            contact_list.save()
    except IntegrityError:
        raise ListNameError(_("There is a list with this name already.")) from None
