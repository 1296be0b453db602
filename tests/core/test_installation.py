"""An installation's record, keys, folders and options."""

from __future__ import annotations

import os
import shutil
import socket
import stat
import subprocess
import sys
from collections import namedtuple
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from core.installation import __main__ as command
from core.installation import folders, keys, options, processes, record
from core.installation.errors import AlreadyRunningError, InstallationError, MissingKeyError
from core.installation.folders import ROOT, DataFolder

PASSWORD_URL = "postgresql://vashsender:hidden@%2Ftmp%2Fx/vashsender"


def installation(pid: int | None = None, started: str | None = None) -> record.Installation:
    pid = os.getpid() if pid is None else pid
    return record.Installation(
        pid=pid,
        pid_started=record.process_started(pid) if started is None else started,
        database_url=PASSWORD_URL,
        redis_url="redis+socket:///tmp/x/valkey.sock",
        public_url="http://127.0.0.1:8000",
        web_port=8000,
        inbox_host="127.0.0.1",
        inbox_port=2525,
    )


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_finds_the_installation_that_runs(tmp_path):
    written = installation()
    record.write(tmp_path, written)

    assert record.find(tmp_path) == written
    assert mode(tmp_path / record.FILE_NAME) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == [record.FILE_NAME]


def test_ignores_the_record_of_a_process_that_ended(tmp_path):
    ended = subprocess.Popen([sys.executable, "-c", "pass"])
    started = record.process_started(ended.pid)
    ended.wait()
    record.write(tmp_path, installation(ended.pid, started))

    assert started
    assert record.find(tmp_path) is None
    assert record.read(tmp_path) is not None


def test_ignores_the_record_when_another_process_has_the_number_now(tmp_path):
    record.write(tmp_path, installation(os.getpid(), "an earlier boot:1"))

    assert record.find(tmp_path) is None


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"pid": 1}', '"text"'])
def test_an_unreadable_record_is_no_record(tmp_path, text):
    (tmp_path / record.FILE_NAME).write_text(text)

    assert record.find(tmp_path) is None


def test_a_record_may_hold_what_a_later_release_adds(tmp_path):
    record.write(tmp_path, installation())
    path = tmp_path / record.FILE_NAME
    path.write_text(path.read_text().replace("{", '{"later": true,', 1))

    assert record.find(tmp_path) == installation()


def test_a_record_shows_no_password():
    assert "hidden" not in repr(installation())


def test_makes_keys_once_and_for_the_owner_alone(tmp_path):
    folder = tmp_path / "keys"

    keys.ensure(folder, holds_data=False)
    first = {path.name: path.read_text() for path in folder.iterdir()}
    keys.ensure(folder, holds_data=True)

    assert first == {path.name: path.read_text() for path in folder.iterdir()}
    assert set(first) == {keys.SECRET_KEY, keys.ENCRYPTION_KEY}
    assert len(first[keys.SECRET_KEY]) >= 50
    assert {mode(path) for path in folder.iterdir()} == {0o600}
    assert mode(folder) == 0o700


def test_the_encryption_key_encrypts(tmp_path):
    keys.ensure(tmp_path, holds_data=False)

    fernet = Fernet((tmp_path / keys.ENCRYPTION_KEY).read_text().strip())

    assert fernet.decrypt(fernet.encrypt(b"secret")) == b"secret"


def test_a_lost_encryption_key_is_not_replaced_while_there_is_data(tmp_path):
    keys.ensure(tmp_path, holds_data=False)
    (tmp_path / keys.ENCRYPTION_KEY).unlink()

    with pytest.raises(MissingKeyError, match="put the key back from a backup"):
        keys.ensure(tmp_path, holds_data=True)

    assert not (tmp_path / keys.ENCRYPTION_KEY).exists()
    keys.ensure(tmp_path, holds_data=True, is_encryption_key_given=True)


def test_a_rival_that_makes_the_key_first_wins(tmp_path):
    path = tmp_path / "secret_key"

    def make_after_the_rival() -> str:
        path.write_text("the rival's\n")
        return "ours"

    assert keys.ensure_one(path, make_after_the_rival) == "the rival's"
    assert [entry.name for entry in tmp_path.iterdir()] == ["secret_key"]


