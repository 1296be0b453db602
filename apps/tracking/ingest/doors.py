"""What every public door has in common: the page's language, no cookie, one calm page for what is not there."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import wraps
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.db import Error as DatabaseError
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.utils import translation
from django.utils.cache import add_never_cache_headers
from django.views.decorators.csrf import csrf_exempt

from apps.tracking import letters
from apps.tracking.letters import Letter
from core import patience

log = logging.getLogger(__name__)

Door = Callable[..., HttpResponse]
MAX_BODY_BYTES = 8 * 1024
_RETRY_AFTER_SECONDS = 60


def public(view: Door) -> Door:
    """Open a view to recipients.

    The token is the authority: there is no session to forge, so no CSRF token is asked for. A language may be chosen
    with `?lang=`; it is kept in the page's own links, not in a cookie.
    """

    @csrf_exempt
    @wraps(view)
    def opened(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        chosen = request.GET.get("lang", "")
        language = (
            chosen if chosen in dict(settings.LANGUAGES) else translation.get_language() or settings.LANGUAGE_CODE
        )
        with translation.override(language):
            try:
                with patience.at_most(patience.DOOR_SECONDS):
                    response = _too_large(request) or view(request, *args, **kwargs)
            except DatabaseError as error:
                log.warning("A recipient's page has to wait for the database: %s", type(error).__name__)
                response = away(request)
        add_never_cache_headers(response)
        response["X-Robots-Tag"] = "noindex, nofollow"
        return response

    opened.is_for_recipients = True  # type: ignore[attr-defined]  # read by the test that walks all routes
    return opened


def _too_large(request: HttpRequest) -> HttpResponse | None:
    length = request.headers.get("Content-Length") or "0"
    if length.isdecimal() and int(length) <= MAX_BODY_BYTES:
        return None
    return HttpResponse(status=413)


def letter_of(purpose: str, token: str) -> Letter | None:
    """Return the letter; None means `nothing` is the answer."""
    return letters.find(purpose, token)


def nothing(request: HttpRequest) -> HttpResponse:
    """Answer for every token that names nothing: unknown, foreign, damaged; they look alike."""
    return page(request, "tracking/nothing.html", {}, status=404)


def away(request: HttpRequest, *, is_noted: bool = False, token: str = "") -> HttpResponse:
    """Answer while the database is away.

    Args:
        is_noted: a wish to stop is on disk.
        token: one that opens for unsubscribing; the page then has the button, and pressing it is kept.
    """
    response = page(request, "tracking/away.html", {"is_noted": is_noted, "token": token}, status=503)
    response["Retry-After"] = str(_RETRY_AFTER_SECONDS)
    return response


def busy(request: HttpRequest) -> HttpResponse:
    """Answer an address that asks for page after page."""
    response = page(request, "tracking/busy.html", {}, status=429)
    response["Retry-After"] = str(_RETRY_AFTER_SECONDS)
    return response


def page(request: HttpRequest, template: str, context: dict[str, Any], *, status: int = 200) -> HttpResponse:
    """Render a public page without the request, so that nothing in it can reach for a session or a cookie."""
    language = translation.get_language() or settings.LANGUAGE_CODE
    languages = [
        (code, translation.get_language_info(code)["name_local"].capitalize(), f"?{urlencode({'lang': code})}")
        for code, _name in settings.LANGUAGES
    ]
    offered = languages if len(languages) > 1 else []
    shared = {"lang": language, "languages": offered, "form_action": f"?{urlencode({'lang': language})}"}
    return HttpResponse(render_to_string(template, {**shared, **context}), status=status)
