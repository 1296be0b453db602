"""Keeps the request in hand for audit, notes that people are active, and speaks the language they chose."""

from __future__ import annotations

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils import translation

from apps.accounts import origin, sessions
from apps.accounts.models import User

Handler = Callable[[HttpRequest], HttpResponse]


class PeopleMiddleware:
    """Stands behind AuthenticationMiddleware."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Keep the request in hand while it is answered."""
        token = origin.request_in_hand.set(request)
        try:
            return self.get_response(request)
        finally:
            origin.request_in_hand.reset(token)

    def process_view(
        self, request: HttpRequest, view: Callable[..., HttpResponse], args: object, kwargs: dict[str, object]
    ) -> None:
        """Look who it is, on pages for people who sign in only: recipients' pages work without the database."""
        if "token" in kwargs or settings.SESSION_COOKIE_NAME not in request.COOKIES:
            return
        user = request.user
        if not isinstance(user, User):
            return
        sessions.see(request)
        if user.language in dict(settings.LANGUAGES):
            translation.activate(user.language)
            request.LANGUAGE_CODE = translation.get_language()
