"""Each check alone turns red when its own thing breaks, and none can hold up the rest."""

from __future__ import annotations

import datetime as dt
import json
import threading
import time
from collections import namedtuple
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import StringIO

import pytest
from django.core.management import call_command
from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from django.db.models import F
from django.db.models.functions import Now

from core import health, pulses, queues
from core.checks import installation, services, surroundings
from core.errors import EspError
from core.health import Context, Result, Status
from core.models import Pulse, WorkerProcess

OURS = [
    "settings",
    "encryption-keys",
    "disk",
    "database",
    "migrations",
    "broker",
    "clock",
    "canary-campaigns",
    "canary-email",
    "canary-default",
    "beat",
    "rounds",
    "transactions",
    "spool",
    "backup",
    "public-url",
    "queues",
    "pools",
]
Usage = namedtuple("Usage", "total used free")

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def healthy(monkeypatch, settings, tmp_path) -> None:
    """An installation in which everything runs."""
    settings.SPOOL_DIR = tmp_path / "spool"
    monkeypatch.setattr(surroundings, "_fetch", lambda _url: (b"ok\n", 60))
    for name in ("beat", "canary:campaigns", "canary:email", "canary:default"):
        pulses.beat(name)
    WorkerProcess.objects.create(name="mail", queues="campaigns,email", counters={"open": 3})
    WorkerProcess.objects.create(name="rest", queues="default")
    monkeypatch.setattr(installation.shutil, "disk_usage", lambda _: Usage(100, 50, 50))
    monkeypatch.setattr(queues, "depths", lambda names, **_: dict.fromkeys(names, 0))


@pytest.fixture
def registry(monkeypatch) -> Iterator[None]:
    """Let a test register checks of its own."""
    monkeypatch.setattr(health, "_checks", dict(health._checks))
    monkeypatch.setattr(health, "_progress", dict(health._progress))
    yield


def ask(only: list[str] | None = None, *, fix: bool = False) -> dict[str, health.Report]:
    return {report.id: report for report in health.run(Context(fix=fix), only=only or OURS)}


def red(reports: dict[str, health.Report]) -> dict[str, Status]:
    return {report.id: report.status for report in reports.values() if report.status is not Status.OK}


def test_is_all_well_where_everything_runs(healthy):
    reports = ask()

    assert red(reports) == {}
    assert "open 3" in reports["pools"].detail


def old(name: str, seconds: int) -> None:
    Pulse.objects.filter(name=name).update(at=Now() - dt.timedelta(seconds=seconds))


def silence(name: str, seconds: int) -> None:
    WorkerProcess.objects.filter(name=name).update(seen_at=F("seen_at") - dt.timedelta(seconds=seconds))


def _no_key(settings, monkeypatch):
    settings.ENCRYPTION_KEYS = []


def _damaged_key(settings, monkeypatch):
    settings.ENCRYPTION_KEYS = ["not-a-key"]


def _short_secret(settings, monkeypatch):
    settings.SECRET_KEY = "short"


def _every_host(settings, monkeypatch):
    settings.ALLOWED_HOSTS = ["*"]


def _public_http(settings, monkeypatch):
    settings.PUBLIC_URL = "http://mail.example"


def _disk(free: int) -> Callable[..., None]:
    return lambda settings, monkeypatch: monkeypatch.setattr(
        installation.shutil, "disk_usage", lambda _: Usage(100, 100 - free, free)
    )


def _old(name: str, seconds: int) -> Callable[..., None]:
    return lambda settings, monkeypatch: old(name, seconds)


def _never(name: str) -> Callable[..., None]:
    return lambda settings, monkeypatch: Pulse.objects.filter(name=name).delete()


def _nobody_listens(settings, monkeypatch):
    WorkerProcess.objects.filter(name="mail").update(queues="campaigns")


def _deep(settings, monkeypatch):
    monkeypatch.setattr(queues, "depths", lambda names, **_: dict.fromkeys(names, 20_000))


def _silent_process(settings, monkeypatch):
    WorkerProcess.objects.create(name="hung")
    silence("hung", 120)


def _skewed(settings, monkeypatch):
    monkeypatch.setattr(services.time, "time", lambda: time.monotonic())


@pytest.mark.parametrize(
    ("breaks", "id", "status"),
    [
        (_short_secret, "settings", Status.CRITICAL),
        (_every_host, "settings", Status.CRITICAL),
        (_public_http, "settings", Status.WARNING),
        (_no_key, "encryption-keys", Status.CRITICAL),
        (_damaged_key, "encryption-keys", Status.CRITICAL),
        (_disk(9), "disk", Status.WARNING),
        (_disk(1), "disk", Status.CRITICAL),
        (_old("canary:email", 61), "canary-email", Status.CRITICAL),
        (_never("canary:campaigns"), "canary-campaigns", Status.CRITICAL),
        (_old("canary:default", 300), "canary-default", Status.CRITICAL),
        (_old("beat", 16), "beat", Status.CRITICAL),
        (_never("beat"), "beat", Status.CRITICAL),
        (_nobody_listens, "queues", Status.CRITICAL),
        (_deep, "queues", Status.WARNING),
        (_silent_process, "pools", Status.WARNING),
        (_skewed, "clock", Status.WARNING),
    ],
)
def test_turns_one_line_red_and_says_what_to_do(healthy, settings, monkeypatch, breaks, id, status):
    breaks(settings, monkeypatch)

    reports = ask()

    assert red(reports) == {id: status}
    assert reports[id].hint


@contextmanager
def a_pending_migration() -> Iterator[None]:
    recorder = MigrationRecorder(connection)
    (latest,) = MigrationLoader(connection).graph.leaf_nodes("tracking")
    recorder.record_unapplied(*latest)
    try:
        yield
    finally:
        recorder.record_applied(*latest)


