"""The way out: a page that changes nothing by itself, and one POST that does (RFC 8058)."""

from __future__ import annotations

import logging

from django.core.exceptions import BadRequest
from django.db import Error as DatabaseError
from django.http import HttpRequest, HttpResponse
from django.http.multipartparser import MultiPartParserError
from django.views.decorators.http import require_http_methods

from apps.campaigns.services import images
from apps.tracking.ingest import doors
from apps.tracking.letters import Letter
from apps.tracking.services import kept_wishes, opt_outs, recording
from apps.tracking.services.opt_outs import Scope
from core import addresses, tokens

log = logging.getLogger(__name__)

ONE_CLICK = "One-Click"  # RFC 8058 section 3.1: the body is List-Unsubscribe=One-Click
UNDO = "undo"


@doors.public
@require_http_methods(["GET", "HEAD", "POST"])
def unsubscribe(request: HttpRequest, token: str) -> HttpResponse:
    """Show how to stop, or stop; a GET changes nothing, because link scanners follow every link."""
    try:
        letter = doors.letter_of("unsubscribe", token)
        if letter is None:
            return doors.nothing(request)
        status = _act(request, letter) if request.method == "POST" else 200
        return doors.page(request, "tracking/unsubscribe.html", context(letter, token), status=status)
    except DatabaseError as error:
        return without_database(request, token, error)


def without_database(request: HttpRequest, token: str, error: DatabaseError) -> HttpResponse:
    """Keep a wish to stop; offer to keep one to whoever came to look. The token is opened without the database."""
    log.warning("A recipient's page has to wait for the database: %s", type(error).__name__)
    if request.method == "POST" and keep(request, token):
        return doors.away(request, is_noted=True)
    is_offered = _wish(request) != UNDO and tokens.open_token("unsubscribe", token) is not None
    return doors.away(request, token=token if is_offered else "")


def context(letter: Letter, token: str) -> dict[str, object]:
    """Return what the page shows."""
    return {
        "sender_name": letter.sender_name,
        "look": letter.colour,
        "logo_url": images.path_of(letter.logo),
        "postal_address": letter.postal_address,
        "address": addresses.mask(letter.email) if letter.email else "",
        "is_test": letter.is_test,
        "standing": opt_outs.standing(letter),
        "token": token,
    }


def _act(request: HttpRequest, letter: Letter) -> int:
    wish = _wish(request)
    fetch = recording.fetch_of(request, letter)
    if wish == UNDO:
        opt_outs.undo(letter, fetch=fetch)
    elif isinstance(wish, Scope):
        how = "one-click" if _is_one_click(request) else "page"
        opt_outs.stop(letter, wish, fetch=fetch, how=how)
    else:
        return 400
    return 200


def keep(request: HttpRequest, token: str) -> bool:
    """Keep a wish to stop while the database is away; return whether it is on disk."""
    opened, wish = tokens.open_token("unsubscribe", token), _wish(request)
    if opened is None or not isinstance(wish, Scope):
        return False
    agent = recording.agent_of(request)
    how = "one-click" if _is_one_click(request) else "page"
    try:
        kept_wishes.keep(opened.delivery_id, wish, user_agent=agent, how=how)
    except OSError as error:
        log.error("A wish to stop could not be kept: %s", type(error).__name__)
        return False
    return True


def _is_one_click(request: HttpRequest) -> bool:
    return request.POST.get("List-Unsubscribe", "").strip().casefold() == ONE_CLICK.casefold()


def _wish(request: HttpRequest) -> Scope | str | None:
    try:
        if _is_one_click(request):
            return Scope.LIST
        wanted = request.POST.get("action", "")
    except (MultiPartParserError, BadRequest):
        return None
    if wanted == UNDO:
        return UNDO
    return Scope(wanted) if wanted in set(Scope) else None
