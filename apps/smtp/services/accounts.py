"""Sending accounts: added, changed, limited, switched off, deleted, each with the sense of what was typed in."""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields

from django.conf import settings
from django.db import IntegrityError, connection, transaction
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from apps.accounts import audit
from apps.accounts.models import Workspace
from apps.smtp import dialing
from apps.smtp.models import Throttle, Transport
from apps.smtp.providers import catalogue
from apps.smtp.services import configs
from apps.smtp.throttle import Limits
from core.errors import EspError
from core.secretbox import Secret

MAX_LIMIT = 10_000_000
MAX_CONNECTIONS = 100

SwitchedOn = Callable[[Transport], None]
_switched_on: list[SwitchedOn] = []


class AccountError(EspError):
    """An account cannot be as it was typed in; `field` is what to change, empty when it is no single one."""

    code = "account"

    def __init__(self, message: str, *, code: str = "", field: str = "") -> None:
        super().__init__(message, code=code)
        self.field = field


class AccountInUseError(EspError):
    """Campaigns or emails belong to the account, so it stays."""

    code = "account_in_use"
    status = 409


@dataclass(frozen=True, slots=True)
class ProviderAccount:
    """An account with a provider as it is typed in.

    Args:
        provider: a name in the catalogue.
        options: its options; a secret that is left empty keeps the one that is stored.
    """

    provider: str
    options: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Server:
    """An SMTP server as it is typed in.

    Args:
        password: None keeps the one that is stored.
    """

    host: str
    port: int
    tls: str
    username: str = ""
    password: Secret | None = None
    max_connections: int = 10


def ensure_local_inbox(workspace: Workspace) -> Transport | None:
    """Give a workspace its local inbox where this instance offers one."""
    if not settings.LOCAL_INBOX_OFFERED:
        return None
    transport, _created = Transport.objects.get_or_create(
        workspace=workspace, kind=Transport.Kind.LOCAL_INBOX, defaults={"name": "Local inbox"}
    )
    return transport


def add_smtp(workspace: Workspace, *, name: str, server: Server, limits: Limits) -> Transport:
    """Add an SMTP server.

    Raises:
        AccountError: nothing was added.
    """
    made = Transport(workspace=workspace, kind=Transport.Kind.SMTP)
    return change_smtp(made, name=name, server=server, limits=limits)


def change_smtp(transport: Transport, *, name: str, server: Server, limits: Limits) -> Transport:
    """Change an SMTP server.

    Raises:
        AccountError: nothing was changed.
    """
    _check_name(transport, name)
    _check_server(server)
    password = _password(transport, server)
    if (server.username and not password) or (password and not server.username):
        field = "username" if password else "password"
        raise AccountError(_("A user name and a password go together."), field=field)
    if password and server.tls == Transport.Tls.NONE and not _is_listed(server.host):
        raise AccountError(
            _("A password is never sent unencrypted over a network. Choose STARTTLS or TLS."), field="tls"
        )
    transport.name, transport.host, transport.port = name, server.host, server.port
    transport.tls, transport.username, transport.password = server.tls, server.username, password
    transport.max_connections = server.max_connections
    return save(transport, limits)


def add_provider(workspace: Workspace, *, name: str, account: ProviderAccount, limits: Limits) -> Transport:
    """Add an account with a provider of the list.

    Raises:
        AccountError: nothing was added.
    """
    if catalogue.find(account.provider) is None:
        raise AccountError(_("Choose a provider from the list."))
    made = Transport(workspace=workspace, kind=Transport.Kind.PROVIDER, provider=account.provider)
    return change_provider(made, name=name, account=account, limits=limits)


def change_provider(transport: Transport, *, name: str, account: ProviderAccount, limits: Limits) -> Transport:
    """Change an account with a provider; which one it is stays.

    Raises:
        AccountError: nothing was changed.
    """
    provider = catalogue.find(transport.provider)
    if provider is None or account.provider != transport.provider:
        raise AccountError(_("An account stays with its provider. Add another one instead."))
    _check_name(transport, name)
    stored = json.loads(_revealed(transport.options) or "{}")
    options = {one.name: _option(one, account.options.get(one.name, ""), stored) for one in provider.options}
    region = provider.region(account.options.get("region", ""))
    if provider.regions and region is None:
        raise AccountError(_("Choose a region from the list."), field="region")
    if region:
        options["region"] = region.name
    transport.name = name
    transport.options = Secret(json.dumps({key: value for key, value in options.items() if value}, sort_keys=True))
    return save(transport, limits)


def _option(option: catalogue.Option, typed: str, stored: Mapping[str, str]) -> str:
    value = typed or (stored.get(option.name, "") if option.is_secret else "")
    if not value and option.is_required:
        raise AccountError(_("The provider needs this."), field=option.name)
    if value and not re.fullmatch(option.pattern, value):
        raise AccountError(_("This does not look right. Check that all of it was copied."), field=option.name)
    return value


