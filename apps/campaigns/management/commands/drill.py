"""`manage.py drill`: kills the workers of a made-up campaign and counts every letter, beside any installation."""

from __future__ import annotations

import random
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.campaigns.drill import place
from apps.campaigns.drill.plan import Plan
from core.errors import EspError
from core.installation import children, folders
from settings.tiers import TIERS

_STOP = children.StopStep(signal.SIGTERM, 120)


class Command(BaseCommand):
    """Runs the drill in a process and a folder of its own; exits with 0 only if every letter is accounted for."""

    help = (
        "Send a made-up campaign through workers, a broker, a database and a mail server of the drill's own while they "
        "are killed and restarted, then count every letter. Touches no installation."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        """Take what a plan holds."""
        usual = Plan()
        parser.add_argument("--letters", type=int, default=usual.letters, metavar="N", help="how many letters")
        parser.add_argument(
            "--kills", type=int, default=usual.kills, metavar="K", help="kill -9, children and mains in turn"
        )
        parser.add_argument("--rolling", type=int, default=0, metavar="N", help="restarts of a mail worker by SIGTERM")
        parser.add_argument(
            "--restart-broker", type=int, default=0, metavar="N", help="every second one loses all data"
        )
        parser.add_argument("--restart-database", type=int, default=0, metavar="N", help="fast and immediate in turn")
        parser.add_argument("--concurrency", type=int, default=usual.concurrency, metavar="C", help="sending processes")
        parser.add_argument("--tier", choices=tuple(TIERS), default=usual.tier, help="how letters are handed out")
        parser.add_argument("--policy", choices=("hold", "retry_once"), default=usual.policy)
        parser.add_argument(
            "--script", default="", help="faults of the mail server: JSON, or a share of dropped replies"
        )
        parser.add_argument("--seed", type=int, help="repeats the same choices; drawn and printed when not given")
        parser.add_argument(
            "--clock", choices=("short", "real"), default=usual.clock, help="which table of time limits"
        )
        parser.add_argument("--json", action="store_true", help="end with one line of JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        """Run the drill and end with its status."""
        seed = options["seed"] if options["seed"] is not None else random.SystemRandom().randrange(1_000_000)
        names = (
            "letters",
            "kills",
            "rolling",
            "restart_broker",
            "restart_database",
            "concurrency",
            "policy",
            "script",
            "tier",
        )
        plan = Plan(**{name: options[name] for name in names}, clock=options["clock"], seed=seed)
        try:
            plan.check()
        except EspError as error:
            raise CommandError(error.message) from error
        self.stdout.flush()
        status = self._run(plan, as_json=options["json"])
        if status:
            sys.exit(status)

    def _run(self, plan: Plan, *, as_json: bool) -> int:
        folder = Path(tempfile.mkdtemp(prefix="vs-drill-"))
        try:
            folder.chmod(0o711)  # PostgreSQL's own user passes through when root runs this
            return self._wait(self._spawn(plan, folder, as_json=as_json))
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _spawn(self, plan: Plan, folder: Path, *, as_json: bool) -> subprocess.Popen[bytes]:
        words = ["-m", "apps.campaigns.drill", f"--plan={plan.to_json()}", f"--folder={folder}"]
        spec = children.ChildSpec(
            name="drill",
            command=(sys.executable, *words, *(["--json"] if as_json else [])),
            folder=folders.ROOT,
            environment=place.surroundings(),
        )
        return children.spawn(spec, None)

    def _wait(self, process: subprocess.Popen[bytes]) -> int:
        """Wait for the drill; who asks us to stop asks the drill, which ends everything it started."""
        before = signal.signal(signal.SIGTERM, _interrupt)
        try:
            return process.wait()
        except KeyboardInterrupt:
            return children.end(process, (_STOP, children.KILL))
        finally:
            signal.signal(signal.SIGTERM, before)


def _interrupt(_number: int, _frame: object) -> None:
    raise KeyboardInterrupt
