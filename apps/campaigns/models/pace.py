"""How far a campaign was at certain moments."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now

from apps.campaigns.models.campaign import Campaign


class PaceSample(models.Model):
    """How many letters had met their end, and what the others waited for, when it was looked; at most one per slot.

    A graph of the pace is drawn from these, so that nobody has to count by minutes over a million letters.
    """

    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, related_name="pace_samples")
    slot = models.DateTimeField()
    at = models.DateTimeField(db_default=Now())
    tried = models.IntegerField()
    # "provider:failure class" → letters waiting for another try.
    waiting = models.JSONField(default=dict)
    # The failure class of the account's own trouble, "limit" where its limit was used up, or empty.
    held_by = models.CharField(max_length=24, blank=True, default="")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["campaign", "slot"], name="pace_sample_once")]

    def __str__(self) -> str:
        return f"pace of campaign {self.campaign_id} at {self.at}"
