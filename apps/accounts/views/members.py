"""Members of a workspace, and invitations into it."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from apps.accounts import roles
from apps.accounts.access import WorkspaceRequest, may, within
from apps.accounts.forms import InviteForm, RoleForm
from apps.accounts.models import Invitation, Membership
from apps.accounts.services import invitations, members
from apps.accounts.views.tabs import tabs
from core import clock, toasts
from core.addresses import InvalidAddressError

# A fresh link waits in the inviter's own browser for the page that shows it; our side keeps only its hash.
_ISSUED = "issued"
_WAITS_SECONDS = 120


@never_cache
@may("workspace.view")
@require_safe
def show(request: WorkspaceRequest) -> HttpResponse:
    """List members and open invitations, and once the link of a fresh one."""
    issued = request.get_signed_cookie(_ISSUED, default="", salt=request.workspace.slug, max_age=_WAITS_SECONDS)
    pk, was_mailed, url = issued.split(" ") if issued else ("0", "", "")
    fresh = invitations.open_in(request.workspace).filter(pk=pk).first()
    response = _page(request, issued=invitations.Issued(fresh, url, was_mailed == "mailed") if fresh else None)
    if issued:
        response.delete_cookie(_ISSUED, path=_path(request))
    return response


@may("members.edit")
@require_POST
def role(request: WorkspaceRequest, membership_id: int) -> HttpResponse:
    """Give a member another role."""
    member = _member(request, membership_id)
    form = RoleForm(request.POST, grantable=roles.grantable(request.membership.role))
    wanted = form.cleaned_data["role"] if form.is_valid() else request.POST.get("role", "")
    before = member.role
    members.change_role(member, role=wanted, by=request.user)
    undo = reverse("accounts:member_role", args=[request.workspace.slug, member.pk])
    toasts.done(request, _("%(who)s has the new role.") % {"who": member.user}, undo=undo, role=before)
    return _back(request)


@may("members.edit")
@require_POST
def remove(request: WorkspaceRequest, membership_id: int) -> HttpResponse:
    """Let a member go."""
    member = _member(request, membership_id)
    members.remove(member, by=request.user)
    messages.success(request, _("%(who)s is no member any more.") % {"who": member.user})
    return _back(request)


@may("workspace.view")
@require_POST
def leave(request: WorkspaceRequest) -> HttpResponse:
    """Leave by oneself."""
    members.remove(request.membership, by=request.user)
    messages.success(request, _("You left %(workspace)s.") % {"workspace": request.workspace})
    return redirect("web:home")


@may("members.edit")
@require_POST
def invite(request: WorkspaceRequest) -> HttpResponse:
    """Invite somebody and show the link, this once."""
    form = InviteForm(request.POST, grantable=roles.grantable(request.membership.role))
    if form.is_valid():
        try:
            return _show_once(request, invitations.invite(request.workspace, **form.cleaned_data, by=request.user))
        except (InvalidAddressError, invitations.AlreadyMemberError) as error:
            form.add_error("email", error.message)
    return _page(request, form=form)


@may("members.edit")
@require_POST
def renew(request: WorkspaceRequest, invitation_id: int) -> HttpResponse:
    """Replace an open invitation's link by a new one, and show it, this once."""
    found = _invitation(request, invitation_id)
    return _show_once(
        request, invitations.invite(request.workspace, email=found.email, role=found.role, by=request.user)
    )


@may("members.edit")
@require_POST
def withdraw(request: WorkspaceRequest, invitation_id: int) -> HttpResponse:
    """Make an open invitation worthless."""
    invitations.withdraw(_invitation(request, invitation_id), by=request.user)
    messages.success(request, _("Withdrawn. The link does not work any more."))
    return _back(request)


def _member(request: WorkspaceRequest, membership_id: int) -> Membership:
    return within(request.workspace, Membership.objects.select_related("user"), pk=membership_id)


def _invitation(request: WorkspaceRequest, invitation_id: int) -> Invitation:
    return within(request.workspace, invitations.open_in(request.workspace), pk=invitation_id)


def _back(request: WorkspaceRequest) -> HttpResponse:
    return redirect("accounts:members", workspace_slug=request.workspace.slug)


def _path(request: WorkspaceRequest) -> str:
    return reverse("accounts:members", args=[request.workspace.slug])


def _show_once(request: WorkspaceRequest, issued: invitations.Issued) -> HttpResponse:
    response = _back(request)
    response.set_signed_cookie(
        _ISSUED,
        f"{issued.invitation.pk} {'mailed' if issued.was_mailed else 'kept'} {issued.url}",
        salt=request.workspace.slug,
        path=_path(request),
        max_age=_WAITS_SECONDS,
        httponly=True,
        samesite="Strict",
        secure=settings.SESSION_COOKIE_SECURE,
    )
    return response


def _page(
    request: WorkspaceRequest, *, form: InviteForm | None = None, issued: invitations.Issued | None = None
) -> HttpResponse:
    grantable = roles.grantable(request.membership.role)
    everybody = Membership.objects.filter(workspace=request.workspace).select_related("user").order_by("created_at")
    rows: list[dict[str, Any]] = [
        {
            "member": one,
            "is_me": one.pk == request.membership.pk,
            "form": RoleForm(grantable=grantable, initial={"role": one.role}) if one.role in grantable else None,
        }
        for one in everybody
    ]
    context = {
        "rows": rows,
        "may_edit": bool(grantable),
        "may_leave": not members.owns_alone(request.membership),
        "invitations": list(invitations.open_in(request.workspace)) if grantable else [],
        "form": form or InviteForm(grantable=grantable, initial={"role": "marketer"}),
        "issued": issued,
        "now": clock.now(),
        "tabs": tabs(request, "accounts:members"),
    }
    return render(request, "accounts/members.html", context, status=422 if form and form.errors else 200)
