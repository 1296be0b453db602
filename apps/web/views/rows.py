"""Remembers for this browser how close a table's rows stand."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest
from django.shortcuts import redirect
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST

from apps.web import rows
from apps.web.views.theme import YEAR_SECONDS


@require_POST
def choose(request: HttpRequest) -> HttpResponse:
    """Set it, and lead back to the table."""
    table, height = request.POST.get("table", ""), request.POST.get("height", "")
    if table not in rows.TABLES or height not in rows.WORDS:
        return HttpResponseBadRequest()
    back = request.POST.get("back", "")
    is_ours = url_has_allowed_host_and_scheme(back, allowed_hosts={request.get_host()})
    response = redirect(back if is_ours else "web:home")
    kept = rows.with_choice(request, table, height)
    is_secure = settings.SESSION_COOKIE_SECURE
    response.set_cookie(rows.COOKIE, kept, max_age=YEAR_SECONDS, samesite="Lax", secure=is_secure, httponly=True)
    return response
