"""Checks of what we stand on: database, migrations, broker and clock."""

from __future__ import annotations

import time
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.db import Error as DatabaseError
from django.db import connection, transaction
from django.db.migrations.executor import MigrationExecutor
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from kombu.exceptions import OperationalError

from core import jobs, queues
from core.health import Context, Result, Status, register

_SKEW_SECONDS = 60
_LONG_SECONDS = 900
_OLDEST_POSTGRES = 14_00_00
_MEMORY_SHARE = 0.9


@register("database", gettext_lazy("Database"), when_silent=Status.CRITICAL)
def check_database(context: Context) -> Result:
    """Connect, write in a transaction that is rolled back, and look at the version."""
    place = _database_place()
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("CREATE TEMPORARY TABLE health_check_probe (n int) ON COMMIT DROP")
            cursor.execute("INSERT INTO health_check_probe VALUES (1)")
            transaction.set_rollback(True)
        number = int(connection.pg_version)  # type: ignore[attr-defined]  # the PostgreSQL wrapper has it
    except DatabaseError as error:
        return Result(
            Status.CRITICAL,
            _("PostgreSQL at %(place)s does not answer: %(error)s") % {"place": place, "error": _first_line(error)},
            _("Start PostgreSQL (scripts/start brings its own), or correct DATABASE_URL."),
        )
    version = f"{number // 10000}.{number % 10000}"
    if number < _OLDEST_POSTGRES:
        return Result(
            Status.CRITICAL,
            _("PostgreSQL %(version)s is too old.") % {"version": version},
            _("Move to PostgreSQL 14 or newer."),
        )
    return Result(
        Status.OK,
        _("PostgreSQL %(version)s at %(place)s answers and takes writes.") % {"version": version, "place": place},
    )


def _database_place() -> str:
    given = settings.DATABASES["default"]
    host = given.get("HOST") or "a local socket"
    return f"{host}:{given['PORT']}" if given.get("PORT") else str(host)


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0][:200] or type(error).__name__


@register("transactions", gettext_lazy("Long transactions"))
def check_transactions(context: Context) -> Result:
    """Find transactions that have been open for long: they keep dead rows alive, and everything grows slower."""
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT pid, coalesce(application_name, ''), extract(epoch FROM clock_timestamp() - xact_start)
               FROM pg_stat_activity
               WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
                 AND xact_start < clock_timestamp() - %s * interval '1 second'
               ORDER BY xact_start LIMIT 3""",
            [_LONG_SECONDS],
        )
        found = cursor.fetchall()
    if found:
        named = "; ".join(f"pid {pid} ({name}), {int(seconds // 60)} min" for pid, name, seconds in found)
        return Result(
            Status.WARNING,
            _("Transactions have been open for long: %(named)s.") % {"named": named},
            _("End what holds them, or: SELECT pg_terminate_backend(PID). Nothing of ours keeps one open so long."),
        )
    return Result(Status.OK, _("None has been open for long."))


@register("migrations", gettext_lazy("Migrations"))
def check_migrations(context: Context) -> Result:
    """Look for migrations that the database has not seen."""
    executor = MigrationExecutor(connection)
    pending = len(executor.migration_plan(executor.loader.graph.leaf_nodes()))
    if pending:
        return Result(
            Status.CRITICAL,
            ngettext("%(count)d migration is pending.", "%(count)d migrations are pending.", pending)
            % {"count": pending},
            _("Run: .venv/bin/python manage.py migrate"),
        )
    return Result(Status.OK, _("All applied."))


@register("broker", gettext_lazy("Broker"), when_silent=Status.CRITICAL)
def check_broker(context: Context) -> Result:
    """Ask the broker for an answer, and Redis whether it would throw messages away when full."""
    url = str(settings.CELERY["broker_url"])
    parts = urlsplit(url)
    place = f"{parts.hostname}:{parts.port}" if parts.hostname else parts.path
    try:
        if queues.is_redis(url):
            return _redis_result(queues.redis_facts(url), place)
        with queues.connect() as broker:
            broker.ensure_connection(max_retries=1, interval_start=0, interval_step=0)
    except (*jobs.BROKER_ERRORS, OperationalError) as error:
        return Result(
            Status.CRITICAL,
            _("The broker at %(place)s does not answer: %(error)s") % {"place": place, "error": _first_line(error)},
            _("Nothing is lost. Start Redis or Valkey (scripts/start brings one), or correct REDIS_URL or BROKER_URL."),
        )
    return Result(Status.OK, _("The broker at %(place)s answers.") % {"place": place})


def _redis_result(facts: dict[str, Any], place: str) -> Result:
    used, ceiling = int(facts.get("used_memory", 0)), int(facts.get("maxmemory", 0))
    policy = str(facts.get("maxmemory_policy", "noeviction"))
    if ceiling and used > ceiling * _MEMORY_SHARE:
        return Result(
            Status.WARNING,
            _("%(share)d %% of Redis's memory is used.") % {"share": used * 100 // ceiling},
            _("Raise maxmemory; a full Redis takes no more rings."),
        )
    if ceiling and policy != "noeviction":
        return Result(
            Status.WARNING,
            _("Redis may throw messages away when full (maxmemory-policy is %(policy)s).") % {"policy": policy},
            _("Set maxmemory-policy to noeviction."),
        )
    return Result(Status.OK, _("The broker at %(place)s answers.") % {"place": place})


@register("clock", gettext_lazy("Clock"))
def check_clock(context: Context) -> Result:
    """Compare this machine's clock with the database's, by which everything is decided."""
    connection.ensure_connection()
    before = time.time()
    with connection.cursor() as cursor:
        cursor.execute("SELECT extract(epoch FROM clock_timestamp())")
        (theirs,) = cursor.fetchone()
    skew = float(theirs) - (before + time.time()) / 2
    detail = _("This machine is %(seconds).1f seconds away from the database.") % {"seconds": abs(skew)}
    if abs(skew) > _SKEW_SECONDS:
        return Result(Status.WARNING, detail, _("Let both machines keep time (NTP); letters would carry a wrong Date."))
    return Result(Status.OK, detail)
