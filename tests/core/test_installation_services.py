"""The embedded PostgreSQL and Valkey, run for real."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

import psycopg
import pytest
import redis

from core.installation import children, embedded_postgres, embedded_valkey, folders, keys, leftovers
from core.installation.errors import ServiceError
from core.installation.folders import ROOT


@pytest.fixture
def data_dir() -> Iterator[Path]:
    """Give a folder that PostgreSQL's own user can enter, which pytest's are not."""
    with tempfile.TemporaryDirectory(prefix="vs-test-") as made:
        Path(made).chmod(0o711)
        yield Path(made)


@pytest.fixture(scope="module")
def database_url() -> Iterator[str]:
    with embedded_postgres.running(durable=False) as url:
        yield url


def ask(url: str, question: str) -> list[str]:
    with psycopg.connect(url) as connection:
        row = connection.execute(question).fetchone()
    return [str(value) for value in row or ()]


def sockets_of(url: str) -> Path:
    return Path(unquote(urlsplit(url).hostname or ""))


def test_postgres_asks_for_its_password(database_url):
    password = urlsplit(database_url).password or ""

    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(database_url.replace(password, "wrong"))
    with pytest.raises(psycopg.OperationalError, match="no password supplied"):
        psycopg.connect(database_url.replace(f":{password}", ""))
    assert len(password) >= 40
    assert ask(
        database_url, "SELECT rolpassword LIKE 'SCRAM-SHA-256$%' FROM pg_authid WHERE rolname = 'vashsender'"
    ) == ["True"]


def test_postgres_trusts_nobody(database_url):
    assert ask(database_url, "SELECT string_agg(DISTINCT auth_method, ',') FROM pg_hba_file_rules") == ["scram-sha-256"]


def test_postgres_listens_on_a_private_socket_alone(database_url):
    sockets = sockets_of(database_url)

    assert ask(database_url, "SHOW listen_addresses") == [""]
    assert ask(database_url, "SHOW max_connections") == ["200"]
    assert stat.S_IMODE(sockets.stat().st_mode) == 0o700


def test_postgres_folds_and_sorts_by_unicode_on_any_machine(database_url):
    assert ask(database_url, "SELECT upper('привіт'), current_setting('server_encoding')") == ["ПРИВІТ", "UTF8"]


def test_postgres_logs_no_values(database_url):
    assert ask(database_url, "SHOW log_error_verbosity") == ["terse"]
    assert ask(database_url, "SHOW log_min_error_statement") == ["panic"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root changes the user")
def test_postgres_does_not_run_as_root(database_url):
    sockets = sockets_of(database_url)

    assert sockets.stat().st_uid != 0
    assert (sockets / ".s.PGSQL.5432").stat().st_uid == sockets.stat().st_uid


def test_data_and_password_outlive_a_restart(data_dir):
    with embedded_postgres.running(data_dir, durable=False) as first, psycopg.connect(first) as connection:
        connection.execute("CREATE TABLE letters AS SELECT 42 AS number")
    with embedded_postgres.running(data_dir, durable=False) as second:
        assert ask(second, "SELECT number FROM letters") == ["42"]

    assert urlsplit(first).password == urlsplit(second).password
    assert stat.S_IMODE((data_dir / "keys" / keys.DATABASE_PASSWORD).stat().st_mode) == 0o600
    assert not sockets_of(first).exists()
    assert not sockets_of(second).exists()


def test_a_stale_lock_file_does_not_keep_postgres_from_starting(data_dir):
    with embedded_postgres.running(data_dir, durable=False):
        pass
    lock_file = data_dir / "postgres" / "postmaster.pid"
    stranger = subprocess.Popen(["sleep", "600"])
    try:
        lock_file.write_text(f"{stranger.pid}\n{data_dir / 'postgres'}\n1\n5432\n/tmp\n\n  1 1\nready\n")

        with embedded_postgres.running(data_dir, durable=False) as url:
            assert ask(url, "SELECT 1") == ["1"]

        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_a_postgres_left_running_is_ended_by_the_next_start(data_dir):
    cluster = embedded_postgres.prepare(data_dir, durable=False)
    with (data_dir / "left.log").open("wb") as stream:
        left = children.spawn(cluster.spec(), stream)
    children.wait_ready(left, cluster.is_ready, name="postgres", log=data_dir / "left.log")

    again = embedded_postgres.prepare(data_dir, durable=False)

    assert left.wait(30) == 0
    assert leftovers.working_in(cluster.folder) == []
    assert again.folder == cluster.folder
    for sockets in (cluster.sockets, again.sockets):
        folders.remove_socket_folder(sockets)


def test_a_cluster_of_another_release_is_refused(data_dir):
    with embedded_postgres.running(data_dir, durable=False):
        pass
    (data_dir / "postgres" / "PG_VERSION").write_text("15\n")

    with pytest.raises(ServiceError, match="made by PostgreSQL 15 and this release brings 18"):
        embedded_postgres.prepare(data_dir)


def test_keeps_the_newest_five_dumps(data_dir):
    backups = data_dir / "backups"
    backups.mkdir()
    cluster = embedded_postgres.prepare(data_dir, durable=False)
    try:
        with children.running(cluster.spec(), cluster.is_ready, log=data_dir / "postgres.log"):
            cluster.ensure_database()
            for number in range(7):
                made = cluster.dump(backups, name=f"before-migrate-{number}")
                os.utime(made, (number, number))
    finally:
        folders.remove_socket_folder(cluster.sockets)

    kept = sorted(path.name for path in backups.iterdir())
    assert kept == [f"before-migrate-{number}.dump" for number in range(2, 7)]
    assert all(path.read_bytes().startswith(b"PGDMP") for path in backups.iterdir())
    assert {stat.S_IMODE(path.stat().st_mode) for path in backups.iterdir()} == {0o600}


def test_postgres_shuts_down_when_its_supervisor_dies(data_dir):
    log = data_dir / "postgres.log"
    program = """