def test_a_second_start_says_where_the_first_one_is(tmp_path):
    record.write(tmp_path, installation())

    with (
        command.sole_supervisor(tmp_path),
        pytest.raises(AlreadyRunningError) as caught,
        command.sole_supervisor(tmp_path),
    ):
        pytest.fail("two supervisors hold one data folder")

    assert caught.value.message == (
        f"VashSender already runs on {tmp_path} at http://127.0.0.1:8000 (process {os.getpid()})."
    )
    with command.sole_supervisor(tmp_path):
        pass


def test_a_second_start_refuses_while_the_first_one_is_starting(tmp_path):
    with (
        command.sole_supervisor(tmp_path),
        pytest.raises(AlreadyRunningError, match="just starting or stopping"),
        command.sole_supervisor(tmp_path),
    ):
        pytest.fail("two supervisors hold one data folder")


def test_the_data_folder_keeps_its_parts_private(tmp_path):
    data = DataFolder(tmp_path / "deep" / "data")

    data.make()
    data.make()

    assert {mode(path) for path in data.path.iterdir()} == {0o700}
    assert mode(data.path) == (0o711 if os.geteuid() == 0 else 0o700)


def test_a_file_is_no_data_folder(tmp_path):
    (tmp_path / "data").write_text("")

    with pytest.raises(InstallationError, match="is not a folder: choose another one with --data"):
        DataFolder(tmp_path / "data").make()


def test_a_full_disk_is_said_before_anything_runs(tmp_path, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: usage(10**9, 10**9 - 5 * 2**20, 5 * 2**20))

    with pytest.raises(InstallationError, match=r"nearly full \(5 MB free\)"):
        DataFolder(tmp_path / "data").make()


def test_socket_folders_are_private_and_short():
    folder = folders.make_socket_folder()
    try:
        assert mode(folder) == 0o700
        assert len(str(folder / ".s.PGSQL.5432.lock")) < 60
    finally:
        folders.remove_socket_folder(folder)
    assert not folder.exists()


def test_a_used_port_is_named_with_the_way_out():
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]

        assert processes.refusal_to_listen("127.0.0.1", port) == (
            "is used by another program: choose another port with --port"
        )
    assert processes.refusal_to_listen("127.0.0.1", port) == ""


def test_an_address_of_another_machine_is_refused():
    assert "203.0.113.9 is not an address of this machine" in processes.refusal_to_listen("203.0.113.9", 8000)


@pytest.mark.parametrize("arguments", [["--port", "65536"], ["--port", "x"], ["--demo", "0"], ["--what"]])
def test_wrong_options_end_with_status_2(arguments, capsys):
    with pytest.raises(SystemExit) as caught:
        options.read(arguments, root=ROOT)

    assert caught.value.code == 2
    assert "usage: scripts/start" in capsys.readouterr().err


def test_options_listen_on_loopback_unless_told_otherwise(monkeypatch):
    monkeypatch.delenv("VASHSENDER_DATA", raising=False)

    chosen = options.read([], root=ROOT)

    assert (chosen.host, chosen.port, chosen.data_dir) == ("127.0.0.1", 8000, ROOT / "var")
    assert (chosen.demo, chosen.is_exit_wanted) == (0, False)


@pytest.mark.parametrize(("tier", "names"), [("low", ["mail"]), ("high", ["mail1", "mail2"])])
def test_workers_get_the_time_a_letter_may_take(tmp_path, tier, names):
    from settings.limits import REAL
    from settings.tiers import TIERS

    described = processes.Processes(
        data_dir=tmp_path, host="127.0.0.1", web_port=1, inbox_port=2, tier=TIERS[tier], environment={}
    )

    workers = [*described.mail_workers(), described.default_worker()]
    assert [worker.name for worker in workers] == [*names, "default"]
    assert {worker.stop[0].patience for worker in workers} == {REAL.stop_inline if tier == "high" else REAL.stop}
    ranks = [described.web(), described.beat(), workers[0], described.inbox()]
    assert [spec.stop_rank for spec in ranks] == [0, 1, 2, 3]
