"""Tells `scripts/start_celery_production.sh` what to run: one `name=value` a line, read from the settings.

The script stops what runs even when the settings are broken, so a problem is a line among the others.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured
from pydantic import ValidationError

from settings.limits import REAL, Limits
from settings.tiers import TIERS, delivery_of

RUN_DIR = Path("/run/vashsender")
LOG_DIR = Path("/var/log/vashsender")
COLD_SECONDS = 5  # after its soft shutdown a worker still ends its children by itself


def main() -> int:
    """Print the plan."""
    try:
        for name, value in plan():
            print(f"{name}={value}")
    except ValidationError as error:
        # The values stay unsaid: a URL carries a password.
        names = ", ".join(sorted({str(part) for problem in error.errors() for part in problem["loc"]}))
        print(f"problem=The environment or .env holds a value that cannot be read: {names}.")
    return 0


def plan() -> Iterator[tuple[str, object]]:
    """Yield what the script asks for; a `problem` is why nothing may be started."""
    from settings.env import env

    yield "run_dir", (env.vashsender_run_dir or (RUN_DIR if RUN_DIR.is_dir() else env.data_dir / "run")).absolute()
    yield "log_dir", (env.vashsender_log_dir or LOG_DIR).absolute()
    tier = TIERS.get(env.vashsender_tier)
    if tier is None:
        yield "problem", f"VASHSENDER_TIER is {env.vashsender_tier!r}; it may be {', '.join(TIERS)}."
    else:
        yield "tier", f"{tier.name} ({tier.letters_per_hour} letters an hour, {tier.delivery})"
        yield from (("mail_worker", name) for name in tier.mail_workers)
        yield from (("option", option) for option in tier.pool_options(os.cpu_count() or 1))
    if not env.database_url:
        yield "problem", "DATABASE_URL is not set: put it into .env or the environment."
    if not env.broker_url:
        yield "problem", "REDIS_URL (or BROKER_URL) is not set: put it into .env or the environment."
    # Workers and web server share one environment; where nothing names it, a production script means production.
    environment = env.vashsender_env if "vashsender_env" in env.model_fields_set else "production"
    yield "environment", environment
    limits, problem = _limits("settings.production" if environment == "production" else "settings.development")
    yield "stop_seconds", round(limits.stop_of(delivery_of(env.vashsender_tier)))
    yield "quit_seconds", round(limits.soft_shutdown) + COLD_SECONDS
    if problem:
        yield "problem", problem


def _limits(module: str) -> tuple[Limits, str]:
    """Return the time table that the workers will live by, and why the settings cannot be used, if so."""
    try:
        found: Limits = import_module(os.environ.get("DJANGO_SETTINGS_MODULE") or module).LIMITS
    except ImproperlyConfigured as error:
        return REAL, " ".join(str(error).split())
    return found, ""


if __name__ == "__main__":
    sys.exit(main())
