"""The page behind an invitation's link."""

from __future__ import annotations

from django.contrib.auth import login
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from apps.accounts.forms import JoinForm
from apps.accounts.models import Invitation, User
from apps.accounts.services import invitations, setup


@never_cache
@sensitive_post_parameters("password")
@require_http_methods(["GET", "HEAD", "POST"])
def accept(request: HttpRequest, token: str) -> HttpResponse:
    """Say who invites where; a POST joins, as the account that is signed in or as a new one."""
    user = request.user if isinstance(request.user, User) else None
    form = JoinForm(request.POST if request.method == "POST" and user is None else None)
    try:
        invitation = invitations.find(token)
        if request.method == "POST":
            if user is not None:
                invitations.accept(token, user=user)
                return _in(invitation)
            if form.is_valid():
                newcomer = invitations.accept_as_new(token, **form.cleaned_data)
                login(request, newcomer, backend="allauth.account.auth_backends.AuthenticationBackend")
                return _in(invitation)
    except invitations.InvitationError as error:
        return render(request, "accounts/invitation_dead.html", {"error": error}, status=error.status)
    except setup.WeakPasswordError as error:
        form.add_error("password", error.message)
    except invitations.AccountExistsError as error:
        form.add_error(None, error.message)
    context = {"invitation": invitation, "form": form}
    return render(request, "accounts/invitation.html", context, status=422 if form.errors else 200)


def _in(invitation: Invitation) -> HttpResponse:
    return redirect("web:dashboard", workspace_slug=invitation.workspace.slug)
