"""The Celery application: `celery -A core`."""

from __future__ import annotations

import os
from typing import Any

from celery import Celery, Task
from celery.signals import (
    before_task_publish,
    celeryd_init,
    setup_logging,
    task_postrun,
    task_prerun,
    worker_init,
    worker_shutting_down,
)

from core import activity, broker, database, queues, rounds, worker
from settings.env import default_settings_module

os.environ.setdefault("DJANGO_SETTINGS_MODULE", default_settings_module())

broker.outlive()

app = Celery("vashsender")


def _configuration() -> dict[str, Any]:
    from django.conf import settings

    configured: dict[str, Any] = settings.CELERY
    return configured


app.add_defaults(_configuration)
app.autodiscover_tasks(["core", "apps.contacts", "apps.smtp", "apps.campaigns", "apps.tracking"])


@setup_logging.connect
def _keep_django_logging(**_: Any) -> None:
    """Leave logging to Django's configuration."""


@before_task_publish.connect
def _date(headers: dict[str, Any], **_: Any) -> None:
    """Let whoever looks into a queue see how long its oldest hint has waited."""
    queues.date(headers)


@celeryd_init.connect
def _join(sender: str, **_: Any) -> None:
    activity.join(sender)


@worker_init.connect
def _begin(**_: Any) -> None:
    worker.reset_draining()


@task_prerun.connect
def _look_at_connections(task: Task[Any, Any], **_: Any) -> None:
    """Keep the database connection unless it is broken or old; signing in anew costs more than carrying a letter."""
    if not task.request.is_eager:
        database.replace_unfit()
        activity.begin(task.name)


@task_postrun.connect
def _note_the_end(task: Task[Any, Any], retval: object, state: str, **_: Any) -> None:
    if not task.request.is_eager:
        activity.end()
        if state == "SUCCESS":
            rounds.ran(task.name, retval)


@worker_shutting_down.connect
def _drain(**_: Any) -> None:
    """On SIGTERM, in the main process: every child finishes what it has in hand and begins nothing."""
    worker.start_draining()
