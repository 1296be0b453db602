"""The contacts app's records."""

from apps.contacts.models.contact import Contact, ContactList, Subscription
from apps.contacts.models.import_job import ImportChunk, ImportJob, ImportReject, ImportSeen
from apps.contacts.models.suppression import Suppression

__all__ = [
    "Contact",
    "ContactList",
    "ImportChunk",
    "ImportJob",
    "ImportReject",
    "ImportSeen",
    "Subscription",
    "Suppression",
]
