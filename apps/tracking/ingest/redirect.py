"""The way of a click: from a letter's own link to where its author pointed it, and nowhere else."""

from __future__ import annotations

from urllib.parse import urlsplit

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.views.decorators.http import require_safe

from apps.tracking import letters
from apps.tracking.ingest import doors, rates
from apps.tracking.models import Event
from apps.tracking.services import recording
from core import tokens


@doors.public
@require_safe
def click(request: HttpRequest, token: str) -> HttpResponse:
    """Record the click and send the reader on; only links stored with the letter's content lead anywhere."""
    opened = tokens.open_token("click", token)
    letter = letters.get(opened.delivery_id) if opened else None
    target = letters.target(opened.delivery_id, opened.part) if opened and letter else None
    if opened is None or letter is None or target is None or not _leads_to_the_web(target.url):
        return doors.nothing(request)
    if not rates.is_over(request, rates.OF_A_LETTER, f"c{opened.delivery_id}"):
        fetch = recording.fetch_of(request, letter, link=opened.part, recent_links=target.recent_links)
        recording.record(letter, Event.Kind.CLICK, fetch=fetch)
    return HttpResponseRedirect(target.url)


def _leads_to_the_web(url: str) -> bool:
    if not url.isprintable() or "\\" in url or " " in url:
        return False
    parts = urlsplit(url)
    return parts.scheme in ("http", "https") and bool(parts.hostname)
