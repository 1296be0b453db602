"""One letter's HTTP exchange with a provider: connected first, marked then, sent once, and answered within bounds."""

from __future__ import annotations

import json
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Final

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError

from apps.smtp.budget import Budget, boot_clock, now
from apps.smtp.outcome import Withheld
from apps.smtp.wire import Mark
from core.errors import EspError

# Connecting, and every pause of the answer; the answer as a whole ends with it too.
TIMEOUT_SECONDS: Final = 30.0
MAX_ANSWER_BYTES: Final = 256 * 1024


class NotOfferedError(EspError):
    """Unwinds a client library when the marker refused; never leaves `transports/provider.py`."""

    code = "not_offered"

    def __init__(self) -> None:
        super().__init__("The letter was not offered.")


class AnswerError(requests.RequestException):
    """The answer is too long or takes too long."""


@dataclass
class Exchange:
    """How far one letter got.

    Args:
        is_marked: the marker is set, and the request may have gone out.
        withheld: why it did not go out, by our own decision.
        response: the whole answer, if there was one.
    """

    budget: Budget
    mark: Mark
    is_marked: bool = False
    withheld: Withheld | None = None
    response: requests.Response | None = field(default=None, repr=False)

    def cross(self) -> None:
        """Set the marker: after this the letter counts as sent unless something proves the contrary.

        Raises:
            NotOfferedError: no byte of the request may be sent.
        """
        if self.is_marked:  # a client library that tries again by itself
            raise NotOfferedError
        if not self.budget.leaves_time_for_reply():
            self.withheld = Withheld("no_time", marked=False)
            raise NotOfferedError
        asked_at = boot_clock()
        if not self.mark():
            self.withheld = Withheld("refused", marked=False)
            raise NotOfferedError
        self.is_marked = True
        if boot_clock() - asked_at > self.budget.stall_limit:
            self.withheld = Withheld("stalled", marked=True)
            raise NotOfferedError


_current: ContextVar[Exchange | None] = ContextVar("provider_exchange", default=None)


@contextmanager
def under_way(exchange: Exchange) -> Iterator[None]:
    """Make every request of this thread the exchange's."""
    token = _current.set(exchange)
    try:
        yield
    finally:
        _current.reset(token)


def cross_current(**_named: Any) -> None:
    """Set the marker of the letter under way: for client libraries that call something before they send."""
    if exchange := _current.get():
        exchange.cross()


class _Connection(HTTPConnection):
    def request(self, *args: Any, **named: Any) -> None:
        if self.sock is None:
            self.connect()  # what fails here has certainly not sent anything
        cross_current()
        super().request(*args, **named)


class _SecureConnection(HTTPSConnection):
    def request(self, *args: Any, **named: Any) -> None:
        if self.sock is None:
            self.connect()
        cross_current()
        super().request(*args, **named)


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


_POOLS: Final = {"http": _Pool, "https": _SecurePool}


class Adapter(HTTPAdapter):
    """Sends each request once, reads a bounded answer, and tries nothing again."""

    def __init__(self) -> None:
        super().__init__(max_retries=0)

    def init_poolmanager(self, *args: Any, **named: Any) -> None:
        """Use connections that ask for the marker."""
        super().init_poolmanager(*args, **named)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, *args: Any, **named: Any) -> Any:
        """Use them behind a proxy as well."""
        manager = super().proxy_manager_for(*args, **named)
        manager.pool_classes_by_scheme = _POOLS
        return manager

    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,
        timeout: float | tuple[float | None, float | None] | None = None,
        verify: bool | str = True,
        cert: str | tuple[str, str] | None = None,
        proxies: dict[str, str] | None = None,
    ) -> requests.Response:
        """Send and read the whole answer."""
        exchange = _current.get()
        until = now() + (min(timeout, TIMEOUT_SECONDS) if isinstance(timeout, int | float) else TIMEOUT_SECONDS)
        if exchange:
            until = min(until, exchange.budget.soft_until)
        seconds = max(0.1, until - now())
        response = super().send(request, True, (seconds, seconds), verify, cert, proxies)
        response._content, response._content_consumed = _read(response, until), True
        if exchange:
            exchange.response = response
        return response


def _read(response: requests.Response, until: float) -> bytes:
    """Read what comes as it comes: a read of a given size would wait for as long as single bytes go on trickling in."""
    body = bytearray()
    try:
        while piece := response.raw.read1(8192, decode_content=True):
            body += piece
            if len(body) > MAX_ANSWER_BYTES:
                raise AnswerError("too_long")
            if now() > until:
                raise AnswerError("timeout")
    except HTTPError as error:
        response.close()
        raise AnswerError("closed") from error
    except AnswerError:
        response.close()
        raise
    return bytes(body)


def _as_it_is(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request


class Session(requests.Session):
    """A session that follows no redirect, and signs in with the account's own key and no other.

    A letter is posted to the address on the list, once.
    """

    def __init__(self) -> None:
        super().__init__()
        self.mount("https://", Adapter())
        self.mount("http://", Adapter())

    def request(self, *args: Any, **named: Any) -> requests.Response:
        """Send one request."""
        named["allow_redirects"] = False
        if named.get("auth") is None:
            named["auth"] = _as_it_is  # or a .netrc of this machine would speak for the account
        return super().request(*args, **named)


def how_it_broke(error: BaseException) -> str:
    """Return a key of `bounces.BREAKS` for a request that got no answer; by the kinds of errors in its chain."""
    chain = list(_causes(error))
    if cut := next((one for one in chain if type(one) is AnswerError), None):
        return str(cut.args[0])
    names = {type(one).__name__ for one in chain}
    if any(isinstance(one, ssl.SSLError) for one in chain) or names & {"SSLError"}:
        return "tls"
    if names & {"NameResolutionError", "gaierror"}:
        return "dns"
    if names & {"ConnectTimeoutError", "ConnectTimeout", "ReadTimeoutError", "ReadTimeout", "TimeoutError"}:
        return "timeout"
    if names & {"ConnectionRefusedError", "NewConnectionError", "EndpointConnectionError", "ProxyConnectionError"}:
        return "unreachable"
    return "closed"


def was_never_connected(error: BaseException) -> bool:
    """Return whether the errors prove that there was no connection to send anything over."""
    chain = list(_causes(error))
    names = {type(one).__name__ for one in chain}
    proofs = {"NewConnectionError", "NameResolutionError", "ConnectTimeoutError", "EndpointConnectionError"}
    return bool(names & proofs) or any(isinstance(one, ssl.SSLCertVerificationError) for one in chain)


def _causes(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    waiting: list[BaseException] = [error]
    while waiting:
        one = waiting.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        inner = [one.__cause__, one.__context__, getattr(one, "reason", None), *one.args]
        waiting += [more for more in inner if isinstance(more, BaseException)]


def parsed(body: str) -> Any:
    """Return an answer's JSON; None when it is none."""
    try:
        return json.loads(body)
    except ValueError:
        return None
