"""Who is asked about: a letter, a contact without one, or an address that nobody has."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from apps.campaigns import selectors
from apps.campaigns.models import Campaign, Delivery
from apps.contacts.models import Contact
from core import addresses


@dataclass(frozen=True, slots=True)
class Asked:
    """One campaign and one person, as far as they are known."""

    campaign: Campaign
    email: str
    email_hash: bytes
    contact: Contact | None = None
    delivery: Delivery | None = None

    @property
    def name(self) -> str:
        """What to call them."""
        return (self.contact.name if self.contact else "") or self.email or _("a deleted person")


def ask_address(campaign: Campaign, text: str) -> Asked:
    """Find the person an address belongs or belonged to.

    Raises:
        InvalidAddressError: it is not an address.
    """
    address = addresses.parse(text)
    email_hash = addresses.fingerprint(address.normalised)
    contact = Contact.objects.filter(
        workspace_id=campaign.workspace_id, email_normalised=address.normalised
    ).first()  # fmt: skip
    by = Q(email_hash=email_hash) | (Q(contact=contact) if contact else Q(pk__in=()))
    delivery = _letters(campaign).filter(by).first()
    return Asked(campaign, address.email, email_hash, contact or (delivery.contact if delivery else None), delivery)


def ask(campaign: Campaign, contact: Contact) -> Asked:
    """Ask about a contact of the campaign's workspace."""
    delivery = _letters(campaign).filter(contact=contact).first()
    return Asked(campaign, contact.email, bytes(contact.email_hash), contact, delivery)


def _letters(campaign: Campaign) -> QuerySet[Delivery]:
    return selectors.deliveries_of(campaign).select_related("contact", "transport", "content")
