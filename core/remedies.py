"""The commands that set things right, as they are typed on this installation."""

from __future__ import annotations

from settings.env import env


def start_workers() -> str:
    """Return what starts the workers and beat that are missing."""
    return "scripts/start_celery_production.sh start" if env.is_production else "scripts/start"


def confirm_restore() -> str:
    """Return what an operator runs after a restore."""
    return ".venv/bin/python manage.py confirm_restore"
