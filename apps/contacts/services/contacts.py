"""People: added, changed and removed one at a time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from django.db import IntegrityError, transaction
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from apps.accounts import audit
from apps.accounts.models import User, Workspace
from apps.contacts.models import Contact, ContactList, ContactNote
from apps.contacts.services import erasure, subscriptions, suppression
from core import addresses
from core.errors import EspError

MAX_NOTE = 4000


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


def change_address(contact: Contact, *, email: str) -> bool:
    """Give a person another address; return whether it differs. Letters that left keep the address they went to.

    A suppression belongs to an address: who asked to stop, complained or bounced under the old one stays suppressed
    under the new one.

    Raises:
        InvalidAddressError: the email is not an address.
        ContactExistsError: somebody else has it; nothing changes.
    """
    address = addresses.parse(email)
    if address.email == contact.email:
        return False
    old_hash, masked = bytes(contact.email_hash), addresses.mask(contact.email)
    contact.email, contact.email_normalised = address.email, address.normalised
    contact.email_hash, contact.updated_at = addresses.fingerprint(address.normalised), Now()
    try:
        with transaction.atomic():
            contact.save(update_fields=["email", "email_normalised", "email_hash", "updated_at"])
            suppression.carry_over(contact.workspace_id, from_hash=old_hash, to=address)
            target = addresses.mask(address.email)
            audit.note("contact_changed", workspace=contact.workspace_id, target=target, before=masked)
    except IntegrityError:
        other = Contact.objects.get(workspace=contact.workspace_id, email_normalised=address.normalised)
        contact.refresh_from_db()
        raise ContactExistsError(_("Another contact has this address already."), contact=other) from None
    contact.refresh_from_db()
    return True


def write_note(contact: Contact, *, text: str, by: User) -> ContactNote:
    """Add to what members know about a person."""
    cleaned = addresses.CONTROLS.sub("", text).strip()[:MAX_NOTE]
    return ContactNote.objects.create(contact=contact, text=cleaned, actor=by, actor_name=str(by))


def delete(contact: Contact) -> None:
    """Remove a person for good; suppressions of the address and the counts of deliveries stay."""
    with transaction.atomic():
        audit.note("contact_deleted", workspace=contact.workspace_id, target=addresses.mask(contact.email))
        erasure.erase(contact.workspace_id, [contact.pk])


def _one_line(text: str) -> str:
    return " ".join(addresses.CONTROLS.sub("", text).split())[:255]
