"""A throw-away installation for one benchmark: durable PostgreSQL, Valkey, and Django pointed at them."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from core.installation import embedded_postgres, embedded_valkey, keys

ROOT = Path(__file__).resolve().parent.parent
DOMAIN = "northlight.example"


@dataclass(frozen=True, slots=True)
class Place:
    """Where everything of one benchmark lives."""

    folder: Path
    environment: dict[str, str]
    postgres_pid: int
    valkey_pid: int


@contextmanager
def made(*, smtp_host: str, scratch: Path | None = None) -> Iterator[Place]:
    """Run the servers, migrate, and set Django up in this process; everything is gone afterwards.

    Production's settings, and PostgreSQL's own defaults for durability: a commit that is waited for is on the disk.
    """
    with tempfile.TemporaryDirectory(prefix="vs-bench-", dir=scratch) as made_folder:
        folder = Path(made_folder)
        folder.chmod(0o711)
        data = folder / "data"
        data.mkdir(mode=0o711)
        (data / "spool").mkdir(mode=0o700)
        keys.ensure(data / "keys", holds_data=False)
        with embedded_postgres.running(data) as database_url, embedded_valkey.running(data) as redis_url:
            environment = {
                "DJANGO_SETTINGS_MODULE": "settings.production",
                "VASHSENDER_ENV": "production",
                "VASHSENDER_DATA": str(data),
                "VASHSENDER_SECRET_KEY": "",
                "VASHSENDER_ENCRYPTION_KEYS": "",
                "VASHSENDER_PRIVATE_SMTP_HOSTS": smtp_host,
                "DATABASE_URL": database_url,
                "REDIS_URL": redis_url,
                "BROKER_URL": "",
                "PUBLIC_URL": f"https://mail.{DOMAIN}",
            }
            os.environ.update(environment)
            _set_up()
            yield Place(folder, dict(os.environ), _postgres_pid(), _valkey_pid(redis_url))


def address(text: str) -> tuple[str, int]:
    """Return the host and port of `--smtp HOST:PORT`."""
    host, _, port = text.rpartition(":")
    return host, int(port)


def _set_up() -> None:
    import django
    from django.core.management import call_command

    sys.path.insert(0, str(ROOT))
    django.setup()
    call_command("migrate", verbosity=0)


def _postgres_pid() -> int:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        backend = cursor.fetchone()[0]
    return int(Path(f"/proc/{backend}/stat").read_text().rpartition(")")[2].split()[1])


def _valkey_pid(url: str) -> int:
    from redis import Redis

    client = Redis.from_url(url.replace("redis+socket://", "unix://"))
    try:
        return int(client.info("server")["process_id"])
    finally:
        client.close()