def test_sees_a_pending_migration(healthy):
    with a_pending_migration():
        reports = ask()

    assert red(reports) == {"migrations": Status.CRITICAL}
    assert "migrate" in reports["migrations"].hint


def test_takes_settled_work_for_a_canary_where_all_are_busy(healthy, registry):
    old("canary:email", 200)
    health.register_progress("email")(lambda: 4.0)

    assert red(ask()) == {}


def test_does_not_take_old_work_for_a_canary(healthy, registry):
    old("canary:email", 200)
    health.register_progress("email")(lambda: 90.0)

    assert red(ask()) == {"canary-email": Status.CRITICAL}


def test_forgets_processes_that_are_long_gone_and_removes_them_only_when_asked(healthy):
    WorkerProcess.objects.create(name="long gone")
    silence("long gone", 700)

    assert red(ask()) == {}
    assert WorkerProcess.objects.filter(name="long gone").exists()
    ask(fix=True)
    assert set(WorkerProcess.objects.values_list("name", flat=True)) == {"mail", "rest"}


def test_a_check_that_hangs_costs_its_own_line_only(registry):
    forever = threading.Event()

    @health.register("hangs", "Hangs", patience_seconds=0.2)
    def hangs(context: Context) -> Result:
        forever.wait()
        return Result(Status.OK, "")

    @health.register("hangs-badly", "Hangs", patience_seconds=0.2, when_silent=Status.CRITICAL)
    def hangs_badly(context: Context) -> Result:
        return hangs(context)

    @health.register("works", "Works")
    def works(context: Context) -> Result:
        return Result(Status.OK, "fine")

    reports = ask(["hangs", "hangs-badly", "works"])
    forever.set()

    assert [report.status for report in reports.values()] == [Status.UNKNOWN, Status.CRITICAL, Status.OK]


def test_a_check_that_breaks_costs_its_own_line_only_and_shows_no_secret(registry):
    @health.register("breaks", "Breaks")
    def breaks(context: Context) -> Result:
        raise RuntimeError("postgresql://vash:hunter2@db")

    @health.register("works", "Works")
    def works(context: Context) -> Result:
        return Result(Status.OK, "at postgresql://vash:hunter2@db")

    reports = ask(["breaks", "works"])

    assert (reports["breaks"].status, reports["works"].status) == (Status.UNKNOWN, Status.OK)
    assert "hunter2" not in reports["breaks"].detail + reports["works"].detail


@pytest.mark.parametrize(
    ("found", "whole"),
    [
        ([], Status.OK),
        ([Status.OK, Status.WARNING], Status.WARNING),
        ([Status.WARNING, Status.UNKNOWN], Status.UNKNOWN),
        ([Status.UNKNOWN, Status.CRITICAL, Status.OK], Status.CRITICAL),
    ],
)
def test_what_is_surely_broken_outranks_what_could_not_be_checked(found, whole):
    assert health.worst([health.Report("a", "", status, 0, "", "") for status in found]) is whole


def test_names_the_checks_there_are_when_asked_for_another():
    with pytest.raises(EspError, match="encryption-keys"):
        health.run(Context(), only=["nonsense"])


def run_command(*arguments: str) -> tuple[int, str, str]:
    out, err = StringIO(), StringIO()
    with pytest.raises(SystemExit) as left:
        call_command("health_check", *arguments, stdout=out, stderr=err)
    return int(left.value.code), out.getvalue(), err.getvalue()


def test_the_command_answers_programs_in_json(healthy):
    code, out, _err = run_command("--json", "--only", "disk,beat")

    answer = json.loads(out)
    assert code == 0
    assert (answer["status"], answer["version"]) == ("ok", health.version())
    assert [check["id"] for check in answer["checks"]] == ["disk", "beat"]
    assert set(answer["checks"][0]) == {"id", "status", "ms", "detail", "hint", "doc"}


def test_the_command_exits_with_the_worst_status_and_prints_the_hint(healthy):
    old("beat", 60)

    code, out, _err = run_command("--only", "disk,beat")

    assert code == 2
    assert "→ Start it: scripts/start" in out


def test_the_command_says_three_for_a_check_that_does_not_exist():
    code, _out, err = run_command("--only", "nonsense")

    assert code == 3
    assert "nonsense" in err


def test_the_command_hands_the_timeout_on_and_warns_below_eleven_minutes(registry):
    seen = []

    @health.register("sees", "Sees")
    def sees(context: Context) -> Result:
        seen.append((context.stuck_after.total_seconds(), context.fix))
        return Result(Status.OK, "")

    _code, _out, calm = run_command("--only", "sees", "--timeout", "45", "--fix")
    _code, _out, warned = run_command("--only", "sees", "--timeout", "5")

    assert seen == [(2700.0, True), (300.0, False)]
    assert calm == ""
    assert "11 minutes" in warned


@pytest.mark.parametrize(
    ("served", "commands"),
    [
        ("campaigns", ["celery -A core worker -Q email", "celery -A core worker -Q default -c 1"]),
        ("default", ["celery -A core worker -Q campaigns,email"]),
    ],
)
def test_every_deserted_queue_is_named_with_how_to_serve_it(healthy, served, commands):
    WorkerProcess.objects.filter(name="rest").delete()
    WorkerProcess.objects.update(queues=served)

    report = ask(["queues"])["queues"]

    assert report.hint.endswith(" + ".join(commands))
    assert all(f"“{queue}”" in report.detail for queue in {"campaigns", "email", "default"} - {served})


def test_one_process_is_not_called_processes(healthy):
    assert ask(["queues"])["queues"].detail.startswith("campaigns: 0 waiting, 1 process;")
