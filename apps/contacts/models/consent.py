"""Who agreed to what, when and how; and who took it back. Rows are added, never changed."""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from apps.accounts.models import User, Workspace
from apps.contacts.models.contact import Contact, ContactList
from apps.contacts.models.import_job import ImportJob


class BulkDeed(models.Model):
    """One deed for many people at once; what it changed stands in the consent events, so it can be taken back."""

    class Kind(models.TextChoices):
        """What was done."""

        ADD = "add", _("Added to a list")
        REMOVE = "remove", _("Taken off a list")
        SUPPRESS = "suppress", _("Suppressed")

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="bulk_deeds")
    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    kind = models.CharField(max_length=8, choices=Kind.choices)
    contact_list = models.ForeignKey(ContactList, on_delete=models.SET_NULL, null=True)
    actor = models.ForeignKey(User, on_delete=models.SET_NULL, null=True)
    people = models.IntegerField(default=0)
    at = models.DateTimeField(db_default=Now())
    undone_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"{self.kind} for {self.people}"


class ConsentEvent(models.Model):
    """One change of what a person agreed to get; a trigger refuses changes, and the row outlives what it names."""

    class Kind(models.TextChoices):
        """What changed."""

        JOINED = "joined", _("Joined")
        LEFT = "left", _("Unsubscribed")
        CAME_BACK = "came_back", _("Came back")
        REMOVED = "removed", _("Taken off the list")
        STOPPED = "stopped", _("Asked to stop all emails")
        RESUMED = "resumed", _("Took the wish to stop back")
        SUPPRESSED = "suppressed", _("Suppressed")
        LIFTED = "lifted", _("Suppression lifted")
        UNDONE = "undone", _("Taken back")

    workspace = models.ForeignKey(
        Workspace, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, related_name="+"
    )
    contact = models.ForeignKey(
        Contact, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, related_name="+"
    )
    contact_list = models.ForeignKey(
        ContactList, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, null=True, related_name="+"
    )
    list_name = models.CharField(max_length=120, blank=True)
    kind = models.CharField(max_length=10, choices=Kind.choices)
    before = models.CharField(max_length=12, blank=True)
    source = models.CharField(max_length=300, blank=True)
    import_job = models.ForeignKey(
        ImportJob, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, null=True, related_name="+"
    )
    file_sha256 = models.CharField(max_length=64, blank=True)
    deed = models.ForeignKey(
        BulkDeed, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, null=True, related_name="+"
    )
    actor = models.ForeignKey(
        User, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, null=True, related_name="+"
    )
    actor_name = models.CharField(max_length=254, blank=True)
    ip = models.GenericIPAddressField(null=True)
    at = models.DateTimeField(db_default=Now())

    class Meta:
        indexes = [
            models.Index(fields=["contact", "-id"], name="consent_by_contact"),
            models.Index(fields=["import_job"], condition=models.Q(import_job__isnull=False), name="consent_by_import"),
            models.Index(fields=["deed"], condition=models.Q(deed__isnull=False), name="consent_by_deed"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} of contact {self.contact_id} at {self.at}"


class ContactNote(models.Model):
    """What a member wrote down about a person; added to, never changed."""

    contact = models.ForeignKey(Contact, on_delete=models.CASCADE, related_name="notes")
    text = models.TextField()
    actor = models.ForeignKey(User, on_delete=models.SET_NULL, null=True)
    actor_name = models.CharField(max_length=254, blank=True)
    at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return f"note {self.pk} on contact {self.contact_id}"
