"""The kind that speaks to a provider's API: one letter, one request, never tried again by a machine on its own."""

from __future__ import annotations

import logging
from typing import Any

import requests
from anymail.exceptions import AnymailError

from apps.smtp import bounces
from apps.smtp.budget import Budget
from apps.smtp.config import TransportConfig
from apps.smtp.envelope import Envelope
from apps.smtp.outcome import Accepted, FailureClass, Outcome, Rejected, Reply, Stage, Unknown
from apps.smtp.providers import answers, exchange, letters, lines
from apps.smtp.providers.exchange import Exchange, NotOfferedError
from apps.smtp.providers.lines import Line
from apps.smtp.wire import Mark
from core.errors import EspError

log = logging.getLogger(__name__)


class ProviderCarrier:
    """Carries over the account's own connection to its provider."""

    def carry(self, config: TransportConfig, envelope: Envelope, *, budget: Budget, mark: Mark) -> Outcome:
        """Offer the envelope; the mark is asked for when everything is ready, before the first byte of the request.

        Up to there nothing was sent. From there only a complete answer, or proof that there was no connection, says
        anything else than "perhaps".
        """
        try:
            line = lines.opened(config)
        except EspError:  # not complete, or not to be decrypted: no fault of the letter's
            return bounces.interrupted(Stage.CONNECT, "not_configured")
        try:
            message = letters.written_for(line.provider, envelope, extra=line.extra)
            payload = line.backend.build_message_payload(message, {})
        except (AnymailError, ValueError) as error:
            lines.keep(line)
            return _cannot_travel(error)
        offered = Exchange(budget, mark)
        outcome: Outcome | None = None
        try:
            with exchange.under_way(offered):
                outcome = _offer(line, payload, message, offered, envelope)
        finally:
            if isinstance(outcome, Accepted | Rejected):
                lines.keep(line)
            else:
                line.close()
        return outcome


def _cannot_travel(error: Exception) -> Rejected:
    """Say no to a letter that this provider's API has no words for; nothing goes out."""
    text = f"{type(error).__name__}: {error}".splitlines()[0][:300]
    return Rejected(Stage.DATA, Reply(0, "", text), FailureClass.MESSAGE)


def _offer(line: Line, payload: Any, message: Any, offered: Exchange, envelope: Envelope) -> Outcome:
    try:
        if not hasattr(line.backend, "session") and not hasattr(line.backend, "client"):
            offered.cross()  # the backends of the tests send nothing
        response = line.backend.post_to_esp(payload, message)
    except NotOfferedError:
        return offered.withheld or Unknown(Stage.DOT, "unexpected")
    except (AnymailError, requests.RequestException) as error:
        return _without_acceptance(line, offered, error)
    if offered.response is not None and not offered.response.ok:  # some backends take a refusal for an answer
        return _judged(line, offered.response)
    return _accepted(line, payload, message, response, envelope)


def _without_acceptance(line: Line, offered: Exchange, error: Exception) -> Outcome:
    answer = _complete_answer(offered, error)
    if answer is not None and not 200 <= answer.status < 300:
        return answers.judge(line.provider.name, answer)
    reason = exchange.how_it_broke(error)
    if answer is not None:
        return Unknown(Stage.DOT, "garbage")
    if not offered.is_marked or exchange.was_never_connected(error):
        return bounces.interrupted(Stage.STARTTLS if reason == "tls" else Stage.CONNECT, reason)
    return Unknown(Stage.DOT, reason)


def _complete_answer(offered: Exchange, error: Exception) -> answers.Answer | None:
    if offered.response is not None:
        return _read(offered.response)
    found = getattr(error, "response", None)
    if not isinstance(found, dict):
        return None
    said, meta = found.get("Error", {}), found.get("ResponseMetadata", {})
    status, headers = int(meta.get("HTTPStatusCode", 0)), meta.get("HTTPHeaders", {})
    known = answers.read(status, headers, "")
    return answers.Answer(status, str(said.get("Code", "")), str(said.get("Message", ""))[:400], known.retry_after)


def _read(response: requests.Response) -> answers.Answer:
    return answers.read(response.status_code, response.headers, response.text)


def _judged(line: Line, response: requests.Response) -> Outcome:
    return answers.judge(line.provider.name, _read(response))


def _accepted(line: Line, payload: Any, message: Any, response: Any, envelope: Envelope) -> Outcome:
    try:
        statuses = line.backend.parse_recipient_status(response, payload, message)
        status = next(iter(statuses.values()))
        said = status.status or "unknown"
    except (AnymailError, KeyError, TypeError, ValueError, AttributeError, StopIteration) as error:
        log.warning("%s: an answer that cannot be read (%s)", line.provider.label, type(error).__name__)
        return Unknown(Stage.DOT, "garbage")
    if refused := answers.refused_recipient(said, f"{line.provider.label}: {said}"):
        return refused
    named = f", {status.message_id}" if status.message_id else ""
    return Accepted(Reply(200, "", f"{line.provider.label}: {said}{named}"))
