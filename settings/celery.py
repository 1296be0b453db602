"""How Celery runs: the database is the queue, so messages are hints and every setting follows from that."""

from __future__ import annotations

import sys
from typing import Any

from settings.limits import Limits

QUEUES = ("campaigns", "email", "default")

ROUTES: dict[str, dict[str, str]] = {
    "apps.campaigns.tasks.send_campaign": {"queue": "campaigns"},
    # Long, and never in the way of the sweep on the default queue.
    "apps.tracking.tasks.run_export": {"queue": "campaigns"},
    "apps.campaigns.tasks.send_email_batch": {"queue": "email"},
    "apps.campaigns.tasks.send_single_email": {"queue": "email"},
}


def beat_schedule(limits: Limits) -> dict[str, dict[str, Any]]:
    """Return beat's entries; each expires after one period, so an outage leaves no pile of old ticks."""
    entries: dict[str, tuple[str, float, tuple[Any, ...]]] = {
        "sweep": ("apps.campaigns.tasks.sweep", limits.sweep, ()),
        "check-stuck-campaigns": ("apps.campaigns.tasks.check_stuck_campaigns", limits.check_stuck, ()),
        "measure-campaigns": ("apps.campaigns.tasks.measure_campaigns", limits.measure, ()),
        "cleanup-smtp-connections": ("apps.smtp.tasks.cleanup_smtp_connections", limits.cleanup_smtp, ()),
        "sweep-imports": ("apps.contacts.tasks.sweep_imports", limits.sweep_imports, ()),
        "sweep-exports": ("apps.tracking.tasks.sweep_exports", limits.sweep_exports, ()),
        "catch-up-with-events": ("apps.tracking.tasks.catch_up", limits.catch_up, ()),
        **{f"canary-{queue}": ("core.tasks.canary", limits.canary, (queue,)) for queue in QUEUES},
    }
    schedule: dict[str, dict[str, Any]] = {}
    for name, (task, period, args) in entries.items():
        options: dict[str, Any] = {"expires": period}
        if name.startswith("canary-"):
            options["queue"] = args[0]
        schedule[name] = {"task": task, "schedule": period, "args": args, "options": options}
    return schedule


def configuration(*, broker_url: str, limits: Limits, prefix: str = "") -> dict[str, Any]:
    """Return Celery's settings for one broker; `prefix` keeps test runs on one broker apart."""
    transport_options: dict[str, Any] = {
        "visibility_timeout": limits.visibility,
        "unacked_restore_interval": 10,
        "unacked_restore_throttle": 1,
        "socket_keepalive": True,
        "health_check_interval": 25,
        "retry_on_timeout": True,
    }
    if prefix:
        transport_options["global_keyprefix"] = prefix
    return {
        "broker_url": broker_url,
        "broker_transport_options": transport_options,
        "broker_connection_retry_on_startup": True,
        "broker_connection_max_retries": None,
        "task_acks_late": True,
        "task_acks_on_timeout": True,
        "task_publish_retry_policy": {"max_retries": 1, "interval_start": 0, "interval_step": 0.2, "interval_max": 0.2},
        "task_ignore_result": True,
        "task_serializer": "json",
        "accept_content": ["json"],
        "worker_prefetch_multiplier": 1,
        "worker_cancel_long_running_tasks_on_connection_loss": False,
        "worker_soft_shutdown_timeout": limits.soft_shutdown,
        "worker_enable_soft_shutdown_on_idle": False,
        "worker_eta_task_limit": 100,
        "worker_hijack_root_logger": False,
        "worker_send_task_events": False,
        "task_default_queue": "default",
        "task_routes": ROUTES,
        "task_time_limit": limits.default.hard,
        "task_soft_time_limit": limits.default.soft,
        "task_create_missing_queues": True,
        "beat_schedule": beat_schedule(limits),
        "beat_scheduler": "core.beat:LeaderScheduler",
        "beat_max_loop_interval": min(5.0, limits.sweep),
        # Or Celery signs out of the database after every task; `core.database` looks after the connection instead.
        "CELERY_DB_REUSE_MAX": sys.maxsize,
        "timezone": "UTC",
        "enable_utc": True,
    }
