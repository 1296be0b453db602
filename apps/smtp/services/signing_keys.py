"""Signing keys of sending domains: made, published, activated, retired, deleted; one signs at a time and algorithm."""

from __future__ import annotations

import datetime as dt
import secrets

from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from apps.accounts import audit
from apps.accounts.models import User, Workspace
from apps.smtp import dkim, dkim_keys
from apps.smtp.models import SigningKey
from apps.smtp.services import name_server, signing
from core import addresses, clock
from core.errors import EspError

# How long a retired key's record has to stay: receivers' own relays keep a letter for up to five days.
KEEP_PUBLISHED = dt.timedelta(days=7)
MAX_OPEN = 100
LONGEST_NAME = 253  # of a name in the DNS as text (RFC 1035 2.3.4)
_LETTERS = "abcdefghijkmnpqrstuvwxyz23456789"


class SigningKeyError(EspError):
    """A key cannot be made or moved so; `field` is what to change, empty when it is no single one."""

    code = "signing_key"
    status = 409

    def __init__(self, message: str, *, code: str = "", field: str = "") -> None:
        super().__init__(message, code=code)
        self.field = field


def of(workspace: Workspace) -> QuerySet[SigningKey]:
    """Return a workspace's keys by domain, what signs before what does not."""
    return SigningKey.objects.filter(workspace=workspace).order_by("domain", "state", "-pk")


def is_signed(workspace_id: int, email: str) -> bool:
    """Return whether letters from an address carry a signature of its domain."""
    return SigningKey.objects.filter(
        workspace_id=workspace_id, domain=domain_of(email), state=SigningKey.State.ACTIVE
    ).exists()


def is_published(workspace_id: int, email: str) -> bool:
    """Return whether the record of a key that signs letters from an address was there at the last look."""
    return SigningKey.objects.filter(
        workspace_id=workspace_id,
        domain=domain_of(email),
        state=SigningKey.State.ACTIVE,
        published=dkim_keys.Published.FOUND,
    ).exists()


def unpublished() -> QuerySet[SigningKey]:
    """Return the keys of all workspaces that sign although their record was not found."""
    active = SigningKey.objects.filter(state=SigningKey.State.ACTIVE).exclude(published=dkim_keys.Published.FOUND)
    return active.order_by("domain", "pk")


def domain_of(email: str) -> str:
    """Return the domain of an address as keys are kept for it; empty where the address is none."""
    try:
        return addresses.parse(email).domain
    except addresses.InvalidAddressError:
        return ""


def make(workspace: Workspace, *, domain: str, algorithm: str, by: User | None) -> SigningKey:
    """Return a new key for a domain; it signs nothing before it is activated.

    Raises:
        SigningKeyError: the domain is none or too long, or there are too many keys.
    """
    name, selector = _domain(domain), _selector(algorithm)
    if len(dkim_keys.record_name(selector, name)) > LONGEST_NAME:
        raise SigningKeyError(_("This domain is too long: a key's record under it could not exist."), field="domain")
    if SigningKey.objects.filter(workspace=workspace).exclude(state=SigningKey.State.RETIRED).count() >= MAX_OPEN:
        raise SigningKeyError(_("There are too many keys. Delete those that are not used."), code="too_many_keys")
    pair = dkim_keys.make(algorithm)
    key = SigningKey(workspace=workspace, domain=name, selector=selector, algorithm=algorithm, public_key=pair.public)
    key.private_key = pair.private
    with transaction.atomic():
        key.save()
        key.refresh_from_db()
        audit.note("signing_key_made", workspace=workspace, by=by, target=str(key), algorithm=algorithm)
    return key


def check(key: SigningKey) -> dkim_keys.Published:
    """Ask the name server for the key's record, keep what it said, and return it."""
    try:
        texts = name_server.texts(key.record_name)
    except name_server.NoAnswerError:
        found = dkim_keys.Published.UNKNOWN
    else:
        found = dkim_keys.judge(texts, algorithm=key.algorithm, public=key.public_key)
    SigningKey.objects.filter(pk=key.pk).update(checked_at=Now(), published=found)
    key.refresh_from_db(fields=["checked_at", "published"])
    return found


