"""A folder that is thrown away, and in it a PostgreSQL, a Valkey and a mail server that belong to one drill alone."""

from __future__ import annotations

import base64
import os
import secrets
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from apps.campaigns.drill.plan import Plan
from core.installation import children, embedded_postgres, embedded_valkey, folders
from core.installation.children import ChildSpec

DOMAIN = "drill.example"
# What a process needs of its surroundings; nothing else comes in, so nothing points to an installation.
PASSED_ON = ("PATH", "HOME", "USER", "LANG", "LC_ALL", "TMPDIR", "VIRTUAL_ENV", "PYTHONPATH", "LD_LIBRARY_PATH")


def surroundings() -> dict[str, str]:
    """Return the environment in which a drill begins: what a process needs, and a default for every setting of ours.

    Every name that `settings.env` reads is given, or a `.env` beside the code would fill it in. It is imported here
    and not above: the drill's own process reads its settings only when its services run.
    """
    from settings.env import Environment

    fields = Environment.model_fields.items()
    settings = {
        (field.alias or name).upper(): str(field.default) for name, field in fields if field.default is not None
    }
    return {**settings, **{name: os.environ[name] for name in PASSED_ON if name in os.environ}}


def environment(
    base: Mapping[str, str], folder: Path, plan: Plan, *, database_url: str, redis_url: str
) -> dict[str, str]:
    """Return the whole environment of the drill's processes.

    Args:
        base: what `surroundings` gave to the drill.
    """
    return {
        **base,
        "DJANGO_SETTINGS_MODULE": "settings.drill",
        "VASHSENDER_DRILL_CLOCK": plan.clock,
        "VASHSENDER_TIER": plan.tier,
        "VASHSENDER_DATA": str(folder),
        "VASHSENDER_SECRET_KEY": secrets.token_urlsafe(50),
        "VASHSENDER_ENCRYPTION_KEYS": base64.urlsafe_b64encode(os.urandom(32)).decode("ascii"),
        "VASHSENDER_LOCAL_INBOX": "0",
        "VASHSENDER_PRIVATE_SMTP_HOSTS": "127.0.0.1",
        "VASHSENDER_LOG_DIR": str(folder / "logs"),
        "VASHSENDER_RUN_DIR": str(folder / "run"),
        "VASHSENDER_EPOCH_FILE": str(folder / "epoch.json"),
        "VASHSENDER_BACKUP_DIR": str(folder / "backups"),
        "DATABASE_URL": database_url,
        "REDIS_URL": redis_url,
        "BROKER_URL": redis_url,
        "PUBLIC_URL": f"https://mail.{DOMAIN}",
    }


@dataclass(slots=True)
class Service:
    """A server that may be restarted: the same data and address, another process."""

    spec: ChildSpec
    is_ready: Callable[[], bool]
    log: Path
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it answers."""
        with self.log.open("ab") as stream:
            self.process = children.spawn(self.spec, stream)
        children.wait_ready(self.process, self.is_ready, name=self.spec.name, log=self.log)

    def end(self, *steps: children.StopStep) -> None:
        """Stop it, in its own way unless another is given."""
        if self.process is not None:
            children.end(self.process, steps or self.spec.stop)


@dataclass(slots=True, kw_only=True)
class Place:
    """Where everything of one drill is."""

    folder: Path
    environment: dict[str, str]
    postgres: Service
    valkey: Service
    broker_data: Path
    smtp_port: int = 0
    letters_file: Path = field(init=False)

    def __post_init__(self) -> None:
        self.letters_file = self.folder / "letters.jsonl"

    def restart_database(self, *, is_immediate: bool) -> None:
        """Stop PostgreSQL under its clients, with or without a checkpoint, and start it again."""
        number = signal.SIGQUIT if is_immediate else signal.SIGINT
        self.postgres.end(children.StopStep(number, 60), children.KILL)
        self.postgres.start()

    def restart_broker(self, *, is_emptied: bool) -> None:
        """Restart Valkey in order, or kill it and take away everything it held."""
        if is_emptied:
            self.valkey.end(children.KILL)
            shutil.rmtree(self.broker_data)
            self.broker_data.mkdir(mode=0o700)
        else:
            self.valkey.end()
        self.valkey.start()


@contextmanager
def made(folder: Path, plan: Plan, *, say: Callable[[str], None]) -> Iterator[Place]:
    """Run the three servers for as long as the block lasts."""
    with ExitStack() as stack:
        for name in ("spool", "logs"):
            (folder / name).mkdir(mode=0o700)
        # Durable, as in production: an immediate stop must not forget what was committed.
        cluster = embedded_postgres.prepare(folder, notify=say)
        stack.callback(_remove_elsewhere, cluster.folder.parent, folder)
        stack.callback(folders.remove_socket_folder, cluster.sockets)
        broker = embedded_valkey.prepare(folder)
        stack.callback(folders.remove_socket_folder, broker.sockets)
        postgres = Service(cluster.spec(), cluster.is_ready, folder / "logs" / "postgres.log")
        valkey = Service(broker.spec(), broker.is_ready, folder / "logs" / "valkey.log")
        place = Place(
            folder=folder,
            environment=environment(os.environ, folder, plan, database_url=cluster.url(), redis_url=broker.url()),
            postgres=postgres,
            valkey=valkey,
            broker_data=broker.folder,
        )
        for service in (postgres, valkey):
            stack.callback(service.end)
            service.start()
        cluster.ensure_database()
        place.smtp_port = stack.enter_context(_mail_server(place, plan))
        yield place


@contextmanager
def _mail_server(place: Place, plan: Plan) -> Iterator[int]:
    """Run the fault server and give its port."""
    log = place.folder / "logs" / "smtp.log"
    options = (f"--letters={place.letters_file}", f"--script={plan.script or '[]'}", f"--seed={plan.seed}")
    spec = ChildSpec(
        name="smtp",
        command=(sys.executable, "-m", "apps.smtp.faults", *options),
        folder=folders.ROOT,
        environment=os.environ,
    )
    place.letters_file.touch(mode=0o600)
    with children.running(spec, lambda: log.read_bytes().endswith(b"\n"), log=log):
        yield int(log.read_text().split()[0])


def _remove_elsewhere(base: Path, folder: Path) -> None:
    """Remove the cluster where PostgreSQL's own user could not enter the drill's folder."""
    if not base.is_relative_to(folder):
        shutil.rmtree(base, ignore_errors=True)