def save(transport: Transport, limits: Limits) -> Transport:
    """Write the account with its limits; what it has used so far goes on counting."""
    for one in fields(Limits):
        setattr(transport, one.name, getattr(limits, one.name))
    transport.tested_at = transport.tested_ms = None
    transport.tested_stage = transport.tested_text = ""
    with transaction.atomic():
        _note(transport)
        transport.save()
        # What the old limits closed, or the old password, may be open with the new ones.
        Throttle.objects.filter(transport=transport).update(
            opens_at=None, failures=0, closed_until=None, trouble_since=None
        )
    configs.forget(transport.pk)
    return transport


def switch(transport: Transport, *, on: bool) -> None:
    """Let an account carry emails, or stop it: at once, and its emails wait, however long that takes."""
    with transaction.atomic():
        found = Transport.objects.select_for_update().get(pk=transport.pk)
        if on and found.switched_off_at is not None:
            for hook in _switched_on:
                hook(found)
        if found.is_active != on:
            Transport.objects.filter(pk=transport.pk).update(is_active=on, switched_off_at=None if on else Now())
        audit.note("account_switched", workspace=transport.workspace_id, target=transport.name, on=on)
    transport.is_active = on


def on_switched_on(hook: SwitchedOn) -> SwitchedOn:
    """Register what a higher floor does when an account is on again, given the account as it was, still off.

    Call it from an app's `ready()`; registering twice does nothing. It runs within the same transaction.
    """
    if hook not in _switched_on:
        _switched_on.append(hook)
    return hook


def delete(transport: Transport) -> None:
    """Delete an account that nothing was sent with and no campaign names.

    Raises:
        AccountInUseError: it stays, and can be switched off.
    """
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            # The database is asked, not Django, which would read every email of the account to find out.
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            audit.note("account_deleted", workspace=transport.workspace_id, target=transport.name)
            cursor.execute("DELETE FROM smtp_throttle WHERE transport_id = %s", [transport.pk])
            cursor.execute("DELETE FROM smtp_transport WHERE id = %s", [transport.pk])
    except IntegrityError:
        raise AccountInUseError(
            _("Campaigns were made or sent with “%(name)s”, so it stays in their reports. Switch it off instead.")
            % {"name": transport.name}
        ) from None


def _note(transport: Transport) -> None:
    """Leave a trace of a change, and another one where a secret was changed; never the secret."""
    before = Transport.objects.filter(pk=transport.pk).first()
    action = "account_changed" if before else "account_added"
    audit.note(action, workspace=transport.workspace_id, target=transport.name)
    for field in ("password", "options"):
        secret, was = getattr(transport, field), getattr(before, field, "")
        if _revealed(secret) != _revealed(was):
            audit.note("secret_changed", workspace=transport.workspace_id, target=transport.name)
            return


def _revealed(secret: Secret | str) -> str:
    return secret.reveal() if isinstance(secret, Secret) else secret


def _check_name(transport: Transport, name: str) -> None:
    others = Transport.objects.filter(workspace=transport.workspace, name__iexact=name).exclude(pk=transport.pk)
    if others.exists():
        raise AccountError(_("Another account has this name."), field="name")


def check_name(transport: Transport, name: str) -> None:
    """Refuse a name that another account of the workspace has.

    Raises:
        AccountError: with the field.
    """
    _check_name(transport, name)


def _check_server(server: Server) -> None:
    if not dialing.is_host_name(server.host):
        raise AccountError(_("This is no host name. It looks like smtp.example.com."), field="host")
    if _is_listed(server.host):
        return
    if server.port not in dialing.ALLOWED_PORTS:
        raise AccountError(_("Mail is handed in on port 25, 465, 587 or 2525."), field="port")
    if dialing.is_this_machine(server.host) or (_is_address(server.host) and not dialing.is_public(server.host)):
        raise AccountError(private_host_words(), code="private_host", field="host")


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def private_host_words() -> str:
    """Say who may open the way to a server inside the network."""
    return _(
        "This address is not on the public internet. Whoever runs this instance can list it in "
        "VASHSENDER_PRIVATE_SMTP_HOSTS."
    )


def _password(transport: Transport, server: Server) -> Secret:
    if server.password is not None:
        return server.password
    stored = transport.password if isinstance(transport.password, Secret) else Secret("")
    if not stored or not server.username:
        return Secret("")
    was = (transport.host, transport.port, transport.tls, transport.username)
    if was != (server.host, server.port, server.tls, server.username):
        # Or whoever may change the server could have the password sent to one of their own.
        raise AccountError(
            _("Enter the password again: it was kept for another server, encryption or user."), field="password"
        )
    return stored


def _is_listed(host: str) -> bool:
    return dialing.is_listed(host, settings.PRIVATE_SMTP_HOSTS)
