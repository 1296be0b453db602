"""An import of contacts: the file as it came, the mapping, how far it is, and every row that was refused."""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from apps.accounts.models import User, Workspace
from apps.contacts.models.contact import ContactList


class ImportJob(models.Model):
    """One uploaded file on its way into one list; resumable at byte `position`, which is line `line` of the file."""

    class State(models.TextChoices):
        """How far the import is."""

        UPLOADED = "uploaded", _("Uploaded")
        CHECKING = "checking", _("Dry run")
        CHECKED = "checked", _("Dry run done")
        RUNNING = "running", _("Importing")
        FINISHED = "finished", _("Finished")
        FAILED = "failed", _("Failed")
        CANCELLED = "cancelled", _("Cancelled")
        UNDOING = "undoing", _("Being undone")
        UNDONE = "undone", _("Undone")

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="import_jobs")
    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    contact_list = models.ForeignKey(ContactList, on_delete=models.SET_NULL, null=True)
    created_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True)
    file_name = models.CharField(max_length=255)
    file_sha256 = models.CharField(max_length=64)
    size_bytes = models.BigIntegerField()
    encoding = models.CharField(max_length=40)
    delimiter = models.CharField(max_length=1)
    has_header = models.BooleanField(default=True)
    columns = models.JSONField(default=list)
    mapping = models.JSONField(default=dict)
    consent = models.CharField(max_length=300, blank=True)
    # The name of a list that is made when the import starts, not before.
    new_list = models.CharField(max_length=120, blank=True, default="", db_default="")
    state = models.CharField(max_length=10, choices=State.choices, default=State.UPLOADED)
    error = models.CharField(max_length=500, blank=True)
    rows_total = models.IntegerField(default=0)
    rows_done = models.IntegerField(default=0)
    position = models.BigIntegerField(default=0)
    line = models.IntegerField(default=0)
    counts = models.JSONField(default=dict)
    # A few rows of each kind that the dry run met, to look at before anything is written.
    examples = models.JSONField(default=dict, db_default={})
    created_at = models.DateTimeField(db_default=Now())
    moved_at = models.DateTimeField(db_default=Now())
    started_at = models.DateTimeField(null=True)
    started_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+")
    finished_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"import {self.pk}: {self.state}"


class RememberedMapping(models.Model):
    """What the columns of a file became last time, by the set of their heads; proposed when such a file comes again."""

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="remembered_mappings")
    heads_hash = models.CharField(max_length=64)
    targets = models.JSONField(default=dict)
    used_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [models.UniqueConstraint(fields=["workspace", "heads_hash"], name="mapping_once_per_heads")]

    def __str__(self) -> str:
        return f"mapping {self.pk} of workspace {self.workspace_id}"


class ImportChunk(models.Model):
    """A piece of the uploaded file, kept in the database so that any worker on any machine can read it."""

    job = models.ForeignKey(ImportJob, on_delete=models.CASCADE, related_name="chunks")
    position = models.IntegerField()
    data = models.BinaryField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["job", "position"], name="chunk_once")]

    def __str__(self) -> str:
        return f"chunk {self.position} of import {self.job_id}"


class ImportReject(models.Model):
    """One refused row with its line number and the reason in plain words."""

    job = models.ForeignKey(ImportJob, on_delete=models.CASCADE, related_name="rejects")
    line = models.IntegerField()
    code = models.CharField(max_length=40)
    reason = models.CharField(max_length=300)
    row = models.JSONField(default=list)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["job", "line"], name="reject_once")]

    def __str__(self) -> str:
        return f"line {self.line} of import {self.job_id}"


class ImportSeen(models.Model):
    """An address this import has met, with its line; only kept while the import runs, to name doubles exactly."""

    job = models.ForeignKey(ImportJob, on_delete=models.CASCADE, related_name="seen")
    email_hash = models.BinaryField(max_length=32)
    line = models.IntegerField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["job", "email_hash"], name="seen_once_per_import")]

    def __str__(self) -> str:
        return f"line {self.line} of import {self.job_id}"