import sys, time
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from core.installation import children, embedded_postgres, leftovers
cluster = embedded_postgres.prepare(Path(sys.argv[2]), durable=False)
with open(sys.argv[3], "ab") as stream:
    child = children.spawn(cluster.spec(), stream)
children.wait_ready(child, cluster.is_ready, name="postgres", log=Path(sys.argv[3]))
print(cluster.folder, cluster.sockets, flush=True)
time.sleep(600)
"""
    boss = subprocess.Popen([sys.executable, "-c", program, ROOT, data_dir, log], stdout=subprocess.PIPE, text=True)
    assert boss.stdout
    cluster, sockets = map(Path, boss.stdout.readline().split())

    boss.kill()
    boss.wait()
    boss.stdout.close()

    deadline = time.monotonic() + 60
    while leftovers.working_in(cluster) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert leftovers.working_in(cluster) == []
    assert "received fast shutdown request" in log.read_text()
    assert "database system is shut down" in log.read_text()
    folders.remove_socket_folder(sockets)


def test_valkey_forgets_nothing_and_evicts_nothing(data_dir):
    with embedded_valkey.running(data_dir) as url:
        with redis.Redis.from_url(url.replace("redis+socket", "unix")) as client:
            client.set("ring", "1")
            assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
            assert client.config_get("appendfsync") == {"appendfsync": "everysec"}
            assert client.config_get("port") == {"port": "0"}
        with redis.Redis.from_url(url.replace("redis+socket", "unix"), db=63) as client:
            assert client.ping()
        assert stat.S_IMODE(Path(urlsplit(url).path).parent.stat().st_mode) == 0o700
    with (
        embedded_valkey.running(data_dir) as url,
        redis.Redis.from_url(url.replace("redis+socket", "unix")) as client,
    ):
        assert client.get("ring") == b"1"


def test_unreadable_valkey_data_is_set_aside(data_dir):
    server = embedded_valkey.prepare(data_dir)
    (server.folder / "appendonlydir").mkdir()

    aside = server.set_data_aside()

    folders.remove_socket_folder(server.sockets)
    assert (aside / "appendonlydir").is_dir()
    assert list(server.folder.iterdir()) == []
