"""The only way in for programs: a bearer key, what it carries, and how often it may call."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import wraps
from typing import Any

from django.core.cache import cache
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from redis.exceptions import RedisError

from apps.accounts.services import api_keys
from apps.accounts.services.api_keys import Caller
from apps.api import problems
from core.errors import EspError

CALLS_A_MINUTE = 120

Endpoint = Callable[..., JsonResponse]


def keyed(
    scope: str | None, *, methods: tuple[str, ...] = ("GET",)
) -> Callable[[Endpoint], Callable[..., HttpResponse]]:
    """Let only programs in whose key is valid and carries the scope; the endpoint gets the `Caller`.

    A session cookie is never looked at, so there is nothing that another site could make a browser do.
    """

    def decorate(endpoint: Endpoint) -> Callable[..., HttpResponse]:
        @never_cache
        @csrf_exempt
        @wraps(endpoint)
        def entered(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            try:
                caller = _caller(request)
                _count(caller)
                if request.method not in methods:
                    raise problems.ProblemError(405, _("This address does not know the method."), code="method")
                if scope is not None and scope not in caller.scopes:
                    message = _("This key does not carry %(scope)s.") % {"scope": scope}
                    raise problems.ProblemError(403, message, code="scope")
                return endpoint(request, caller, *args, **kwargs)
            except EspError as error:
                return problems.answer(error)

        entered.required_scope = scope  # type: ignore[attr-defined]  # read by the test that walks all routes
        return entered

    return decorate


def _caller(request: HttpRequest) -> Caller:
    kind, _space, secret = request.headers.get("Authorization", "").partition(" ")
    caller = api_keys.authenticate(secret.strip()) if kind.lower() == "bearer" else None
    if caller is None:
        message = _("No valid API key. Send one as: Authorization: Bearer vsk_… Keys are made under Settings.")
        raise problems.ProblemError(401, message, code="key")
    return caller


def _count(caller: Caller) -> None:
    name = f"api-calls:{caller.key.pk}:{int(time.time() // 60)}"
    try:
        cache.add(name, 0, timeout=120)
        calls = cache.incr(name)
    except (RedisError, ValueError):
        return  # the count is a courtesy; what a key may do is decided by the database
    if calls > CALLS_A_MINUTE:
        message = _("More than %(n)d calls in a minute. Wait for the next one.") % {"n": CALLS_A_MINUTE}
        raise problems.ProblemError(429, message, code="rate")
