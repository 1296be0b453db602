"""The picture that reports an opening: it is always served, whatever happens behind it."""

from __future__ import annotations

import base64
import logging

from django.db import Error as DatabaseError
from django.http import HttpRequest, HttpResponse
from django.utils.cache import add_never_cache_headers
from django.views.decorators.http import require_safe

from apps.tracking import letters
from apps.tracking.ingest import rates
from apps.tracking.models import Event
from apps.tracking.services import recording
from core import patience, tokens

log = logging.getLogger(__name__)

GIF = base64.b64decode("R0lGODlhAQABAIAAAP///wAAACH5BAEAAAAALAAAAAABAAEAAAICRAEAOw==")


@require_safe
def pixel(request: HttpRequest, token: str) -> HttpResponse:
    """Serve a transparent pixel of 43 bytes, and record the opening when the token is ours."""
    try:
        with patience.at_most(patience.DOOR_SECONDS):
            _record(request, token)
    except DatabaseError as error:
        log.warning("An opening was not recorded: %s", type(error).__name__)
    response = HttpResponse(GIF, content_type="image/gif")
    add_never_cache_headers(response)
    # Mail clients load it from pages of other origins.
    response["Cross-Origin-Resource-Policy"] = "cross-origin"
    return response


def _record(request: HttpRequest, token: str) -> None:
    opened = tokens.open_token("open", token)
    is_counted = opened and not rates.is_over(request, rates.OF_A_LETTER, f"o{opened.delivery_id}")
    letter = letters.get(opened.delivery_id) if opened and is_counted else None
    if letter:
        recording.record(letter, Event.Kind.OPEN, fetch=recording.fetch_of(request, letter))


pixel.is_for_recipients = True  # type: ignore[attr-defined]  # read by the test that walks all routes
