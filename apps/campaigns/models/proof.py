"""What proves a campaign: its letters' tries, ends that were revised, people left out, and the closed account."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now

from apps.accounts.models import User
from apps.campaigns.models.campaign import Campaign
from apps.campaigns.models.delivery import Delivery
from apps.contacts.models import Contact
from apps.smtp.models import Transport


class Attempt(models.Model):
    """One try of a letter that did not end in plain acceptance; the database writes it, whoever changes the row.

    A try that was accepted at once is told by the delivery itself. From the 24th line of one letter on, tries that
    end alike are counted in one line (`times`, `until`), so that days of trouble stay small.
    """

    delivery = models.ForeignKey(Delivery, on_delete=models.CASCADE, related_name="tries")
    transport = models.ForeignKey(Transport, on_delete=models.PROTECT, related_name="+")
    number = models.SmallIntegerField()
    at = models.DateTimeField(db_default=Now())
    until = models.DateTimeField(null=True)
    times = models.IntegerField(default=1)
    state = models.CharField(max_length=11)
    reason = models.CharField(max_length=40, blank=True)
    failure = models.CharField(max_length=24, blank=True)
    stage = models.CharField(max_length=10, blank=True)
    code = models.SmallIntegerField(null=True)
    enhanced = models.CharField(max_length=12, blank=True)
    text = models.CharField(max_length=500, blank=True)
    due_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["delivery", "number"], name="try_once")]

    def __str__(self) -> str:
        return f"try {self.number} of delivery {self.delivery_id}: {self.state}"


class Revision(models.Model):
    """A letter's end that was changed after it had been reached; the database writes it, whoever changes the row."""

    delivery = models.ForeignKey(Delivery, on_delete=models.CASCADE, related_name="revisions")
    campaign = models.ForeignKey(Campaign, on_delete=models.SET_NULL, null=True, related_name="revisions")
    at = models.DateTimeField(db_default=Now())
    from_state = models.CharField(max_length=11)
    from_reason = models.CharField(max_length=40, blank=True)
    to_state = models.CharField(max_length=11)
    to_reason = models.CharField(max_length=40, blank=True)

    class Meta:
        indexes = [models.Index(fields=["campaign", "at"], name="revision_by_campaign")]

    def __str__(self) -> str:
        return f"delivery {self.delivery_id}: {self.from_state} became {self.to_state}"


class LeftOut(models.Model):
    """One person on a campaign's lists who got no letter, and what decided so when the audience was frozen."""

    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, related_name="people_left_out")
    contact = models.ForeignKey(Contact, on_delete=models.CASCADE, related_name="+")
    reason = models.CharField(max_length=16)
    # The excluded lists they were on, or why the address was suppressed.
    list_ids = ArrayField(models.BigIntegerField(), null=True)
    suppression = models.CharField(max_length=16, blank=True)
    at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [models.UniqueConstraint(fields=["campaign", "contact"], name="left_out_once")]

    def __str__(self) -> str:
        return f"contact {self.contact_id} left out of campaign {self.campaign_id}: {self.reason}"


class Certificate(models.Model):
    """A campaign's account as it stood when it closed, made in the same transaction; never changed."""

    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, related_name="certificates")
    number = models.SmallIntegerField(default=1)
    closed_at = models.DateTimeField()
    issued_at = models.DateTimeField(db_default=Now())
    audience_size = models.IntegerField()
    digest = models.CharField(max_length=64)
    document = models.JSONField()
    # The list that was digested, deflated, so that a later difference can be named row by row.
    ends = models.BinaryField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["campaign", "number"], name="certificate_once")]

    def __str__(self) -> str:
        return f"certificate {self.number} of campaign {self.campaign_id}"


class Recount(models.Model):
    """One time somebody recomputed a certificate from the deliveries, and what came of it."""

    certificate = models.ForeignKey(Certificate, on_delete=models.CASCADE, related_name="recounts")
    at = models.DateTimeField(db_default=Now())
    by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+")
    is_same = models.BooleanField()
    amended = models.IntegerField(default=0)
    differences = models.JSONField(default=list)

    def __str__(self) -> str:
        return f"recount of certificate {self.certificate_id}"
