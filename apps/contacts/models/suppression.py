"""Addresses that must not be written to."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from apps.accounts.models import Workspace


class Suppression(models.Model):
    """One address of one workspace that is never offered to a transport, with the reason."""

    class Reason(models.TextChoices):
        """Why; the strongest reason is kept."""

        COMPLAINT = "complaint", _("Marked as spam")
        HARD_BOUNCE = "hard_bounce", _("No such mailbox")
        UNSUBSCRIBED = "unsubscribed", _("Unsubscribed from everything")
        MANUAL = "manual", _("Added by hand")

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="suppressions")
    email = models.CharField(_("email"), max_length=320, blank=True)
    email_hash = models.BinaryField(max_length=32)
    reason = models.CharField(max_length=16, choices=Reason.choices)
    source = models.CharField(max_length=300, blank=True)
    # Survives a stronger reason: lifting a bounce must not forget that the person asked to stop.
    asked_to_stop = models.BooleanField(default=False, db_default=False)
    # The source of a suppression by hand, which survives a stronger reason too: the person's undo must not lift it.
    by_hand = models.CharField(max_length=300, null=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [models.UniqueConstraint(fields=["workspace", "email_hash"], name="suppressed_once")]

    def __str__(self) -> str:
        return f"suppression {self.pk}: {self.reason}"
