"""What the environment says: process variables first, then `.env`, then the running installation's own record."""

from __future__ import annotations

import os
from functools import cached_property
from pathlib import Path
from typing import Annotated

from pydantic import Field
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from core.installation import record

ROOT = Path(__file__).resolve().parent.parent


def _words(value: str) -> list[str]:
    return [word for word in value.replace(",", " ").split() if word]


class Environment(BaseSettings):
    """Every setting an operator may give; names and meaning are listed in `.env.example`."""

    model_config = SettingsConfigDict(env_file=ROOT / ".env", env_file_encoding="utf-8", extra="ignore")

    vashsender_env: str = "development"
    vashsender_debug: bool = False
    vashsender_data: Path = ROOT / "var"
    vashsender_secret_key: str = Field(default="", repr=False)
    vashsender_encryption_keys: str = Field(default="", repr=False)
    vashsender_local_inbox: bool | None = None
    vashsender_inbox_address: str = ""
    vashsender_private_smtp_hosts: Annotated[str, NoDecode] = ""
    vashsender_tier: str = "low"
    vashsender_log_dir: Path | None = None
    vashsender_run_dir: Path | None = None
    vashsender_epoch_file: Path | None = None
    vashsender_backup_dir: Path | None = None
    vashsender_allowed_hosts: Annotated[str, NoDecode] = ""
    vashsender_bounce_domain: str = ""
    vashsender_trusted_proxies: int = 0
    vashsender_prepared_statements: bool = True
    given_database_url: str = Field(default="", alias="DATABASE_URL", repr=False)
    given_redis_url: str = Field(default="", alias="REDIS_URL", repr=False)
    given_broker_url: str = Field(default="", alias="BROKER_URL", repr=False)
    given_public_url: str = Field(default="", alias="PUBLIC_URL")

    @property
    def data_dir(self) -> Path:
        """The folder that holds the installation's state."""
        return self.vashsender_data.expanduser().resolve()

    @property
    def is_production(self) -> bool:
        """True when VASHSENDER_ENV says production."""
        return self.vashsender_env == "production"

    @cached_property
    def installation(self) -> record.Installation | None:
        """The installation that runs on the data folder now, if any."""
        return record.find(self.data_dir)

    @property
    def database_url(self) -> str:
        """Where PostgreSQL is; empty when nothing says so."""
        return self.given_database_url or (self.installation.database_url if self.installation else "")

    @property
    def redis_url(self) -> str:
        """Where Redis or Valkey is; empty when nothing says so."""
        return self.given_redis_url or (self.installation.redis_url if self.installation else "")

    @property
    def broker_url(self) -> str:
        """Where Celery's messages go: BROKER_URL (Redis or AMQP), else the same server as the cache."""
        return self.given_broker_url or self.redis_url

    @property
    def public_url(self) -> str:
        """The address recipients reach us at, without a trailing slash."""
        return (self.given_public_url or (self.installation.public_url if self.installation else "")).rstrip("/")

    @property
    def inbox_address(self) -> tuple[str, int] | None:
        """Host and port of the local inbox's SMTP server."""
        if self.vashsender_inbox_address:
            host, _, port = self.vashsender_inbox_address.rpartition(":")
            return host, int(port)
        if self.installation and self.installation.inbox_port:
            return self.installation.inbox_host, self.installation.inbox_port
        return None

    @property
    def private_smtp_hosts(self) -> frozenset[str]:
        """SMTP hosts on private addresses which this instance may use."""
        return frozenset(_words(self.vashsender_private_smtp_hosts))

    @property
    def allowed_hosts(self) -> list[str]:
        """Host names the web server answers to, besides the public URL's and loopback."""
        return _words(self.vashsender_allowed_hosts)

    def secret(self, given: str, file_name: str) -> str:
        """Return a secret from the environment or from the data folder's `keys/`."""
        if given:
            return given
        path = self.data_dir / "keys" / file_name
        return path.read_text().strip() if path.is_file() else ""

    @property
    def secret_key(self) -> str:
        """Django's SECRET_KEY."""
        return self.secret(self.vashsender_secret_key, "secret_key")

    @property
    def encryption_keys(self) -> list[str]:
        """Fernet keys: the first encrypts and signs, all decrypt and verify."""
        return _words(self.secret(self.vashsender_encryption_keys, "encryption_key"))


env = Environment()


def default_settings_module() -> str:
    """Return the settings module that manage.py, Celery and wsgi share."""
    environment = os.environ.get("VASHSENDER_ENV") or env.vashsender_env
    return "settings.production" if environment == "production" else "settings.development"
