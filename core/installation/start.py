"""The way from a data folder to a running installation, and back."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import redis

from core.installation import (
    embedded_postgres,
    embedded_valkey,
    folders,
    keys,
    leftovers,
    postgres_place,
    processes,
    record,
)
from core.installation.errors import InstallationError, InterruptedStartError, ServiceError
from core.installation.folders import DataFolder
from core.installation.options import StartOptions
from core.installation.output import say
from core.installation.processes import Processes
from core.installation.supervisor import Supervisor
from settings.env import env
from settings.tiers import TIERS

INBOX_HOST = "127.0.0.1"


def run(options: StartOptions) -> int:
    """Start everything in order, run until asked to stop, and stop everything in order."""
    data = DataFolder(options.data_dir)
    if leftovers.end_children(data.path):
        say("Ended what an earlier start had left running.")
    port = _web_port(options)
    supervisor = Supervisor(data.path, data.logs)
    installation = Starting(options, data=data, supervisor=supervisor, port=port)
    with supervisor.listening():
        try:
            installation.bring_up()
            status = installation.serve()
        except InterruptedStartError:
            status = 130
        finally:
            if supervisor.is_stop_requested or options.is_exit_wanted:
                say("Stopping.")
            supervisor.stop()
            installation.clean_up()
    say("Stopped.")
    return status


class Starting:
    """One start: what has been found out so far, and the steps in their order."""

    def __init__(self, options: StartOptions, *, data: DataFolder, supervisor: Supervisor, port: int) -> None:
        self._options = options
        self._data = data
        self._supervisor = supervisor
        self._port = port
        self._sockets: list[Path] = []
        self._dump: Callable[[str], Path] | None = None
        self._is_owned = False
        self._processes = self._describe_processes()

    @property
    def public_url(self) -> str:
        """The address people open."""
        host = processes.local_host(self._options.host)
        return env.given_public_url.rstrip("/") or f"http://{f'[{host}]' if ':' in host else host}:{self._port}"

    def bring_up(self) -> None:
        """Start the services, bring the database up to date, start the product's processes."""
        self._say_notices()
        keys.ensure(
            self._data.keys,
            holds_data=postgres_place.holds_data(self._data.path),
            is_encryption_key_given=bool(env.vashsender_encryption_keys),
        )
        database_url = self._start_database()
        redis_url = self._start_valkey()
        self._write_record(database_url, redis_url)
        self._migrate(database_url)
        self._start_processes()
        say(f"VashSender runs at {self.public_url} (state and logs: {self._data.path}). Ctrl-C stops it.")
        self._is_owned = _has_rows(database_url, "accounts_user")

    def serve(self) -> int:
        """Run the demonstration if one is wanted, then stay until asked to stop; return the exit status."""
        status = 0
        if self._options.demo:
            demo = self._processes.manage("demo", "demo", str(self._options.demo))
            status = self._supervisor.run_once(demo, to_terminal=True)
        elif not self._is_owned:
            # Printed to the terminal alone: a log would keep the link.
            with contextlib.suppress(InterruptedStartError):
                self._supervisor.run_once(self._processes.manage("setup-link", "setup_link"), to_terminal=True)
        if not self._options.is_exit_wanted:
            self._supervisor.watch()
        return status

    def clean_up(self) -> None:
        """Remove what only a running installation needs."""
        record.remove(self._data.path)
        for folder in self._sockets:
            folders.remove_socket_folder(folder)

    def _describe_processes(self) -> Processes:
        tier = TIERS.get(env.vashsender_tier)
        if tier is None:
            raise InstallationError(f"VASHSENDER_TIER is {env.vashsender_tier!r}; it may be {', '.join(TIERS)}.")
        inbox_port = processes.free_port()
        environment = {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}
        environment |= {
            "VASHSENDER_DATA": str(self._data.path),
            "VASHSENDER_DEBUG": "0",
            "VASHSENDER_INBOX_ADDRESS": f"{INBOX_HOST}:{inbox_port}",
            "PYTHONUNBUFFERED": "1",
            # Said once by us; messages are JSON, so the danger Celery means is not there.
            "PYTHONWARNINGS": "ignore:You're running the worker with superuser privileges",
        }
        return Processes(
            data_dir=self._data.path,
            host=self._options.host,
            web_port=self._port,
            inbox_port=inbox_port,
            tier=tier,
            environment=environment,
        )

    def _say_notices(self) -> None:
        tier = self._processes.tier
        say(f"Tier {tier.name}: {tier.letters_per_hour} letters an hour, {tier.delivery}.")
        if os.geteuid() == 0 and not env.given_database_url:
            say("Running as root: PostgreSQL changes to a user of its own, everything else runs as root.")
        if processes.local_host(self._options.host) != self._options.host:
            say("Listening on every address of this machine; set PUBLIC_URL to the one that people use.")

    def _start_database(self) -> str:
        if env.given_database_url:
            _require_database(env.given_database_url)
            return env.given_database_url
        cluster = embedded_postgres.prepare(self._data.path, notify=say)
        self._own(cluster.sockets)
        self._supervisor.start(cluster.spec())
        self._supervisor.wait_ready("postgres", cluster.is_ready, patience=120)
        cluster.ensure_database()
        self._dump = lambda name: cluster.dump(self._data.backups, name=name)
        return cluster.url()

    def _start_valkey(self) -> str:
        if env.given_redis_url:
            _require_redis(env.given_redis_url)
            return env.given_redis_url
        server = embedded_valkey.prepare(self._data.path)
        self._own(server.sockets)
        try:
            self._supervisor.start(server.spec())
            self._supervisor.wait_ready("valkey", server.is_ready)
        except ServiceError as error:
            if "append only file" not in error.message.lower() and "aof" not in error.message.lower():
                raise
            say(f"Valkey's data could not be read and was moved to {server.set_data_aside()}; nothing is lost with it.")
            self._supervisor.start(server.spec())
            self._supervisor.wait_ready("valkey", server.is_ready)
        return server.url()

    def _write_record(self, database_url: str, redis_url: str) -> None:
        installation = record.Installation(
            pid=os.getpid(),
            pid_started=record.process_started(os.getpid()),
            database_url=database_url,
            redis_url=redis_url,
            public_url=self.public_url,
            web_port=self._port,
            inbox_host=INBOX_HOST,
            inbox_port=self._processes.inbox_port,
        )
        record.write(self._data.path, installation)

    def _migrate(self, database_url: str) -> None:
        (self._data.path / "static").mkdir(mode=0o700, exist_ok=True)
        if self._run_quietly("migrate", "--check") == 0:
            return
        if _has_rows(database_url, "django_migrations"):
            if self._dump:
                dumped = self._dump(f"before-migrate-{datetime.now(UTC):%Y%m%dT%H%M%SZ}")
                say(f"Dumped the database to {dumped} before migrating it.")
            else:
                say("Migrating the database that DATABASE_URL names; its backups are its operator's.")
        say("Preparing the database.")
        if self._run_quietly("migrate", "--noinput"):
            log = self._data.logs / "migrate.log"
            raise InstallationError(f"The database could not be migrated; {log} says why.")

    def _run_quietly(self, *arguments: str) -> int:
        return self._supervisor.run_once(self._processes.manage(arguments[0], *arguments, is_quiet=True))

    def _start_processes(self) -> None:
        described = self._processes
        self._supervisor.start(described.inbox(), described.web())
        # The first letter shall find the inbox listening.
        self._supervisor.wait_ready("inbox", described.is_inbox_ready)
        self._supervisor.start(*described.mail_workers(), described.default_worker(), described.beat())
        self._supervisor.wait_ready("web", described.is_web_ready)

    def _own(self, sockets: Path) -> None:
        self._sockets.append(sockets)
        self._supervisor.owns(sockets)


def _web_port(options: StartOptions) -> int:
    if refusal := processes.refusal_to_listen(options.host, options.port):
        raise InstallationError(f"Port {options.port} on {options.host} {refusal}.")
    return options.port or processes.free_port()


def _require_database(url: str) -> None:
    try:
        psycopg.connect(url, connect_timeout=5).close()
    except psycopg.Error as error:
        reason = " ".join(str(error).split())
        raise ServiceError(f"The database that DATABASE_URL names does not answer: {reason}") from None


def _require_redis(url: str) -> None:
    try:
        client = redis.Redis.from_url(url.replace("redis+socket://", "unix://"), socket_connect_timeout=5)
        client.ping()
        client.close()
    except (redis.RedisError, ValueError) as error:
        raise ServiceError(f"The server that REDIS_URL names does not answer: {error}") from None


def _has_rows(url: str, table: str) -> bool:
    """True when the database has the table and something in it."""
    with psycopg.connect(url, connect_timeout=5) as connection:
        found = connection.execute("SELECT to_regclass(%s)", [table]).fetchone()
        if found is None or found[0] is None:
            return False
        return connection.execute(f"SELECT 1 FROM {table} LIMIT 1").fetchone() is not None
