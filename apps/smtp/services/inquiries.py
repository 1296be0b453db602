"""Tests an account with a provider: a question that only a good key is answered, and no letter."""

from __future__ import annotations

import time
from typing import Any

import requests
from django.utils.translation import gettext as _

from apps.smtp.config import TransportConfig
from apps.smtp.outcome import Stage
from apps.smtp.providers import answers, exchange, lines, questions
from apps.smtp.providers.lines import Line
from apps.smtp.services.probe import Probe
from core.errors import EspError


def inquire(config: TransportConfig) -> Probe:
    """Ask the account's provider whether it knows the key."""
    try:
        line = lines.opened(config)
    except EspError as error:
        return Probe(Stage.CONNECT, error.message)
    begun = time.monotonic()
    try:
        found = _asked_ses(line) if line.provider.name == "amazon_ses" else _asked(line)
    except requests.RequestException as error:
        return _unanswered(line, exchange.how_it_broke(error))
    finally:
        line.close()
    took = int((time.monotonic() - begun) * 1000)
    if found is None:
        words = _("%(provider)s has no question that only a good key is answered. The first email proves it.")
        return Probe(None, words % {"provider": line.provider.label}, is_proof=False)
    return _judged(line, found, took)


def _asked(line: Line) -> answers.Answer | None:
    response = questions.ask(line)
    return answers.read(response.status_code, response.headers, response.text) if response is not None else None


def _asked_ses(line: Line) -> answers.Answer:
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        line.backend.client.get_account()
    except ClientError as error:
        said: Any = error.response
        status = int(said.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
        return answers.Answer(status, str(said["Error"].get("Code", "")), str(said["Error"].get("Message", ""))[:400])
    except BotoCoreError as error:
        raise requests.ConnectionError from error
    return answers.Answer(200)


def _unanswered(line: Line, reason: str) -> Probe:
    words = {"provider": line.provider.label}
    if reason == "tls":
        return Probe(Stage.STARTTLS, _("The encryption to %(provider)s failed: its certificate is not valid.") % words)
    return Probe(
        Stage.CONNECT,
        _("%(provider)s cannot be reached from this machine. Most often a firewall or its name server is the cause.")
        % words,
    )


def _judged(line: Line, answer: answers.Answer, took: int) -> Probe:
    words = {"provider": line.provider.label, "status": answer.status}
    shown = f"{answer.status} {answer.text or answer.code}".strip()
    if 200 <= answer.status < 300:
        return Probe(None, _("%(provider)s knows this key.") % words, milliseconds=took)
    if _may_only_send(line, answer):
        return Probe(
            None,
            _("%(provider)s knows this key and lets it do nothing but send, which is all it needs.") % words,
            milliseconds=took,
        )
    if answer.status == 429:
        return Probe(Stage.MAIL, _("%(provider)s asks us to wait. Try again in a minute.") % words, shown, took)
    if 400 <= answer.status < 500 or answer.code == "Invalid_Key":
        text = _("%(provider)s refuses this key. Check that all of it was copied, and that the region is right.")
        return Probe(Stage.AUTH, text % words, shown, took)
    text = _("%(provider)s answered with an error of its own (%(status)s). Try again in a minute.")
    return Probe(Stage.MAIL, text % words, shown, took)


def _may_only_send(line: Line, answer: answers.Answer) -> bool:
    if line.provider.name == "amazon_ses":
        return answer.code.startswith("AccessDenied")
    question = questions.QUESTIONS.get(line.provider.name)
    return answer.code == "restricted_api_key" or (question is not None and answer.status in question.restricted)
