"""What came back, as it came: append-only."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now

from apps.accounts.models import Workspace
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
