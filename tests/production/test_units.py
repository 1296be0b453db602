"""The systemd units: what they must say, what systemd says to them, and that the web server reports to systemd."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from settings.limits import REAL
from settings.tiers import TIERS
from tests.production.conftest import ROOT, Production

pytestmark = pytest.mark.serial
UNITS = ROOT / "deploy" / "systemd"
SERVICES = (
    "vashsender-web.service",
    "vashsender-mail@.service",
    "vashsender-default.service",
    "vashsender-beat.service",
)
RUN = "/opt/vashsender/scripts/start_celery_production.sh run"
HARDENING = {
    "NoNewPrivileges": "yes",
    "ProtectSystem": "strict",
    "ProtectHome": "yes",
    "PrivateTmp": "yes",
    "PrivateDevices": "yes",
    "ProtectKernelTunables": "yes",
    "ProtectKernelModules": "yes",
    "ProtectKernelLogs": "yes",
    "RestrictAddressFamilies": "AF_INET AF_INET6 AF_UNIX",
    "SystemCallFilter": "@system-service",
    "CapabilityBoundingSet": "",
    "UMask": "0077",
}


def directives(name: str) -> dict[str, str]:
    text = (UNITS / name).read_text().replace("\\\n", " ")
    lines = [line for line in text.splitlines() if "=" in line and not line.startswith("#")]
    found = {key: " ".join(value.split()) for key, _, value in (line.partition("=") for line in lines)}
    assert len(found) == len(lines), "a directive is given twice"
    return found


@pytest.mark.parametrize("name", SERVICES)
def test_a_unit_stops_the_main_process_only_and_gives_it_time(name: str) -> None:
    said = directives(name)

    assert (said["KillMode"], said["Restart"], said["RestartSec"]) == ("mixed", "always", "5")
    assert int(said["TimeoutStopSec"]) == REAL.batch.hard + REAL.deadline_margin
    assert (said["User"], said["StateDirectory"], said["WorkingDirectory"]) == (
        "vashsender",
        "vashsender",
        "/opt/vashsender",
    )
    assert said["Environment"].split()[:2] == ["VASHSENDER_ENV=production", "VASHSENDER_DATA=/var/lib/vashsender"]
    assert {key: said[key] for key in HARDENING} == HARDENING
    assert {"MemoryMax", "TasksMax", "LimitNOFILE"} <= set(said)


def test_the_target_starts_everything() -> None:
    wanted = directives("vashsender.target")["Wants"].split()

    assert wanted == [name.replace("@.", "@1.") for name in SERVICES]
    assert {directives(name)["PartOf"] for name in SERVICES} == {"vashsender.target"}
    assert {name: directives(name)["ExecStart"].removeprefix(RUN) for name in SERVICES[1:]} == {
        "vashsender-mail@.service": " mail%i",
        "vashsender-default.service": " default",
        "vashsender-beat.service": " beat",
    }


def test_every_tier_fits_into_the_units_limits() -> None:
    # A child has its main thread, a heartbeat and a housekeeper; the main process a few more.
    assert (
        int(directives("vashsender-mail@.service")["TasksMax"])
        >= 4 * max(t.concurrency_max for t in TIERS.values()) + 16
    )


@pytest.mark.parametrize("name", [*SERVICES, "vashsender.target"])
def test_systemd_accepts_the_unit(name: str, tmp_path: Path) -> None:
    for unit in UNITS.iterdir():
        (tmp_path / unit.name).write_text(unit.read_text().replace("/opt/vashsender", str(ROOT)))
    assert (tmp_path / name).read_text().startswith("# ")
    if shutil.which("systemd-analyze") is None:
        print("There is no systemd-analyze here; only the lines themselves were looked at.")
        return

    verified = _analyze("verify", "--man=no", "--recursive-errors=yes", str(tmp_path / name))
    assert (verified.returncode, verified.stdout + verified.stderr) == (0, "")
    if name != "vashsender.target":
        exposed = _analyze("security", "--offline=yes", "--threshold=30", str(tmp_path / name))
        assert exposed.returncode == 0, exposed.stdout


def _analyze(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["systemd-analyze", "--no-pager", *arguments], capture_output=True, text=True, check=False)


def test_the_web_server_tells_systemd_when_it_is_up(tmp_path: Path) -> None:
    said = directives("vashsender-web.service")
    assert said["Type"] == "notify"
    command = [sys.executable, *said["ExecStart"].split()[1:-1], "--bind=127.0.0.1:0"]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(60)
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env={**os.environ, "DJANGO_SETTINGS_MODULE": "settings.test", "NOTIFY_SOCKET": str(tmp_path / "notify")},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            told = systemd.recv(1000).decode()
        finally:
            process.terminate()
            process.wait(30)

    assert told.startswith("READY=1\n")


def test_a_unit_becomes_the_process_itself(production: object, prefix: str, transactional_db: None) -> None:
    script: Production = production(broker_prefix=prefix)  # type: ignore[operator]  # a fixture
    process = script.spawn("run", "beat")
    assert process.stdout is not None
    line = process.stdout.readline()

    title = Path(f"/proc/{process.pid}/cmdline").read_text()
    process.terminate()
    process.communicate(timeout=30)

    assert line
    assert "celery" in title
    assert process.returncode == 0
    assert not script.run_dir.exists()