def activate(key: SigningKey, *, by: User | None, unseen: bool = False) -> SigningKey | None:
    """Let a key sign from now on, and return the one of the same algorithm that it takes over from.

    Args:
        unseen: do it although its record was not found; receivers take such a letter for an unsigned one.

    Raises:
        SigningKeyError: its record is not published, or the key is not a new one.
    """
    if not unseen and check(key) is not dkim_keys.Published.FOUND:
        raise SigningKeyError(_("Its record is not found yet, so it does not sign."), code="not_published")
    with transaction.atomic():
        rivals = _locked(key)
        if key.pk not in {one.pk for one in rivals if one.state == SigningKey.State.MADE}:
            raise SigningKeyError(_("Only a new key can be activated. Make another one."), code="not_new")
        before = next((one for one in rivals if one.state == SigningKey.State.ACTIVE), None)
        if before is not None:
            _wipe(before)
            audit.note("signing_key_retired", workspace=key.workspace_id, by=by, target=str(before))
        SigningKey.objects.filter(pk=key.pk).update(state=SigningKey.State.ACTIVE, activated_at=Now())
        audit.note("signing_key_activated", workspace=key.workspace_id, by=by, target=str(key), unseen=unseen)
    return _known(key, before)


def retire(key: SigningKey, *, by: User | None) -> None:
    """Let a key sign no more; its private half is gone, its record stays published for letters in flight.

    Raises:
        SigningKeyError: it does not sign.
    """
    with transaction.atomic():
        if key.pk not in {one.pk for one in _locked(key) if one.state == SigningKey.State.ACTIVE}:
            raise SigningKeyError(_("It does not sign, so there is nothing to retire."), code="not_active")
        _wipe(key)
        audit.note("signing_key_retired", workspace=key.workspace_id, by=by, target=str(key))
    _known(key, None)


def delete(key: SigningKey, *, by: User | None) -> None:
    """Forget a key that signs nothing and that no letter in flight needs.

    Raises:
        SigningKeyError: it signs, or did so until lately.
    """
    with transaction.atomic():
        found = next((one for one in _locked(key) if one.pk == key.pk), None)
        if found is None:
            return
        if found.state == SigningKey.State.ACTIVE:
            raise SigningKeyError(_("It signs. Retire it first."), code="active")
        if (until := needed_until(found)) and until > clock.now():
            raise SigningKeyError(_("Letters that it signed may still be on their way."), code="in_flight")
        audit.note("signing_key_deleted", workspace=key.workspace_id, by=by, target=str(found))
        found.delete()


def needed_until(key: SigningKey) -> dt.datetime | None:
    """Return until when a retired key's record has to stay published; None where there is no end to it, or no need."""
    return key.retired_at + KEEP_PUBLISHED if key.retired_at else None


def _locked(key: SigningKey) -> list[SigningKey]:
    """Return all keys of one domain and algorithm, locked in one order, so that rivals wait and then see the truth."""
    same = SigningKey.objects.filter(workspace_id=key.workspace_id, domain=key.domain, algorithm=key.algorithm)
    return list(same.select_for_update().order_by("pk"))


def _wipe(key: SigningKey) -> None:
    retired = {"state": SigningKey.State.RETIRED, "retired_at": Now(), "private_key": ""}
    SigningKey.objects.filter(pk=key.pk).update(**retired)


def _known(key: SigningKey, before: SigningKey | None) -> SigningKey | None:
    signing.forget(key.workspace_id, key.domain)
    for one in (key, before):
        if one is not None:
            one.refresh_from_db()
    return before


def _domain(text: str) -> str:
    """Return what was typed as a domain; an address, or what a browser shows, means its domain."""
    shown = text.strip().removeprefix("https://").removeprefix("http://").partition("/")[0]
    typed = shown.rpartition("@")[2].strip(". ")
    name = domain_of(f"a@{typed}")
    if shown.count("@") > 1 or not dkim.is_name(name) or "." not in name:
        raise SigningKeyError(_("This is no domain. It looks like example.com."), field="domain")
    return name


def _selector(algorithm: str) -> str:
    """Return a name that was not used before: the month for people, letters for chance."""
    kind = "r" if algorithm == dkim.RSA else "e"
    return f"vs{clock.now():%Y%m}{kind}{''.join(secrets.choice(_LETTERS) for _n in range(5))}"
