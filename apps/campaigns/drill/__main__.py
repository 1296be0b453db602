"""The drill's own process: `manage.py drill` starts it with an environment that names no installation."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from pathlib import Path

from apps.campaigns.drill import place
from apps.campaigns.drill.plan import Plan
from apps.campaigns.drill.report import Report
from core.errors import EspError

INTERRUPTED = 130


def main() -> int:
    """Run one drill in a folder that the caller made and removes; 0 when it was passed, 1 when not."""
    parser = argparse.ArgumentParser(prog="python -m apps.campaigns.drill", description=__doc__)
    parser.add_argument("--plan", required=True, help="as JSON")
    parser.add_argument("--folder", required=True, type=Path)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _stop)
    try:
        report = _run(Plan.from_json(given.plan), given.folder)
    except EspError as error:
        _say(error.message)
        return 1
    except KeyboardInterrupt:
        _say("stopped before the end")
        return INTERRUPTED
    sys.stdout.write("\n".join(report.lines()) + "\n")
    if given.json:
        sys.stdout.write(report.to_json() + "\n")
    return 0 if report.is_passed else 1


def _run(plan: Plan, folder: Path) -> Report:
    _say(f"seed {plan.seed}; starting PostgreSQL, Valkey and a mail server in {folder}")
    with place.made(folder, plan, say=_say) as made:
        os.environ.update(made.environment)
        import django

        django.setup()
        from apps.campaigns.drill import runner  # needs Django

        return runner.run(plan, made, say=_say)


def _say(text: str) -> None:
    sys.stderr.write(f"drill: {text}\n")
    sys.stderr.flush()


def _stop(_number: int, _frame: object) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)  # once is enough: what follows is tidying up
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
