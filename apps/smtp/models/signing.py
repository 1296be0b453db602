"""Signing keys."""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from apps.accounts.models import Workspace
from apps.smtp import dkim, dkim_keys
from core.secretbox import EncryptedField


class SigningKey(models.Model):
    """One DKIM key of a workspace's sending domain; its selector is its name, and never used again."""

    class Algorithm(models.TextChoices):
        """How it signs."""

        RSA = dkim.RSA, _("RSA, 2048 bits")
        ED25519 = dkim.ED25519, _("Ed25519")

    class State(models.TextChoices):
        """Whether it signs: not yet, now, or no more."""

        MADE = "made", _("Not used yet")
        ACTIVE = "active", _("Signs")
        RETIRED = "retired", _("Retired")

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="signing_keys")
    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    domain = models.CharField(max_length=253)
    selector = models.CharField(max_length=63)
    algorithm = models.CharField(max_length=16, choices=Algorithm.choices)
    # Empty once it is retired: what signs nothing any more cannot be stolen either.
    private_key = EncryptedField(blank=True, default="")
    public_key = models.TextField()
    state = models.CharField(max_length=8, choices=State.choices, default=State.MADE)
    made_at = models.DateTimeField(db_default=Now())
    activated_at = models.DateTimeField(null=True)
    retired_at = models.DateTimeField(null=True)

    # The last look at its record; empty where nobody has looked.
    checked_at = models.DateTimeField(null=True)
    published = models.CharField(
        max_length=10,
        blank=True,
        default="",
        db_default="",
        choices=[(one.value, one.value) for one in dkim_keys.Published],
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["workspace", "domain", "selector"], name="selectors_are_used_once"),
            models.UniqueConstraint(
                fields=["workspace", "domain", "algorithm"],
                condition=models.Q(state="active"),
                name="one_active_key_per_algorithm",
            ),
            models.CheckConstraint(
                condition=models.Q(state="retired") ^ ~models.Q(private_key=""), name="only_retired_keys_are_wiped"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.selector} of {self.domain}"

    @property
    def is_doubtful(self) -> bool:
        """True when it signs although its record was not found, so that receivers see no signature."""
        return self.state == self.State.ACTIVE and self.published != dkim_keys.Published.FOUND

    @property
    def record_name(self) -> str:
        """Where its public half is published."""
        return dkim_keys.record_name(self.selector, self.domain)

    @property
    def record_value(self) -> str:
        """What is published there, as TXT."""
        return dkim_keys.record_value(self.algorithm, self.public_key)
