"""Errors for programs, as problem details (RFC 9457)."""

from __future__ import annotations

from django.http import JsonResponse

from core.errors import EspError


class ProblemError(EspError):
    """Something that the caller can mend; `code` stays the same for ever."""

    def __init__(self, status: int, message: str, *, code: str) -> None:
        super().__init__(message, code=code)
        self.status = status


def answer(error: EspError) -> JsonResponse:
    """Return the response that tells a program what went wrong and what to do."""
    body = {"type": f"urn:vashsender:problem:{error.code}", "status": error.status, "detail": error.message}
    response = JsonResponse(body, status=error.status, content_type="application/problem+json")
    if error.status == 401:
        response["WWW-Authenticate"] = "Bearer"
    return response
