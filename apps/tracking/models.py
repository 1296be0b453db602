"""What came back, as it came: append-only; and the files made of it."""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from apps.accounts.models import User, Workspace
from apps.campaigns.models import Campaign, Delivery


class Event(models.Model):
    """Something that came back for one delivery; never updated, removed only by erasure and retention."""

    class Kind(models.TextChoices):
        """What happened."""

        OPEN = "open"
        CLICK = "click"
        UNSUBSCRIBE = "unsubscribe"
        RESUBSCRIBE = "resubscribe"
        VIEW = "view"

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="events")
    delivery = models.ForeignKey(Delivery, on_delete=models.CASCADE, related_name="events")
    campaign = models.ForeignKey(Campaign, on_delete=models.SET_NULL, null=True, related_name="events")
    kind = models.CharField(max_length=12, choices=Kind.choices)
    link = models.SmallIntegerField(null=True)
    detail = models.JSONField(default=dict)
    user_agent = models.CharField(max_length=300, blank=True)
    is_machine = models.BooleanField(default=False)
    machine_reason = models.CharField(max_length=40, blank=True)
    at = models.DateTimeField(db_default=Now())

    class Meta:
        indexes = [
            models.Index(fields=["campaign", "kind"], name="event_by_campaign"),
            models.Index(fields=["delivery", "kind"], name="event_by_delivery"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} of delivery {self.delivery_id}"


class ExportJob(models.Model):
    """A file that somebody asked for: a campaign's report, or what became of everyone; made in the background."""

    class Kind(models.TextChoices):
        """What is in it."""

        REPORT = "report", _("Report")
        PEOPLE = "people", _("Everyone, one by one")

    class Format(models.TextChoices):
        """How it is written."""

        CSV = "csv", _("CSV")
        XLSX = "xlsx", _("Excel (XLSX)")

    class State(models.TextChoices):
        """How far it is."""

        WAITING = "waiting", _("Waiting for a worker")
        RUNNING = "running", _("Being made")
        FINISHED = "finished", _("Ready")
        FAILED = "failed", _("Failed")
        CANCELLED = "cancelled", _("Cancelled")
        EXPIRED = "expired", _("Deleted")

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="export_jobs")
    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, related_name="export_jobs")
    created_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True)
    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    kind = models.CharField(max_length=8, choices=Kind.choices)
    format = models.CharField(max_length=4, choices=Format.choices)
    wanted = models.JSONField(default=dict)
    state = models.CharField(max_length=9, choices=State.choices, default=State.WAITING)
    error = models.CharField(max_length=500, blank=True, default="")
    # Raised whenever the work changes hands: a worker that was taken for dead can write nothing any more.
    token = models.IntegerField(default=0)
    attempts = models.SmallIntegerField(default=0)
    rows_total = models.IntegerField(default=0)
    rows_done = models.IntegerField(default=0)
    file_name = models.CharField(max_length=200)
    size_bytes = models.BigIntegerField(default=0)
    created_at = models.DateTimeField(db_default=Now())
    moved_at = models.DateTimeField(db_default=Now())
    finished_at = models.DateTimeField(null=True)
    expires_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [
            models.Index(fields=["workspace", "-id"], name="export_by_workspace"),
            models.Index(fields=["state", "moved_at"], name="export_by_state"),
        ]

    def __str__(self) -> str:
        return f"export {self.pk}: {self.state}"
