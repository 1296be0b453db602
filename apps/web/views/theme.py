"""Remembers the theme for this browser and, for who is signed in, on the account."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest
from django.shortcuts import redirect
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST

from apps.accounts.models import User
from apps.web import themes

YEAR_SECONDS = 365 * 24 * 3600


@require_POST
def choose(request: HttpRequest) -> HttpResponse:
    """Set the theme; answers htmx with nothing, and a form without script with the page it came from."""
    key = request.POST.get("theme", "")
    if key not in themes.KEYS:
        return HttpResponseBadRequest()
    back = request.POST.get("back", "")
    is_ours = url_has_allowed_host_and_scheme(back, allowed_hosts={request.get_host()})
    is_fragment = request.headers.get("HX-Request") == "true"
    response = HttpResponse(status=204) if is_fragment else redirect(back if is_ours else "web:home")
    is_secure = settings.SESSION_COOKIE_SECURE
    response.set_cookie(themes.COOKIE, key, max_age=YEAR_SECONDS, samesite="Lax", secure=is_secure, httponly=True)
    if request.user.is_authenticated:
        User.objects.filter(pk=request.user.pk).update(theme=key)
    return response
