"""Designs a workspace keeps to begin its campaigns with."""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from apps.accounts.models import User, Workspace


class Template(models.Model):
    """A reusable letter: a campaign copies it when it begins, so that later changes to it move no campaign."""

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="templates")
    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    name = models.CharField(_("name"), max_length=200)
    subject = models.CharField(_("subject"), max_length=998, blank=True)
    preheader = models.CharField(_("preheader"), max_length=300, blank=True)
    html = models.TextField(_("HTML"), blank=True)
    text = models.TextField(_("plain text"), blank=True)
    created_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="templates")
    created_at = models.DateTimeField(db_default=Now())
    updated_at = models.DateTimeField(db_default=Now())

    class Meta:
        indexes = [models.Index(fields=["workspace", "-id"], name="template_by_workspace")]

    def __str__(self) -> str:
        return self.name
