"""`scripts/test`: the whole suite against services of its own, parallel where that is safe, in one summary."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from core.errors import EspError  # noqa: E402 - found beside scripts/
from core.installation import embedded_postgres, embedded_valkey  # noqa: E402

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
# With one of these the person steers pytest by hand: one pass, one process unless they say otherwise.
STEERING = ("-m", "-n", "-s", "--pdb", "--collect-only", "--co", "--lf", "--ff", "--numprocesses")
# What a person may ask of the browser tests: pictures, and which pages.
WISHES = ("VASHSENDER_PICTURES", "VASHSENDER_PAGES", "VASHSENDER_SCREENS", "VASHSENDER_SCREENSHOTS")
NO_TESTS_COLLECTED = 5
INTERRUPTED = 2  # by -x or a broken collection; Ctrl-C reaches us as well


@dataclass(slots=True)
class Counts:
    """What became of the tests."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0

    def __str__(self) -> str:
        return f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped"

    def add(self, report: Path) -> bool:
        """Add the figures of one pass; False when pytest wrote no report, that is, broke."""
        if not report.exists():
            return False
        for suite in ElementTree.parse(report).getroot().iter("testsuite"):
            failed = int(suite.get("failures", 0)) + int(suite.get("errors", 0))
            skipped = int(suite.get("skipped", 0))
            self.failed += failed
            self.skipped += skipped
            self.passed += int(suite.get("tests", 0)) - failed - skipped
        return True


def main(arguments: list[str]) -> int:
    """Run the suite; return the exit status."""
    os.chdir(ROOT)
    signal.signal(signal.SIGTERM, _stop)
    counts = Counts()
    try:
        with services() as environment, tempfile.TemporaryDirectory(prefix="vs-test-") as folder:
            environment |= _browser()
            is_sound = run_passes(arguments, environment, Path(folder), counts)
    except EspError as error:
        print(error.message, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("The tests were stopped.", file=sys.stderr)
        return 130
    is_skip_wrong = os.environ.get("CI", "").lower() in ("1", "true") and counts.skipped > 0
    if is_skip_wrong:
        print("With CI=true a skipped test counts as a failure; the reasons stand above.")
    print(counts, flush=True)
    return 0 if is_sound and not counts.failed and not is_skip_wrong else 1


@contextmanager
def services() -> Iterator[dict[str, str]]:
    """Run a PostgreSQL and a Valkey that are thrown away, and give the environment that points to them."""
    with ExitStack() as stack:
        data_dir = stack.enter_context(tempfile.TemporaryDirectory(prefix="vs-test-data-"))
        environment = {
            name: value for name, value in os.environ.items() if not name.startswith("VASHSENDER_") or name in WISHES
        }
        for name in ("PUBLIC_URL", "BROKER_URL", "DJANGO_SETTINGS_MODULE", "PYTEST_ADDOPTS"):
            environment.pop(name, None)
        environment["DATABASE_URL"] = stack.enter_context(embedded_postgres.running(durable=False))
        environment["REDIS_URL"] = stack.enter_context(embedded_valkey.running())
        environment["VASHSENDER_DATA"] = data_dir
        yield environment


def run_passes(arguments: list[str], environment: dict[str, str], folder: Path, counts: Counts) -> bool:
    """Run pytest for what may run side by side, then for what must run alone; True when no pass broke."""
    quick = ["-n", str(max(2, min(4, os.cpu_count() or 1))), "--dist", "worksteal", "-m", "not serial"]
    # Each of these starts a whole set of processes, on a database and a broker prefix of its own, and mostly waits.
    in_pairs = ["-n", "2", "--dist", "worksteal", "-m", "serial and not alone"]
    # The workers of the later passes find the databases that those of the first have made.
    passes = [["--reuse-db", *options] for options in (quick, in_pairs, ["-n", "1", "-m", "alone"])]
    if any(argument in STEERING or argument.startswith(("-m=", "-n", "--numprocesses=")) for argument in arguments):
        passes = [[]]
    is_sound, has_found = True, False
    for number, options in enumerate(passes):
        report = folder / f"report-{number}.xml"
        status = _pytest([*options, f"--junitxml={report}", *arguments], environment)
        has_found = has_found or status != NO_TESTS_COLLECTED
        is_sound = counts.add(report) and is_sound and status in (0, 1, NO_TESTS_COLLECTED)
        if status == INTERRUPTED:
            break
    if not has_found:
        print("No test was found.", file=sys.stderr)
    return is_sound and has_found


def _pytest(arguments: list[str], environment: dict[str, str]) -> int:
    """Run pytest in our own terminal; Ctrl-C reaches it too, so we only wait for it."""
    process = subprocess.Popen([sys.executable, "-m", "pytest", *arguments], env=environment)
    try:
        return process.wait()
    except KeyboardInterrupt:
        process.send_signal(signal.SIGTERM if process.poll() is None else 0)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        raise


def _browser() -> dict[str, str]:
    """Return where Chromium is; as root the distribution's package is tried where there is none."""
    found = _browser_on_path()
    if found is None and os.geteuid() == 0 and shutil.which("apt-get"):
        print("Installing Chromium for the browser tests.", flush=True)
        quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        for command in (["apt-get", "update", "-q"], ["apt-get", "install", "-y", "-q", "chromium"]):
            subprocess.run(command, env=quiet, stdin=subprocess.DEVNULL, capture_output=True, check=False)
        found = _browser_on_path()
    if found is None:
        print("There is no Chromium on PATH, so the browser tests are skipped: install chromium to run them.")
        return {}
    return {"VASHSENDER_CHROMIUM": found}


def _browser_on_path() -> str | None:
    given = os.environ.get("VASHSENDER_CHROMIUM")
    return given or next((path for name in BROWSERS if (path := shutil.which(name))), None)


def _stop(_number: int, _frame: object) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
