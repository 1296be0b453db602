"""The contacts app's records."""

from apps.contacts.models.consent import BulkDeed, ConsentEvent, ContactNote
from apps.contacts.models.contact import Contact, ContactList, Subscription
from apps.contacts.models.import_job import ImportChunk, ImportJob, ImportReject, ImportSeen, RememberedMapping
from apps.contacts.models.suppression import Suppression

__all__ = [
    "BulkDeed",
    "ConsentEvent",
    "Contact",
    "ContactList",
    "ContactNote",
    "ImportChunk",
    "ImportJob",
    "ImportReject",
    "ImportSeen",
    "RememberedMapping",
    "Subscription",
    "Suppression",
]
