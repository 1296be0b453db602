"""What concerns one person: name, language, theme, password, and where they are signed in."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from apps.accounts import audit, sessions
from apps.accounts.forms import ProfileForm
from apps.accounts.models import User
from apps.accounts.services import profile


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def show(request: HttpRequest) -> HttpResponse:
    """Show and change one's own account."""
    user = _me(request)
    initial = {"name": user.name, "language": user.language}
    form = ProfileForm(request.POST if request.method == "POST" else None, initial=initial)
    if request.method == "POST" and form.is_valid():
        profile.change(user, **form.cleaned_data)
        messages.success(request, _("Saved."))
        return redirect("accounts:profile")
    context = {"form": form, "sessions": sessions.of(user, here=request.session)}
    return render(request, "accounts/profile.html", context, status=422 if form.errors else 200)


@login_required
@require_POST
def end_session(request: HttpRequest) -> HttpResponse:
    """Sign out in one other place, or in all others."""
    user, name = _me(request), request.POST.get("session", "")
    ended = sessions.end(user, name) if name else sessions.end_others(user, here=request.session)
    if ended:
        audit.note("sessions_ended", by=user)
        messages.success(request, _("Signed out there."))
    return redirect("accounts:profile")


def _me(request: HttpRequest) -> User:
    assert isinstance(request.user, User)
    return request.user
