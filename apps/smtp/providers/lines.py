"""A signed-in way to one account's provider: its backend with this account's own options, kept while it is fresh."""

from __future__ import annotations

import json
import os
import threading
import warnings
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, Final

from anymail.exceptions import AnymailNotSupportedWarning
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.utils.translation import gettext as _

from apps.smtp.budget import now
from apps.smtp.config import TransportConfig
from apps.smtp.providers import catalogue
from apps.smtp.providers.catalogue import Provider
from apps.smtp.providers.exchange import TIMEOUT_SECONDS, Session, cross_current
from core.errors import EspError

# A server may close a quiet line at any moment, and a letter written into one that closes is one nobody can know about.
IDLE_SECONDS: Final = 5.0


class ProviderOptionsError(EspError):
    """The account does not say what its provider needs."""

    code = "not_configured"


@dataclass(eq=False)
class Line:
    """One account's backend; used by one thread at a time."""

    config: TransportConfig
    provider: Provider
    options: dict[str, str] = field(repr=False)
    backend: Any = field(repr=False)
    last_used: float = field(default_factory=now)

    @property
    def extra(self) -> dict[str, str]:
        """What the account adds to each request's body."""
        return {
            one.extra: self.options[one.name]
            for one in self.provider.options
            if one.extra and self.options.get(one.name)
        }

    def close(self) -> None:
        """Close what is open."""
        if self.provider.name == "amazon_ses":
            self.backend.close()
        elif session := getattr(self.backend, "session", None):
            session.close()


def opened(config: TransportConfig) -> Line:
    """Return a line for one letter; give it back with `keep` when it is sound.

    Raises:
        ProviderOptionsError: nothing can be sent with this account.
    """
    with _lock:
        idle = _idle.get(config.id, [])
        fit = [one for one in idle if one.config == config and now() - one.last_used < IDLE_SECONDS]
        found = fit.pop() if fit else None
        _idle[config.id] = fit
        unfit = [one for one in idle if one is not found and one not in fit]
    for one in unfit:
        one.close()
    return found or _made(config)


def keep(line: Line) -> None:
    """Take a sound line back."""
    line.last_used = now()
    with _lock:
        _idle.setdefault(line.config.id, []).append(line)


def close_idle(*, all_idle: bool = False) -> int:
    """Close what has been idle for too long, or everything idle; return how many."""
    with _lock:
        idle = [one for lines in _idle.values() for one in lines]
        old = [one for one in idle if all_idle or now() - one.last_used >= IDLE_SECONDS]
        for account_id, lines in _idle.items():
            _idle[account_id] = [one for one in lines if one not in old]
    for one in old:
        one.close()
    return len(old)


def _made(config: TransportConfig) -> Line:
    provider = catalogue.find(config.provider)
    if provider is None:
        raise ProviderOptionsError(_("This provider is not offered here."))
    try:
        options: dict[str, str] = json.loads(config.options.reveal() or "{}")
    except ValueError:
        raise ProviderOptionsError(_("The account's options cannot be read. Enter them again.")) from None
    try:
        return Line(config, provider, options, _backend(provider, options))
    except (ImproperlyConfigured, ImportError) as error:
        raise ProviderOptionsError(_("This provider cannot be used with these options.")) from error


def api_url(provider: Provider, options: dict[str, str]) -> str:
    """Return where the provider's API stands for these options; empty when its backend knows the one address."""
    if url := settings.PROVIDER_API_URLS.get(provider.name):
        return str(url)
    region = provider.region(options.get("region", ""))
    if region is None and provider.regions:
        raise ProviderOptionsError(_("Choose a region."))
    return region.api_url if region else ""


def _backend(provider: Provider, options: dict[str, str]) -> Any:
    """Make a backend with these options and no others: nothing of it comes from, or goes to, global settings."""
    missing = [one.name for one in provider.options if one.is_required and not options.get(one.name)]
    if missing:
        raise ProviderOptionsError(_("The account's options are not complete. Enter them again."))
    made = import_module(f"anymail.backends.{provider.backend}").EmailBackend
    if provider.name == "amazon_ses":
        return _ses(made, provider, options)
    named: dict[str, Any] = {one.name: options[one.name] for one in provider.options if _belongs(one, options)}
    if url := api_url(provider, options):
        named["api_url"] = url
    if provider.name == "scaleway":
        named["region"] = (provider.region(options.get("region", "")) or provider.regions[0]).name
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AnymailNotSupportedWarning)
        backend = made(**named, **_PLAIN)
    if hasattr(backend, "api_url"):
        backend.timeout = TIMEOUT_SECONDS
        backend.session = Session()
    return backend


def _belongs(option: catalogue.Option, options: dict[str, str]) -> bool:
    return bool(options.get(option.name)) and not option.extra


# Said for each backend, because it would ask the global settings for what it is not told.
_PLAIN: Final[dict[str, Any]] = {
    "debug_api_requests": False,
    "ignore_unsupported_features": False,
    "ignore_recipient_status": True,
    "send_defaults": {},
    "idna_encoder": "idna2008",
}


def _ses(made: Any, provider: Provider, options: dict[str, str]) -> Any:
    from botocore.client import Config
    from botocore.exceptions import BotoCoreError

    region = provider.region(options.get("region", "")) or provider.regions[0]
    client: dict[str, Any] = {
        "region_name": region.name,
        "aws_access_key_id": options["access_key_id"],
        "aws_secret_access_key": options["secret_access_key"],
        "config": Config(
            retries={"total_max_attempts": 1, "mode": "standard"},
            connect_timeout=TIMEOUT_SECONDS,
            read_timeout=TIMEOUT_SECONDS,
            ignore_configured_endpoint_urls=True,
        ),
    }
    if url := settings.PROVIDER_API_URLS.get(provider.name):
        client["endpoint_url"] = url
    backend = made(
        session_params={},
        client_params=client,
        configuration_set_name=options.get("configuration_set_name") or None,
        message_tag_name=None,
        **_PLAIN,
    )
    try:
        backend.open()
    except BotoCoreError as error:  # a profile in this machine's environment that does not exist
        raise ProviderOptionsError(_("This provider cannot be used with these options.")) from error
    backend.client.meta.events.register("before-send.sesv2.SendEmail", cross_current)
    return backend


_lock = threading.Lock()
_idle: dict[int | str, list[Line]] = {}


def _after_fork() -> None:
    """The sockets belong to the parent."""
    global _lock, _idle
    _lock, _idle = threading.Lock(), {}


os.register_at_fork(after_in_child=_after_fork)
