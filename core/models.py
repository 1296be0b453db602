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
    # Its worker, such as mail@host; the processes of one worker share it.
    node = models.CharField(max_length=120, blank=True, default="", db_default="")
    task = models.CharField(max_length=120, blank=True, default="", db_default="")
    task_since = models.DateTimeField(null=True)
    progress_at = models.DateTimeField(null=True)
    memory_kib = models.IntegerField(default=0, db_default=0)
    started_at = models.DateTimeField(db_default=Now())
    seen_at = models.DateTimeField(db_default=Now())
    counters = models.JSONField(default=dict)

    def __str__(self) -> str:
        return self.name


class Incident(models.Model):
    """Something that went wrong and, when it has, when it ended; written by `core/incidents.py`."""

    kind = models.CharField(max_length=40)
    subject = models.CharField(max_length=200)
    # A number and no key: the ground floor knows no workspaces. Empty for what concerns the whole installation.
    workspace_id = models.BigIntegerField(null=True)
    detail = models.JSONField(default=dict)
    began_at = models.DateTimeField(db_default=Now())
    ended_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["kind", "subject"], condition=models.Q(ended_at=None), name="one_open_incident_each"
            ),
        ]
        indexes = [models.Index(fields=["-began_at"], name="incident_by_time")]

    def __str__(self) -> str:
        return f"{self.kind}: {self.subject}"


class InstanceEpoch(models.Model):
    """Which database this is: one row, compared with a copy outside; see `apps/campaigns/services/restore_guard.py`."""

    id = models.SmallIntegerField(primary_key=True, default=1)
    epoch = models.IntegerField(default=1, db_default=1)
    serial = models.BigIntegerField(default=1, db_default=1)
    own_table = models.BigIntegerField()
    system_id = models.CharField(max_length=24, blank=True, default="", db_default="")
    timeline = models.CharField(max_length=8, blank=True, default="", db_default="")
    last_delivery_id = models.BigIntegerField(default=0, db_default=0)
    beat_at = models.DateTimeField(null=True)
    last_sent_at = models.DateTimeField(null=True)
    frozen_at = models.DateTimeField(null=True)
    frozen_reason = models.CharField(max_length=12, blank=True, default="", db_default="")
    # Until when the restored database knows what happened.
    knows_until = models.DateTimeField(null=True)
    settled_at = models.DateTimeField(null=True)
    detail = models.JSONField(default=dict, db_default={})

    class Meta:
        db_table = "instance_epoch"
        constraints = [models.CheckConstraint(condition=models.Q(id=1), name="one_instance_epoch")]

    def __str__(self) -> str:
        return f"epoch {self.epoch}"


class ControlNumber(models.Model):
    """A number that is raised to tell every housekeeper to do something once."""

    name = models.CharField(max_length=80, primary_key=True)
    value = models.BigIntegerField(default=0)

    def __str__(self) -> str:
        return f"{self.name}={self.value}"
