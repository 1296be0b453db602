"""The page where a person chooses what they get."""

from __future__ import annotations

from uuid import UUID

from django.db import Error as DatabaseError
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_http_methods

from apps.tracking.ingest import doors, rates, unsubscribe
from apps.tracking.letters import Letter
from apps.tracking.services import opt_outs, preferences, recording
from apps.tracking.services.opt_outs import Scope


@doors.public
@require_http_methods(["GET", "HEAD", "POST"])
def choose(request: HttpRequest, token: str) -> HttpResponse:
    """Show the lists a person may leave or join, or keep what they chose; the token is that of unsubscribing."""
    # Whoever leaves is never kept waiting.
    if request.POST.get("action") in (None, "choose") and rates.is_over(request, rates.OF_PAGES):
        return doors.busy(request)
    try:
        return _page(request, token)
    except DatabaseError as error:
        return unsubscribe.without_database(request, token, error)


def _page(request: HttpRequest, token: str) -> HttpResponse:
    letter = doors.letter_of("unsubscribe", token)
    if letter is None:
        return doors.nothing(request)
    is_saved = request.method == "POST" and _act(request, letter)
    context = {
        **unsubscribe.context(letter, token),
        "choices": preferences.choices(letter),
        "is_saved": is_saved and not letter.is_test,
    }
    return doors.page(request, "tracking/preferences.html", context)


def _act(request: HttpRequest, letter: Letter) -> bool:
    fetch = recording.fetch_of(request, letter)
    match request.POST.get("action"):
        case Scope.EVERYTHING:
            opt_outs.stop(letter, Scope.EVERYTHING, fetch=fetch, how="page")
        case unsubscribe.UNDO:
            opt_outs.undo(letter, fetch=fetch)
        case "choose":
            preferences.choose(letter, _uuids(request.POST.getlist("lists")), fetch=fetch)
        case _:
            return False
    return True


def _uuids(words: list[str]) -> set[UUID]:
    found = set()
    for word in words:
        try:
            found.add(UUID(word))
        except ValueError:
            continue
    return found
