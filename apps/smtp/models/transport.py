"""Sending accounts."""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from apps.accounts.models import Workspace
from apps.smtp.providers import catalogue
from apps.smtp.throttle import Limits
from core.secretbox import EncryptedField


class Transport(models.Model):
    """An SMTP server, a provider's API account or the local inbox, which carries a workspace's envelopes."""

    class Kind(models.TextChoices):
        """What stands at the other end."""

        LOCAL_INBOX = "local_inbox", _("Local inbox")
        SMTP = "smtp", _("SMTP server")
        PROVIDER = "provider", _("Provider account")

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
    # A name in `providers/catalogue.py`, and its own options as JSON: keys are among them, so all of it is a secret.
    provider = models.CharField(max_length=20, blank=True, default="", db_default="")
    options = EncryptedField(blank=True, default="", db_default="")
    per_second = models.PositiveIntegerField(null=True, blank=True)
    per_minute = models.PositiveIntegerField(null=True, blank=True)
    per_hour = models.PositiveIntegerField(null=True, blank=True)
    per_day = models.PositiveIntegerField(null=True, blank=True)
    is_active = models.BooleanField(default=True)
    # Its letters live on by the time it is off: nobody tries them meanwhile.
    switched_off_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(db_default=Now())

    # The last test of the connection; an empty stage means that it went through.
    tested_at = models.DateTimeField(null=True, blank=True)
    tested_ms = models.PositiveIntegerField(null=True, blank=True)
    tested_stage = models.CharField(max_length=10, blank=True, default="", db_default="")
    tested_text = models.CharField(max_length=500, blank=True, default="", db_default="")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["workspace"], condition=models.Q(kind="local_inbox"), name="one_local_inbox_per_workspace"
            ),
            models.CheckConstraint(
                condition=models.Q(kind="smtp") | models.Q(host="", username=""), name="local_inbox_has_no_host"
            ),
            models.CheckConstraint(
                condition=models.Q(kind="provider") ^ models.Q(provider=""), name="provider_accounts_name_theirs"
            ),
            models.CheckConstraint(
                condition=models.Q(per_second=None) | models.Q(per_second__gt=0), name="per_second_is_positive"
            ),
            models.CheckConstraint(
                condition=models.Q(per_minute=None) | models.Q(per_minute__gt=0), name="per_minute_is_positive"
            ),
            models.CheckConstraint(
                condition=models.Q(per_hour=None) | models.Q(per_hour__gt=0), name="per_hour_is_positive"
            ),
            models.CheckConstraint(
                condition=models.Q(per_day=None) | models.Q(per_day__gt=0), name="per_day_is_positive"
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def is_local_inbox(self) -> bool:
        """True when nobody outside receives what it carries."""
        return self.kind == self.Kind.LOCAL_INBOX

    @property
    def is_provider(self) -> bool:
        """True when a provider's API carries it."""
        return self.kind == self.Kind.PROVIDER

    @property
    def place(self) -> str:
        """Where its letters go: a provider's name, or a server and its port."""
        if self.is_provider:
            provider = catalogue.find(self.provider)
            return provider.label if provider else self.provider
        return f"{self.host}:{self.port}"

    @property
    def limits(self) -> Limits:
        """How many letters it may carry in each unit of time."""
        return Limits(self.per_second, self.per_minute, self.per_hour, self.per_day)


class Throttle(models.Model):
    """What an account has used of its limits, and whether it is in trouble; one row, shared by all processes.

    Only the statements in `services/throttles.py` and `services/breaker.py` change it. It is kept here and not in
    Redis, so that no flushed cache lifts a limit.
    """

    transport = models.OneToOneField(Transport, on_delete=models.CASCADE, primary_key=True, related_name="throttle")
    version = models.BigIntegerField(db_default=0)
    usage = models.JSONField(default=dict, db_default={})
    opens_at = models.DateTimeField(null=True)

    failures = models.IntegerField(db_default=0)
    closed_until = models.DateTimeField(null=True)
    trouble_since = models.DateTimeField(null=True)
    trouble_at = models.DateTimeField(null=True)
    trouble_stage = models.CharField(max_length=10, blank=True, db_default="")
    trouble_text = models.CharField(max_length=500, blank=True, db_default="")

    def __str__(self) -> str:
        return f"throttle of account {self.transport_id}"
