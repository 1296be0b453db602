"""Sending accounts."""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from apps.accounts.models import Workspace
from core.secretbox import EncryptedField


class Transport(models.Model):
    """An SMTP server, or the local inbox, that carries a workspace's envelopes."""

    class Kind(models.TextChoices):
        """What stands at the other end."""

        LOCAL_INBOX = "local_inbox", _("Local inbox")
        SMTP = "smtp", _("SMTP server")

    class Tls(models.TextChoices):
        """How the line is secured."""

        NONE = "none", _("None")
        STARTTLS = "starttls", _("STARTTLS")
        TLS = "tls", _("TLS from the start")

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="transports")
    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    name = models.CharField(_("name"), max_length=120)
    kind = models.CharField(max_length=12, choices=Kind.choices)
    host = models.CharField(_("host"), max_length=253, blank=True)
    port = models.PositiveIntegerField(_("port"), default=587)
    tls = models.CharField(max_length=8, choices=Tls.choices, default=Tls.STARTTLS)
    username = models.CharField(_("user name"), max_length=200, blank=True)
    password = EncryptedField(blank=True, default="")
    max_connections = models.PositiveSmallIntegerField(default=10)
    max_letters_per_connection = models.PositiveIntegerField(default=100)
    is_active = models.BooleanField(default=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["workspace"], condition=models.Q(kind="local_inbox"), name="one_local_inbox_per_workspace"
            ),
            models.CheckConstraint(
                condition=models.Q(kind="smtp") | models.Q(host="", username=""), name="local_inbox_has_no_host"
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def is_local_inbox(self) -> bool:
        """True when nobody outside receives what it carries."""
        return self.kind == self.Kind.LOCAL_INBOX
