"""How long somebody stays signed in without doing anything; and staying, on request."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from apps.accounts import sessions


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def left(request: HttpRequest) -> HttpResponse:
    """Say how many seconds are left; a POST begins them anew."""
    if request.method == "POST":
        sessions.stay(request)
    return JsonResponse({"seconds": sessions.seconds_left(request)})
