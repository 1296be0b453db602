"""API keys: shown once, kept as a hash, never worth more than the member who made them (security S17)."""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta

from django.db import transaction
from django.db.models import Q, QuerySet
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from apps.accounts import audit, roles
from apps.accounts.models import ApiKey, Membership, Workspace
from core.errors import EspError

_FORM = re.compile(r"vsk_[a-z2-7]{8}_[a-z2-7]{32}")
_SEEN_EVERY = timedelta(minutes=1)


class ScopeError(EspError):
    """No scope, an unknown one, or one that the maker's own role does not carry."""

    code = "scope"


@dataclass(frozen=True, slots=True)
class Made:
    """A fresh key; `secret` cannot be read from the database again."""

    key: ApiKey
    secret: str


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls with a valid key: the workspace, and what the key and its maker's role both allow."""

    key: ApiKey
    workspace: Workspace
    scopes: frozenset[str]


def make(membership: Membership, *, name: str, scopes: Collection[str], days: int | None) -> Made:
    """Make a key for programs of a workspace.

    Args:
        membership: whose key it is; it dies with the membership and shrinks with its role.
        scopes: permissions out of `roles.SCOPES`.
        days: how long it works; None is until it is revoked.

    Raises:
        ScopeError: no scope was chosen, or one that cannot be given.
    """
    if not scopes:
        raise ScopeError(_("Choose at least one thing that the key may do."))
    if not set(scopes) <= {scope for scope in roles.SCOPES if roles.allows(membership.role, scope)}:
        raise ScopeError(_("A key cannot do more than you may."))
    prefix, rest = (base64.b32encode(secrets.token_bytes(size)).decode().lower() for size in (5, 20))
    secret = f"vsk_{prefix}_{rest}"
    with transaction.atomic():
        key = ApiKey.objects.create(
            workspace=membership.workspace,
            membership=membership,
            name=name,
            prefix=f"vsk_{prefix}",
            key_hash=_hash(secret),
            scopes=sorted(scopes),
            expires_at=None if days is None else Now() + timedelta(days=days),
        )
        audit.note("key_made", workspace=membership.workspace, target=name, prefix=key.prefix)
    key.refresh_from_db()
    return Made(key, secret)


def revoke(key: ApiKey) -> None:
    """Make a key worthless from the next request on; twice is the same as once."""
    with transaction.atomic():
        if ApiKey.objects.filter(pk=key.pk, revoked_at=None).update(revoked_at=Now()):
            audit.note("key_revoked", workspace=key.workspace_id, target=key.name, prefix=key.prefix)


def of_workspace(workspace: Workspace) -> QuerySet[ApiKey]:
    """Return the keys that were not revoked, newest first."""
    found = ApiKey.objects.filter(workspace=workspace, revoked_at=None)
    return found.select_related("membership__user").order_by("-pk")


def authenticate(secret: str) -> Caller | None:
    """Return who calls with this key, or None: unknown, expired and revoked keys look the same."""
    if not _FORM.fullmatch(secret):
        return None
    alive = Q(expires_at=None) | Q(expires_at__gt=Now())
    key = (
        ApiKey.objects.select_related("workspace", "membership__user")
        .filter(alive, key_hash=_hash(secret), revoked_at=None, membership__user__is_active=True)
        .first()
    )
    if key is None:
        return None
    stale = Q(last_used_at=None) | Q(last_used_at__lt=Now() - _SEEN_EVERY)
    ApiKey.objects.filter(stale, pk=key.pk).update(last_used_at=Now())
    allowed = frozenset(scope for scope in key.scopes if roles.allows(key.membership.role, scope))
    return Caller(key, key.workspace, allowed)


def _hash(secret: str) -> str:
    # 160 random bits: nothing to guess, so nothing for a slow hash to slow down.
    return hashlib.sha256(secret.encode()).hexdigest()
