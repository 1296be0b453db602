"""Who belongs to a workspace and as what; nobody grants or takes more than they have, and an owner always stays."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import transaction
from django.utils.translation import gettext as _

from apps.accounts import audit, origin, roles, sessions
from apps.accounts.models import Invitation, Membership, Role, User, Workspace
from core.errors import EspError, NotFoundError


class NotYoursToGrantError(EspError):
    """The role carries more than the person who acts has."""

    code = "not_yours_to_grant"
    status = 403


class LastOwnerError(EspError):
    """A workspace keeps at least one owner."""

    code = "last_owner"
    status = 409


def change_role(membership: Membership, *, role: str, by: User) -> None:
    """Give a member another role; it holds at once, and they sign in anew: here, when it is oneself, one stays.

    Raises:
        NotYoursToGrantError: the old or the new role carries more than the actor has.
        LastOwnerError: nobody else owns the workspace.
        NotFoundError: the member, or the actor, is gone.
    """
    with _held(membership, by) as (member, actor):
        before = member.role
        _check_covered(actor.role, before, role)
        if before == role:
            return
        if before == Role.OWNER:
            _check_not_last(member)
        member.role = role
        member.save(update_fields=["role"])
        _sign_out(member.user, by=by)
        _withdraw_what_they_may_not_grant(member)
        target = str(member.user.email)
        audit.note("member_role_changed", workspace=member.workspace_id, by=by, target=target, before=before, now=role)


def remove(membership: Membership, *, by: User) -> None:
    """Let a member go; anybody may leave by themselves.

    Raises:
        NotYoursToGrantError: the member has more than the actor.
        LastOwnerError: nobody else owns the workspace.
        NotFoundError: the member, or the actor, is gone.
    """
    with _held(membership, by) as (member, actor):
        if member.pk != actor.pk:
            _check_covered(actor.role, member.role)
        if member.role == Role.OWNER:
            _check_not_last(member)
        member.role = ""
        _sign_out(member.user, by=by)
        _withdraw_what_they_may_not_grant(member)
        target = str(member.user.email)
        audit.note("member_removed", workspace=member.workspace_id, by=by, target=target)
        member.delete()


def owns_alone(membership: Membership) -> bool:
    """Return whether the workspace would have no owner without this member."""
    return membership.role == Role.OWNER and not _other_owners(membership)


def check_may_grant(workspace: Workspace, *, role: str, by: User) -> None:
    """Return if this person may give this role away.

    Raises:
        NotYoursToGrantError: they may not.
    """
    actor = Membership.objects.filter(workspace=workspace, user=by).first()
    _check_covered(actor.role if actor else "", role)


@contextmanager
def _held(membership: Membership, by: User) -> Iterator[tuple[Membership, Membership]]:
    """Hold all members of the workspace, so that two owners cannot remove each other at the same moment."""
    with transaction.atomic():
        rows = Membership.objects.select_for_update(of=("self",)).select_related("user").order_by("pk")
        everybody = {one.pk: one for one in rows.filter(workspace=membership.workspace_id)}
        actor = next((one for one in everybody.values() if one.user_id == by.pk), None)
        member = everybody.get(membership.pk)
        if actor is None or member is None:
            raise NotFoundError(_("This person is no member of the workspace any more."))
        yield member, actor


def _sign_out(user: User, *, by: User) -> None:
    """End a member's sessions, so that nothing that was open under the old role stays open."""
    request = origin.request_in_hand.get()
    is_oneself = user.pk == by.pk and request is not None and hasattr(request, "session")
    sessions.end_others(user, here=request.session if is_oneself and request else None)


def _check_covered(actor_role: str, *wanted: str) -> None:
    if not roles.allows(actor_role, "members.edit") or not all(roles.covers(actor_role, role) for role in wanted):
        raise NotYoursToGrantError(_("Nobody can give or take a role that carries more than their own."))


def _other_owners(member: Membership) -> int:
    owners = Membership.objects.filter(workspace=member.workspace_id, role=Role.OWNER, user__is_active=True)
    return owners.exclude(pk=member.pk).count()


def _check_not_last(member: Membership) -> None:
    if not _other_owners(member):
        raise LastOwnerError(_("This is the only owner. Make somebody else an owner first."))


def _withdraw_what_they_may_not_grant(member: Membership) -> None:
    """A role that was lowered must not live on in links that were handed out before."""
    mine = Invitation.objects.filter(workspace=member.workspace_id, invited_by=member.user_id, accepted_at=None)
    mine.exclude(role__in=roles.grantable(member.role)).delete()
