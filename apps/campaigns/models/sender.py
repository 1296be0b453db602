"""In whose name a workspace writes."""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from apps.accounts.models import Workspace


class SenderIdentity(models.Model):
    """A name and an address that campaigns may be sent from."""

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="senders")
    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    name = models.CharField(_("name"), max_length=200)
    email = models.CharField(_("address"), max_length=320)
    reply_to = models.CharField(_("replies go to"), max_length=320, blank=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [models.UniqueConstraint(fields=["workspace", "email", "name"], name="sender_once")]

    def __str__(self) -> str:
        return f"{self.name} <{self.email}>"
