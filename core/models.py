"""What every process writes down about itself: signs of life and control numbers."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now


class Pulse(models.Model):
    """The last time something really ran: beat's tick, a sweep, a canary of one queue."""

    name = models.CharField(max_length=80, primary_key=True)
    at = models.DateTimeField(db_default=Now())
    detail = models.JSONField(default=dict)

    def __str__(self) -> str:
        return self.name


class WorkerProcess(models.Model):
    """One worker child: who it is, when its housekeeper last wrote, what it has counted."""

    name = models.CharField(max_length=120, primary_key=True)
    queues = models.CharField(max_length=120, blank=True)
    started_at = models.DateTimeField(db_default=Now())
    seen_at = models.DateTimeField(db_default=Now())
    counters = models.JSONField(default=dict)

    def __str__(self) -> str:
        return self.name


class ControlNumber(models.Model):
    """A number that is raised to tell every housekeeper to do something once."""

    name = models.CharField(max_length=80, primary_key=True)
    value = models.BigIntegerField(default=0)

    def __str__(self) -> str:
        return f"{self.name}={self.value}"
