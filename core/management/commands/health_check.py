"""Tells whether everything runs: exit 0 ok, 1 warning, 2 critical, 3 could not check."""

from __future__ import annotations

import json
import os
import sys
import threading
from argparse import ArgumentParser
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand
from django.utils.translation import gettext as _

from core import health
from core.errors import EspError
from core.health import Report, Status

_CEILING_SECONDS = 30.0
_START_SECONDS = 3.0  # what Python and Django need before the first check, taken off the deadline
_MARKS = {Status.OK: "ok", Status.WARNING: "WARNING", Status.CRITICAL: "CRITICAL", Status.UNKNOWN: "UNKNOWN"}


class Command(BaseCommand):
    """`manage.py health_check [--fix] [--timeout=MINUTES] [--json] [--only a,b] [--deadline SECONDS] …`."""

    help = "Checks everything a campaign needs. Exit 0 ok, 1 warning, 2 critical, 3 could not check."
    requires_system_checks = []
    requires_migrations_checks = False

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Describe the options."""
        parser.add_argument("--fix", action="store_true", help="reset stuck campaigns; without it nothing is changed")
        parser.add_argument(
            "--timeout",
            type=float,
            metavar="MINUTES",
            help="how long a sending campaign may stand still before it counts as stuck (default 30)",
        )
        parser.add_argument("--json", action="store_true", help="answer for programs")
        parser.add_argument("--account", type=int, metavar="ID", help="try only this sending account")
        parser.add_argument("--only", default="", metavar="IDS", help="only these checks, separated by commas")
        parser.add_argument(
            "--deadline", type=float, default=_CEILING_SECONDS, metavar="SECONDS", help="end by then (at most 30)"
        )

    def handle(self, *args: object, **options: Any) -> None:
        """Run the checks, print one line each and exit with the worst status."""
        context = health.Context(
            fix=options["fix"], stuck_after=self._stuck_after(options["timeout"]), account_id=options["account"]
        )
        deadline = min(_CEILING_SECONDS, options["deadline"])
        only = [word for word in options["only"].replace(",", " ").split() if word]
        try:
            reports = health.run(context, only=only, budget_seconds=max(1.0, deadline - _START_SECONDS))
        except EspError as error:
            self.stderr.write(error.message)
            sys.exit(Status.UNKNOWN)
        status = health.worst(reports)
        self.stdout.write(_as_json(status, reports) if options["json"] else _as_text(status, reports))
        self._leave(status)

    def _stuck_after(self, minutes: float | None) -> timedelta:
        if minutes is None:
            return timedelta(seconds=settings.LIMITS.stuck)
        least = settings.LIMITS.batch.hard / 60 + 1
        if minutes < least:
            self.stderr.write(
                _("A timeout under %(minutes)d minutes may call a batch stuck that is still being carried.")
                % {"minutes": least}
            )
        return timedelta(minutes=minutes)

    def _leave(self, status: Status) -> None:
        if any(thread.name.startswith("health-") for thread in threading.enumerate()):
            # A thread still waits for a peer that hangs; nothing it holds is worth waiting for.
            self.stdout.flush()
            self.stderr.flush()
            os._exit(status)
        sys.exit(status)


def _as_text(status: Status, reports: list[Report]) -> str:
    width = max((len(report.id) for report in reports), default=0)
    lines = []
    for report in reports:
        lines.append(f"{_MARKS[report.status]:<9}{report.id:<{width}}  {report.detail}")
        if report.hint and report.status is not Status.OK:
            lines.append(f"{'':<9}{'':<{width}}  → {report.hint}")
    return "\n".join([*lines, f"{_MARKS[status]}"])


def _as_json(status: Status, reports: list[Report]) -> str:
    return json.dumps(
        {
            "status": status.word,
            "version": health.version(),
            "checks": [
                {
                    "id": report.id,
                    "status": report.status.word,
                    "ms": report.milliseconds,
                    "detail": report.detail,
                    "hint": report.hint,
                    "doc": report.doc,
                }
                for report in reports
            ],
        },
        indent=1,
        ensure_ascii=False,
    )
