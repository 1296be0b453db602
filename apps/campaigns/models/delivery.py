"""One row per letter, and the slices they are handed out in."""

from __future__ import annotations

import uuid

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.functions import RandomUUID
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from apps.accounts.models import User, Workspace
from apps.campaigns.models.campaign import Campaign, ContentVersion
from apps.campaigns.states import DeliveryKind, DeliveryState
from apps.contacts.models import Contact
from apps.smtp.models import Transport


def _states() -> list[tuple[str, str]]:
    return [(state.value, state.value) for state in DeliveryState]


def _kinds() -> list[tuple[str, str]]:
    return [(kind.value, kind.value) for kind in DeliveryKind]


class Batch(models.Model):
    """A slice of a campaign's deliveries."""

    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, related_name="batches")
    number = models.IntegerField()
    size = models.IntegerField(default=0)
    rung_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["campaign", "number"], name="batch_once")]

    def __str__(self) -> str:
        return f"batch {self.number} of campaign {self.campaign_id}"


class Delivery(models.Model):
    """One letter to one person: the row whose state is the truth.

    Only the statements in `services/claims.py`, `services/outcomes.py`, `services/sweeps.py`, `services/proofs.py`,
    `services/second_tries.py` and the reset in `services/stuck.py` change `state`; every one of them asks and changes
    at once, by the database's clock, and raises `token` when the row changes hands.
    """

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="deliveries")
    kind = models.CharField(max_length=13, choices=_kinds, default=DeliveryKind.CAMPAIGN)
    # Found by the indexes below; each one more is written to four times for a letter, whose state stands in them.
    campaign = models.ForeignKey(
        Campaign, on_delete=models.SET_NULL, null=True, related_name="deliveries", db_index=False
    )
    contact = models.ForeignKey(Contact, on_delete=models.SET_NULL, null=True, related_name="deliveries")
    batch = models.ForeignKey(Batch, on_delete=models.SET_NULL, null=True, related_name="deliveries")
    content = models.ForeignKey(ContentVersion, on_delete=models.PROTECT, related_name="deliveries")
    transport = models.ForeignKey(Transport, on_delete=models.PROTECT, related_name="deliveries")
    uuid = models.UUIDField(default=uuid.uuid4, db_default=RandomUUID(), unique=True, editable=False)
    message_id = models.CharField(max_length=255)
    email = models.CharField(max_length=320)
    email_hash = models.BinaryField(max_length=32)
    mx_group = models.CharField(max_length=60, blank=True)
    priority = models.SmallIntegerField(default=5)
    policy = models.CharField(max_length=10, default="hold")
    # The lists that brought the letter to this person when the audience was frozen; null where the campaign has one.
    via_list_ids = ArrayField(models.BigIntegerField(), null=True)

    state = models.CharField(max_length=11, choices=_states, default=DeliveryState.QUEUED)
    reason = models.CharField(max_length=40, blank=True)
    token = models.IntegerField(default=0)
    owner = models.CharField(max_length=120, blank=True)
    rung_at = models.DateTimeField(null=True)
    due_at = models.DateTimeField(db_default=Now())
    lease_until = models.DateTimeField(null=True)
    attempt_deadline = models.DateTimeField(null=True)
    # By a clock that stops while its campaign stands still; see `services/aging.py`.
    expires_at = models.DateTimeField()
    # Every try that reached for the network; the two below it are what the schedule and the bound on nonsense go by.
    attempts = models.SmallIntegerField(default=0)
    counted_tries = models.SmallIntegerField(default=0, db_default=0)
    protocol_tries = models.SmallIntegerField(default=0, db_default=0)
    # How often an offer went unanswered since anything was known for certain: while it is above nought, no end of this
    # letter may be called "not sent".
    ambiguous_count = models.SmallIntegerField(default=0)
    crash_count = models.SmallIntegerField(default=0)

    last_stage = models.CharField(max_length=10, blank=True)
    last_code = models.SmallIntegerField(null=True)
    last_enhanced = models.CharField(max_length=12, blank=True)
    last_text = models.CharField(max_length=500, blank=True)
    failure = models.CharField(max_length=24, blank=True)
    created_at = models.DateTimeField(db_default=Now())
    moved_at = models.DateTimeField(db_default=Now())
    sent_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["campaign", "contact"], condition=Q(kind="campaign"), name="one_letter_per_contact"
            ),
        ]
        indexes = [
            models.Index(fields=["campaign", "state"], name="delivery_account"),
            models.Index(fields=["batch", "due_at"], condition=Q(state="queued"), name="delivery_queued"),
            models.Index(
                fields=["campaign", "batch"], condition=Q(state="queued", rung_at__isnull=False), name="delivery_rung"
            ),
            models.Index(fields=["due_at"], condition=Q(state="queued", batch__isnull=True), name="delivery_single"),
            models.Index(fields=["lease_until"], condition=Q(state__in=["leased", "sending"]), name="delivery_leased"),
            models.Index(fields=["attempt_deadline"], condition=Q(state="committing"), name="delivery_committing"),
            models.Index(fields=["message_id"], name="delivery_message_id"),
        ]

    def __str__(self) -> str:
        return f"delivery {self.pk}: {self.state}"


class DeliveryEntry(models.Model):
    """One line of a letter's history that its row forgets: an end that was taken back, and what brought that about."""

    delivery = models.ForeignKey(Delivery, on_delete=models.CASCADE, related_name="entries")
    campaign = models.ForeignKey(Campaign, on_delete=models.SET_NULL, null=True, related_name="letter_entries")
    at = models.DateTimeField(db_default=Now())
    kind = models.CharField(max_length=20)
    detail = models.JSONField(default=dict)
    by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True)

    def __str__(self) -> str:
        return f"{self.kind} of delivery {self.delivery_id}"
