"""Campaigns, their frozen content, and what happened to them."""

from __future__ import annotations

import datetime as dt
import uuid

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from apps.accounts.models import User, Workspace
from apps.campaigns.models.sender import SenderIdentity
from apps.campaigns.states import CampaignState, Policy
from apps.contacts.models import ContactList
from apps.smtp.models import Transport


def _campaign_states() -> list[tuple[str, str]]:
    return [(state.value, state.value) for state in CampaignState]


def _policies() -> list[tuple[str, str]]:
    return [(policy.value, policy.value) for policy in Policy]


class ContentVersion(models.Model):
    """One frozen version of a letter's content; what was sent can always be shown again."""

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="content_versions")
    content_hash = models.CharField(max_length=64)
    frozen = models.JSONField()
    links = ArrayField(models.TextField(), default=list)
    created_at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return f"content {self.pk} ({self.content_hash[:12]})"


class Campaign(models.Model):
    """Content, audience, schedule and sending account; the row that workers ask before every letter."""

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="campaigns")
    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    name = models.CharField(_("name"), max_length=200)
    subject = models.CharField(_("subject"), max_length=998, blank=True)
    preheader = models.CharField(_("preheader"), max_length=300, blank=True)
    from_name = models.CharField(_("from name"), max_length=200, blank=True)
    from_email = models.CharField(_("from address"), max_length=320, blank=True)
    reply_to = models.CharField(_("reply to"), max_length=320, blank=True)
    # Where the three above came from; they are copied, so that what was sent stays what it was.
    sender = models.ForeignKey(SenderIdentity, on_delete=models.SET_NULL, null=True, related_name="campaigns")
    html = models.TextField(_("HTML"), blank=True)
    text = models.TextField(_("plain text"), blank=True)
    track_opens = models.BooleanField(default=True)
    track_clicks = models.BooleanField(default=True)
    transport = models.ForeignKey(Transport, on_delete=models.PROTECT, null=True, related_name="campaigns")
    lists = models.ManyToManyField(ContactList, related_name="campaigns", blank=True)
    excluded_lists = models.ManyToManyField(ContactList, related_name="excluded_from_campaigns", blank=True)

    state = models.CharField(max_length=10, choices=_campaign_states, default=CampaignState.DRAFT)
    state_reason = models.CharField(max_length=60, blank=True)
    policy = models.CharField(max_length=10, choices=_policies, default=Policy.HOLD)
    expires_after = models.DurationField(default=dt.timedelta(hours=72))

    # Frozen when preparing; a restart goes on at the cursor.
    content = models.ForeignKey(ContentVersion, on_delete=models.PROTECT, null=True, related_name="campaigns")
    audience_list_ids = ArrayField(models.BigIntegerField(), default=list)
    excluded_list_ids = ArrayField(models.BigIntegerField(), default=list)
    message_domain = models.CharField(max_length=253, blank=True)
    cursor = models.BigIntegerField(default=0)
    batches_cut = models.IntegerField(default=0)
    left_out = models.JSONField(default=dict)
    audience_size = models.IntegerField(null=True)

    created_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="campaigns")
    created_at = models.DateTimeField(db_default=Now())
    updated_at = models.DateTimeField(db_default=Now())
    scheduled_at = models.DateTimeField(null=True)
    # Whether a person chose that moment: found long after it, the campaign asks instead of leaving.
    is_appointed = models.BooleanField(default=False)
    rung_at = models.DateTimeField(null=True)
    moved_at = models.DateTimeField(db_default=Now())
    # How long it stood still until it last moved; see `services/aging.py`.
    held = models.DurationField(default=dt.timedelta, db_default=dt.timedelta())
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    resets = models.IntegerField(default=0)
    # Put away by a person: out of the lists, with everything it has.
    archived_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [
            models.Index(fields=["workspace", "-id"], name="campaign_by_workspace"),
            models.Index(fields=["state"], name="campaign_by_state"),
        ]

    def __str__(self) -> str:
        return self.name


class CampaignEntry(models.Model):
    """One line of a campaign's history: who or what moved it, when and why."""

    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, related_name="entries")
    at = models.DateTimeField(db_default=Now())
    kind = models.CharField(max_length=40)
    detail = models.JSONField(default=dict)
    by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True)

    def __str__(self) -> str:
        return f"{self.kind} of campaign {self.campaign_id}"
