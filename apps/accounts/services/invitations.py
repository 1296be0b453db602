"""Invitations: a link that lets one person in, once, within a week; it goes by mail and can be copied."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings
from django.core.mail import EmailMessage
from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.translation import gettext as _

from apps.accounts import audit
from apps.accounts.models import Invitation, Membership, User, Workspace
from apps.accounts.services import members, setup, system_mail
from core import addresses
from core.errors import EspError

VALID_FOR = timedelta(days=7)


class InvitationError(EspError):
    """The link is unknown, used, withdrawn or older than a week; they all look the same."""

    code = "invitation"
    status = 404


class AlreadyMemberError(EspError):
    """The person is in already."""

    code = "already_member"
    status = 409


class AccountExistsError(EspError):
    """The address has an account: its owner signs in and then accepts."""

    code = "account_exists"
    status = 409


@dataclass(frozen=True, slots=True)
class Issued:
    """A fresh invitation; the link cannot be read from the database again."""

    invitation: Invitation
    url: str
    was_mailed: bool


def invite(workspace: Workspace, *, email: str, role: str, by: User) -> Issued:
    """Make an invitation, replacing one that is open for the same address, and mail it.

    Raises:
        InvalidAddressError: the email is not an address.
        NotYoursToGrantError: the role carries more than the inviter has.
        AlreadyMemberError: somebody with this address is a member.
    """
    address = addresses.parse(email).normalised
    token = secrets.token_urlsafe(32)
    with transaction.atomic():
        members.check_may_grant(workspace, role=role, by=by)
        if Membership.objects.filter(workspace=workspace, user__email=address).exists():
            raise AlreadyMemberError(_("This person is a member already."))
        values = {"role": role, "token_hash": _hash(token), "invited_by": by, "expires_at": Now() + VALID_FOR}
        invitation, _made = Invitation.objects.update_or_create(
            workspace=workspace, email=address, accepted_at=None, defaults=values, create_defaults=values
        )
        audit.note("invitation_made", workspace=workspace, by=by, target=address, role=role)
    invitation.refresh_from_db()
    url = f"{settings.PUBLIC_URL or setup.LOCAL_URL}{reverse('accounts:invitation', kwargs={'token': token})}"
    return Issued(invitation, url, system_mail.post(_letter(invitation, url)))


def withdraw(invitation: Invitation, *, by: User) -> None:
    """Make an invitation worthless.

    Raises:
        NotYoursToGrantError: its role carries more than the actor has.
    """
    with transaction.atomic():
        members.check_may_grant(invitation.workspace, role=invitation.role, by=by)
        if Invitation.objects.filter(pk=invitation.pk, accepted_at=None).delete()[0]:
            audit.note("invitation_withdrawn", workspace=invitation.workspace_id, by=by, target=invitation.email)


def open_in(workspace: Workspace) -> QuerySet[Invitation]:
    """Return the invitations nobody accepted yet, expired ones too, newest first."""
    return Invitation.objects.filter(workspace=workspace, accepted_at=None).select_related("invited_by").order_by("-pk")


def find(token: str) -> Invitation:
    """Return what a link stands for; changes nothing.

    Raises:
        InvitationError: it cannot be used now.
    """
    found = _usable(token).select_related("workspace", "invited_by").first()
    if found is None:
        raise _refusal()
    return found


def accept(token: str, *, user: User) -> Workspace:
    """Use a link up for somebody who is signed in; a member keeps the role they have.

    Raises:
        InvitationError: the link cannot be used now.
    """
    with transaction.atomic():
        invitation = _claim(token, user)
        _membership, is_new = Membership.objects.get_or_create(
            user=user, workspace_id=invitation.workspace_id, defaults={"role": invitation.role}
        )
        if is_new:
            role = invitation.role
            audit.note("member_joined", workspace=invitation.workspace_id, by=user, target=user.email, role=role)
    return invitation.workspace


def accept_as_new(token: str, *, name: str, password: str) -> User:
    """Use a link up: return the new account, which has the invited address and is a member. All or nothing.

    Raises:
        InvitationError: the link cannot be used now.
        AccountExistsError, WeakPasswordError: the link stays usable.
    """
    with transaction.atomic():
        email = find(token).email
        if User.objects.filter(email__iexact=email).exists():
            raise AccountExistsError(_("There is an account with this address. Sign in, and open the link again."))
        setup.check_password(password, email=email, name=name)
        user = User.objects.create_user(email, password, name=" ".join(name.split())[:150])
        accept(token, user=user)
    return user


def _claim(token: str, user: User) -> Invitation:
    invitation = _usable(token).select_for_update(of=("self",)).select_related("workspace").first()
    if invitation is None:
        raise _refusal()
    Invitation.objects.filter(pk=invitation.pk).update(accepted_at=Now(), accepted_by=user)
    return invitation


def _usable(token: str) -> QuerySet[Invitation]:
    return Invitation.objects.filter(token_hash=_hash(token), accepted_at=None, expires_at__gt=Now())


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _refusal() -> InvitationError:
    return InvitationError(
        _("This invitation does not work: it was used, withdrawn, or is older than seven days. Ask for a new one.")
    )


def _letter(invitation: Invitation, url: str) -> EmailMessage:
    values = {"invitation": invitation, "url": url}
    subject = render_to_string("accounts/email/invitation_subject.txt", values).strip()
    return EmailMessage(subject, render_to_string("accounts/email/invitation.txt", values), None, [invitation.email])
