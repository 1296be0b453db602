"""People, lists, and who is on which list with what consent."""

from __future__ import annotations

import uuid
from typing import ClassVar

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from apps.accounts.models import Workspace


class ContactList(models.Model):
    """A list people subscribe to."""

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="contact_lists")
    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    name = models.CharField(_("name"), max_length=120)
    description = models.CharField(_("description"), max_length=300, blank=True)
    is_public = models.BooleanField(default=False)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [models.UniqueConstraint(fields=["workspace", "name"], name="list_name_per_workspace")]
        ordering: ClassVar[list[str]] = ["name"]

    def __str__(self) -> str:
        return self.name


class Contact(models.Model):
    """One person's address with attributes, unique per workspace by the normalised address."""

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="contacts")
    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    email = models.CharField(_("email"), max_length=320)
    email_normalised = models.CharField(max_length=320)
    email_hash = models.BinaryField(max_length=32)
    first_name = models.CharField(_("first name"), max_length=255, blank=True)
    last_name = models.CharField(_("last name"), max_length=255, blank=True)
    attributes = models.JSONField(default=dict, blank=True)
    # The import that brought this person, so that it can be undone.
    import_job = models.ForeignKey(
        "contacts.ImportJob", on_delete=models.SET_NULL, null=True, db_index=False, related_name="brought"
    )
    created_at = models.DateTimeField(db_default=Now())
    updated_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["workspace", "email_normalised"], name="contact_once_per_workspace"),
        ]
        indexes = [
            models.Index(fields=["workspace", "id"], name="contact_by_workspace"),
            models.Index(fields=["import_job"], condition=models.Q(import_job__isnull=False), name="contact_by_import"),
        ]

    def __str__(self) -> str:
        return f"contact {self.pk}"

    @property
    def name(self) -> str:
        """First and last name in one."""
        return f"{self.first_name} {self.last_name}".strip()

    def merge_fields(self) -> dict[str, object]:
        """Return what a template may say about this person: plain values only."""
        return {
            **self.attributes,
            "email": self.email,
            "first_name": self.first_name,
            "last_name": self.last_name,
            "name": self.name,
        }


class Subscription(models.Model):
    """A contact's membership of a list."""

    class State(models.TextChoices):
        """Whether the list may be written to this person."""

        UNCONFIRMED = "unconfirmed", _("Unconfirmed")
        CONFIRMED = "confirmed", _("Confirmed")
        UNSUBSCRIBED = "unsubscribed", _("Unsubscribed")

    contact = models.ForeignKey(Contact, on_delete=models.CASCADE, related_name="subscriptions")
    contact_list = models.ForeignKey(ContactList, on_delete=models.CASCADE, related_name="subscriptions")
    state = models.CharField(max_length=12, choices=State.choices)
    source = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField(db_default=Now())
    changed_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [models.UniqueConstraint(fields=["contact", "contact_list"], name="subscription_once")]
        indexes = [models.Index(fields=["contact_list", "state"], name="subscription_by_list")]

    def __str__(self) -> str:
        return f"contact {self.contact_id} on list {self.contact_list_id}: {self.state}"
