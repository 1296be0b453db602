"""From where a request comes; kept for the length of the request, so that services need not carry it."""

from __future__ import annotations

from contextvars import ContextVar

from allauth.account.adapter import get_adapter
from django.core.exceptions import ImproperlyConfigured, PermissionDenied
from django.http import HttpRequest

request_in_hand: ContextVar[HttpRequest | None] = ContextVar("request_in_hand", default=None)


def ip_of(request: HttpRequest | None) -> str | None:
    """Return the address of the client; behind proxies the one that VASHSENDER_TRUSTED_PROXIES lets us believe."""
    if request is None:
        return None
    try:
        return str(get_adapter(request).get_client_ip(request))
    except (PermissionDenied, ImproperlyConfigured):
        return None
