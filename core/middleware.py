"""Health endpoints that need nothing else, what no text can hold, and where our errors become pages."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, JsonResponse, QueryDict
from django.shortcuts import render
from django.utils.translation import gettext as _

from core import patience
from core.errors import EspError

Handler = Callable[[HttpRequest], HttpResponse]


class HealthMiddleware:
    """Answers `/livez` (the process is up) and `/readyz` (the database is reachable and migrated)."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer health probes before sessions or allowed hosts can get in the way."""
        if request.path == "/livez":
            return HttpResponse("ok\n", content_type="text/plain")
        if request.path == "/readyz":
            return self._ready()
        return self.get_response(request)

    def _ready(self) -> HttpResponse:
        try:
            with patience.at_most(patience.DOOR_SECONDS):
                executor = MigrationExecutor(connection)
                pending = len(executor.migration_plan(executor.loader.graph.leaf_nodes()))
        except DatabaseError:
            connection.close()
            return JsonResponse({"status": "database away"}, status=503)
        return JsonResponse({"status": "migrations pending" if pending else "ok"}, status=503 if pending else 200)


class NullByteMiddleware:
    """Refuses values with a NUL character, which the database cannot store, before a view asks it to.

    The doors of recipients and of programs are not its matter: they read few values, and answer in their own way.
    """

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Pass the request on."""
        return self.get_response(request)

    def process_view(
        self, request: HttpRequest, view: Callable[..., HttpResponse], args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> HttpResponse | None:
        """Answer 400 in a sentence where a value holds one."""
        if getattr(view, "csrf_exempt", False):
            return None
        if not any(_holds_null(values) for values in (request.GET, request.POST)):
            return None
        error = EspError(
            _("What was sent holds an invisible character (NUL) that cannot be stored. Take it out, and try again."),
            code="null_character",
        )
        return render(request, "errors/esp_error.html", {"error": error}, status=400)


def _holds_null(values: QueryDict) -> bool:
    return any("\0" in text for name, texts in values.lists() for text in (name, *texts))


class ErrorMiddleware:
    """Turns an `EspError` that a view lets through into a page that says what to do."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Pass the request on."""
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        """Answer our own errors; leave all others to Django."""
        if not isinstance(error, EspError):
            return None
        return render(request, "errors/esp_error.html", {"error": error}, status=error.status)
