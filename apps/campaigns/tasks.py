"""The tasks: doors that take ids, call one service and may run twice or never.

Their limits are the user's: send_campaign 30/25 min, send_email_batch 10/8 min, send_single_email 5/4 min (hard/soft),
all from the one table in `settings/limits.py`.
"""

from __future__ import annotations

import time
from contextlib import suppress
from datetime import timedelta

from celery import shared_task
from celery.exceptions import SoftTimeLimitExceeded
from django.conf import settings

from apps.campaigns.services import batching, dispatch, lifecycle, measuring, stuck, sweeps
from core import jobs
from settings.limits import TaskLimit

CAMPAIGN: TaskLimit = settings.LIMITS.campaign
BATCH: TaskLimit = settings.LIMITS.batch
SINGLE: TaskLimit = settings.LIMITS.single
DEFAULT: TaskLimit = settings.LIMITS.default


@shared_task(name="apps.campaigns.tasks.send_campaign", time_limit=CAMPAIGN.hard, soft_time_limit=CAMPAIGN.soft)
def send_campaign(campaign_id: int) -> None:
    """Freeze a due campaign's audience and open the gate; restartable at every slice."""
    try:
        dispatch.prepare(campaign_id)
    except SoftTimeLimitExceeded:
        jobs.ring_now(lifecycle.SEND_CAMPAIGN, [(campaign_id,)])


@shared_task(name="apps.campaigns.tasks.send_email_batch", time_limit=BATCH.hard, soft_time_limit=BATCH.soft)
def send_email_batch(batch_id: int) -> None:
    """Hand out a batch: ring each of its due letters, or carry them here; what a limit cuts short comes again."""
    started = time.monotonic()
    try:
        dispatch.send_batch(batch_id, started=started)
    except SoftTimeLimitExceeded:
        with suppress(SoftTimeLimitExceeded):
            jobs.ring_now(batching.BATCH, [(batch_id,)])


@shared_task(name="apps.campaigns.tasks.send_single_email", time_limit=SINGLE.hard, soft_time_limit=SINGLE.soft)
def send_single_email(delivery_id: int) -> None:
    """Carry one letter; at the soft limit it is given back unsent."""
    started = time.monotonic()
    try:
        dispatch.send_single(delivery_id, started=started)
    except SoftTimeLimitExceeded:
        with suppress(SoftTimeLimitExceeded):  # during a warm shutdown the limit strikes twice
            dispatch.give_back(delivery_id)


@shared_task(name="apps.campaigns.tasks.sweep", time_limit=DEFAULT.hard, soft_time_limit=DEFAULT.soft)
def sweep() -> None:
    """Find by state what rings and workers lost."""
    sweeps.sweep()


@shared_task(name="apps.campaigns.tasks.check_stuck_campaigns", time_limit=DEFAULT.hard, soft_time_limit=DEFAULT.soft)
def check_stuck_campaigns() -> int:
    """Reset campaigns that could move and do not; return how many there were."""
    return len(stuck.check(timedelta(seconds=settings.LIMITS.stuck)))


@shared_task(name="apps.campaigns.tasks.measure_campaigns", time_limit=DEFAULT.hard, soft_time_limit=DEFAULT.soft)
def measure_campaigns() -> None:
    """Note how far each campaign is, for the graph of its pace."""
    measuring.measure()
