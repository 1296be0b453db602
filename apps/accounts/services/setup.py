"""The one-time set-up link: how the first owner gets in without any default password."""

from __future__ import annotations

import hashlib
import secrets
from datetime import timedelta

from django.conf import settings
from django.contrib.auth import password_validation
from django.core.exceptions import ValidationError
from django.db import connection, transaction
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.urls import reverse
from django.utils.translation import gettext as _

from apps.accounts.models import SetupLink, User
from apps.accounts.services import workspaces
from core import addresses
from core.errors import EspError

VALID_FOR = timedelta(hours=1)
LOCAL_URL = "http://127.0.0.1:8000"
_LOCK = 0x56535550  # advisory lock: one set-up at a time, whatever link it uses


class AlreadySetUpError(EspError):
    """The instance has an owner."""

    code = "already_set_up"
    status = 409


class SetupLinkError(EspError):
    """The link is unknown, used or older than an hour; the three look the same."""

    code = "setup_link"
    status = 404


class WeakPasswordError(EspError):
    """The password breaks a rule; the message says which."""

    code = "weak_password"


def has_owner() -> bool:
    """Return whether somebody has set this instance up."""
    return User.objects.filter(is_instance_admin=True).exists()


def create_link() -> str:
    """Return the absolute URL of a new link; it works once, for an hour, and replaces links nobody used.

    Raises:
        AlreadySetUpError: the instance has an owner.
    """
    token = secrets.token_urlsafe(32)
    with transaction.atomic():
        _lock()
        _refuse_when_owned()
        SetupLink.objects.filter(used_at=None).delete()
        SetupLink.objects.create(token_hash=_hash(token), expires_at=Now() + VALID_FOR)
    return f"{settings.PUBLIC_URL or LOCAL_URL}{reverse('accounts:setup', kwargs={'token': token})}"


def check(token: str) -> None:
    """Return if the link can be used now; changes nothing.

    Raises:
        SetupLinkError: it cannot.
    """
    if has_owner() or not _usable(token).exists():
        raise _refusal()


def complete(token: str, *, email: str, password: str, name: str, workspace_name: str) -> User:
    """Use the link up: return the owner, who has a workspace with all that belongs to one. All or nothing.

    Raises:
        SetupLinkError: the link is unknown, used, expired, or a rival was first.
        InvalidAddressError, WeakPasswordError, WorkspaceNameError: the link stays usable.
    """
    with transaction.atomic():
        _lock()
        if has_owner() or not _usable(token).update(used_at=Now()):
            raise _refusal()
        address = addresses.parse(email)
        check_password(password, email=address.email, name=name)
        owner = User.objects.create_user(address.email, password, name=name.strip()[:150], is_instance_admin=True)
        workspaces.create(workspace_name, owner=owner)
    return owner


def check_password(password: str, *, email: str, name: str) -> None:
    """Return if the password keeps every rule of the settings.

    Raises:
        WeakPasswordError: with one sentence per broken rule.
    """
    try:
        password_validation.validate_password(password, User(email=email, name=name))
    except ValidationError as error:
        raise WeakPasswordError(" ".join(error.messages)) from None


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _usable(token: str) -> QuerySet[SetupLink]:
    return SetupLink.objects.filter(token_hash=_hash(token), used_at=None, expires_at__gt=Now())


def _lock() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])


def _refuse_when_owned() -> None:
    if has_owner():
        raise AlreadySetUpError(
            _("This instance has an owner already. Sign in, or reset the password on the sign-in page.")
        )


def _refusal() -> SetupLinkError:
    if has_owner():
        return SetupLinkError(_("This set-up link was used. Sign in with the email and password chosen then."))
    return SetupLinkError(
        _("This set-up link does not work: it is mistyped or older than an hour. Make a new one: manage.py setup_link")
    )
