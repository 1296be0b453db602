"""A harmless question to each provider that only a good key is answered: how an account is tested without a letter."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urljoin

import requests

from apps.smtp.providers.lines import Line

# Somebody looks at a page meanwhile.
PATIENCE_SECONDS: Final = 12.0
Options = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Question:
    """One request.

    Args:
        path: below the address of the API.
        restricted: statuses with which a good key is told that it may do nothing but send.
    """

    path: str
    method: str = "GET"
    headers: Callable[[Options], dict[str, str]] = field(default=lambda _options: {})
    sign_in: Callable[[Options], tuple[str, str] | None] = field(default=lambda _options: None)
    body: Callable[[Options], dict[str, str] | None] = field(default=lambda _options: None)
    restricted: frozenset[int] = frozenset({403})


def _bearer(name: str) -> Callable[[Options], dict[str, str]]:
    return lambda options: {"Authorization": f"Bearer {options[name]}"}


def _header(header: str, name: str) -> Callable[[Options], dict[str, str]]:
    return lambda options: {header: options[name]}


# Providers without one are proved by their first letter.
QUESTIONS: Final[dict[str, Question]] = {
    "brevo": Question("account", headers=_header("api-key", "api_key")),
    "mailersend": Question("domains?limit=10", headers=_bearer("api_token")),
    "mailgun": Question("domains?limit=1", sign_in=lambda options: ("api", options["api_key"])),
    "mailjet": Question(
        "../v3/REST/sender?Limit=1", sign_in=lambda options: (options["api_key"], options["secret_key"])
    ),
    "mandrill": Question("users/ping2.json", "POST", body=lambda options: {"key": options["api_key"]}),
    "postmark": Question("server", headers=_header("X-Postmark-Server-Token", "server_token")),
    "resend": Question("domains", headers=_bearer("api_key")),
    "scaleway": Question("domains?page_size=1", headers=_header("X-Auth-Token", "secret_key")),
    "sendgrid": Question("scopes", headers=_bearer("api_key")),
    "sparkpost": Question("account", headers=_header("Authorization", "api_key")),
    "unisender_go": Question("system/info.json", "POST", body=lambda options: {"api_key": options["api_key"]}),
}


def ask(line: Line) -> requests.Response | None:
    """Ask the account's provider; None where it has no such question.

    Raises:
        requests.RequestException: it did not answer.
    """
    question = QUESTIONS.get(line.provider.name)
    if question is None:
        return None
    session: Any = line.backend.session
    answered: requests.Response = session.request(
        question.method,
        urljoin(line.backend.api_url, question.path),
        headers={"Accept": "application/json", **question.headers(line.options)},
        auth=question.sign_in(line.options),
        json=question.body(line.options),
        timeout=PATIENCE_SECONDS,
    )
    return answered
