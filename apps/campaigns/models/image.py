"""Images that letters show."""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from apps.accounts.models import User, Workspace


class Image(models.Model):
    """An image of our own making, at a public address that nobody can guess.

    It stands in the database: one backup holds it, and every web server can show it.
    """

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="images")
    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    # What its public address ends with; 144 random bits and the kind.
    name = models.CharField(max_length=40, unique=True)
    title = models.CharField(_("name"), max_length=120)
    kind = models.CharField(max_length=4)
    width = models.IntegerField()
    height = models.IntegerField()
    size_bytes = models.IntegerField()
    digest = models.CharField(max_length=64)
    data = models.BinaryField()
    created_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="images")
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        indexes = [models.Index(fields=["workspace", "-id"], name="image_by_workspace")]
        constraints = [models.UniqueConstraint(fields=["workspace", "digest"], name="image_once")]

    def __str__(self) -> str:
        return self.title
