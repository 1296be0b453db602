"""What arrived in the local inbox."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now

from apps.accounts.models import Workspace


class InboxLetter(models.Model):
    """One letter that the local inbox accepted; the body goes when newer ones need the room, the row stays."""

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, null=True, related_name="inbox_letters")
    mail_from = models.CharField(max_length=320, blank=True)
    recipient = models.CharField(max_length=320)
    message_id = models.CharField(max_length=255, blank=True)
    subject = models.CharField(max_length=998, blank=True)
    size = models.IntegerField()
    data = models.BinaryField(null=True)
    received_at = models.DateTimeField(db_default=Now())

    class Meta:
        indexes = [
            models.Index(fields=["message_id"], name="inbox_by_message_id"),
            models.Index(fields=["workspace", "-id"], name="inbox_by_workspace"),
            models.Index(fields=["id"], condition=models.Q(data__isnull=False), name="inbox_with_body"),
        ]

    def __str__(self) -> str:
        return f"letter {self.pk} in the local inbox"
