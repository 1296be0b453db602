"""The set-up page of the first owner, and the doors that stay closed."""

from __future__ import annotations

from django.contrib.auth import login
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from apps.accounts.forms import SetupForm
from apps.accounts.services import setup
from apps.accounts.services.workspaces import WorkspaceNameError
from core.addresses import InvalidAddressError

_FIELD_OF = {"weak_password": "password", "invalid_address": "email", "workspace_name": "workspace_name"}


@never_cache
@sensitive_post_parameters("password")
@require_http_methods(["GET", "HEAD", "POST"])
def set_up(request: HttpRequest, token: str) -> HttpResponse:
    """Show the form behind a set-up link; a POST makes the owner and signs them in."""
    try:
        setup.check(token)
        form = SetupForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            owner = setup.complete(token, **form.cleaned_data)
            login(request, owner, backend="allauth.account.auth_backends.AuthenticationBackend")
            return redirect("web:home")
    except setup.SetupLinkError as error:
        return render(request, "accounts/setup_link.html", {"error": error}, status=error.status)
    except (setup.WeakPasswordError, InvalidAddressError, WorkspaceNameError) as error:
        form.add_error(_FIELD_OF[error.code], error.message)
    return render(request, "accounts/setup.html", {"form": form}, status=400 if form.errors else 200)


def closed(request: HttpRequest, **_kwargs: str) -> HttpResponse:
    """Answer 404 for pages of the sign-in library that this product does not offer."""
    raise Http404
