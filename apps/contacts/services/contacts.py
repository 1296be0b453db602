"""People: added, changed and removed one at a time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from django.db import transaction
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from apps.accounts import audit
from apps.accounts.models import Workspace
from apps.contacts.models import Contact, ContactList
from apps.contacts.services import subscriptions
from core import addresses
from core.errors import EspError


class ContactExistsError(EspError):
    """The workspace has this person already; `contact` says who."""

    code = "contact_exists"
    status = 409

    def __init__(self, message: str, *, contact: Contact) -> None:
        super().__init__(message)
        self.contact = contact


def find_or_create(
    workspace: Workspace,
    *,
    email: str,
    first_name: str = "",
    last_name: str = "",
    attributes: Mapping[str, object] | None = None,
) -> tuple[Contact, bool]:
    """Return the person with this address and whether they are new; someone known keeps all they have.

    Raises:
        InvalidAddressError: the email is not an address.
    """
    address = addresses.parse(email)
    return Contact.objects.get_or_create(
        workspace=workspace,
        email_normalised=address.normalised,
        defaults={
            "email": address.email,
            "email_hash": addresses.fingerprint(address.normalised),
            "first_name": _one_line(first_name),
            "last_name": _one_line(last_name),
            "attributes": dict(attributes or {}),
        },
    )


def add(
    workspace: Workspace,
    *,
    email: str,
    first_name: str = "",
    last_name: str = "",
    lists: Iterable[ContactList] = (),
    source: str = "",
) -> Contact:
    """Add a person, and put them on lists.

    Raises:
        InvalidAddressError: the email is not an address.
        ContactExistsError: somebody has it already; nothing changes.
        NotFoundError: a list belongs to another workspace; nothing changes.
    """
    with transaction.atomic():
        contact, is_new = find_or_create(workspace, email=email, first_name=first_name, last_name=last_name)
        if not is_new:
            raise ContactExistsError(_("This address is among your contacts already."), contact=contact)
        for contact_list in lists:
            subscriptions.subscribe(contact, contact_list, source=source)
    return contact


def edit(
    contact: Contact, *, first_name: str, last_name: str, attributes: Mapping[str, object] | None = None
) -> Contact:
    """Change a person's names, and the attributes when given."""
    contact.first_name, contact.last_name = _one_line(first_name), _one_line(last_name)
    changed = ["first_name", "last_name", "updated_at"]
    if attributes is not None:
        contact.attributes = dict(attributes)
        changed.append("attributes")
    contact.updated_at = Now()
    contact.save(update_fields=changed)
    contact.refresh_from_db()
    return contact


def delete(contact: Contact) -> None:
    """Remove a person and their subscriptions; suppressions of the address and the counts of deliveries stay."""
    with transaction.atomic():
        audit.note("contact_deleted", workspace=contact.workspace_id, target=addresses.mask(contact.email))
        contact.delete()


def _one_line(text: str) -> str:
    return " ".join(addresses.CONTROLS.sub("", text).split())[:255]
