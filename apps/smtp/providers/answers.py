"""What a provider's answer means: a table from status, error code and text to an outcome, the narrow lines first."""

from __future__ import annotations

import re
from collections.abc import Container, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, Final

from apps.smtp import bounces
from apps.smtp.outcome import THROTTLED, Deferred, FailureClass, Outcome, Rejected, Reply, Stage, Unknown, one_line
from apps.smtp.providers.exchange import parsed

# Without a word about how long: a provider's smallest window is a second, a quota's an hour.
SHORT_WAIT: Final = timedelta(seconds=2)
QUOTA_WAIT: Final = timedelta(hours=1)
LONGEST_WAIT: Final = timedelta(hours=4)

F = FailureClass
ANY: Final = range(100, 1000)


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back that is no acceptance.

    Args:
        code: the provider's own name or number for it.
    """

    status: int
    code: str = ""
    text: str = ""
    retry_after: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Rule:
    """One line of the table: all given conditions must hold; patterns are regular expressions, empty matches all."""

    failure: FailureClass
    stage: Stage
    statuses: Container[int] = ANY
    provider: str = ""
    code: str = ""
    text: str = ""

    def matches(self, provider: str, answer: Answer) -> bool:
        """Return whether the answer is what the rule describes."""
        return (
            self.provider in ("", provider)
            and answer.status in self.statuses
            and (not self.code or re.fullmatch(self.code, answer.code, re.IGNORECASE) is not None)
            and (not self.text or re.search(self.text, answer.text, re.IGNORECASE) is not None)
        )


_SENDER_TEXT: Final = (
    r"(?:domain|sender|from|identity|signature)\b.{0,60}\b(?:not|un)[ -]?(?:been )?"
    r"(?:verified|confirmed|authori[sz]ed|allowed)"
    r"|not verified"
)
_SENDER_CODES: Final = (
    r"AccountSuspended\w*|SendingPaused\w*|MailFromDomainNotVerified\w*|AccessDenied\w*|UnrecognizedClient\w*"
    r"|Invalid(?:Signature|ClientTokenId)\w*|SignatureDoesNotMatch|ExpiredToken\w*|OptInRequired"
)
_SLOWER_CODES: Final = r"TooManyRequests\w*|Throttl\w*|LimitExceeded\w*"

RULES: Final[tuple[Rule, ...]] = (
    # Too fast, or the account's quota is used up.
    Rule(F.POLICY_RATE, Stage.MAIL, statuses=(429,)),
    Rule(F.POLICY_RATE, Stage.MAIL, provider="amazon_ses", statuses=range(400, 500), code=_SLOWER_CODES),
    Rule(F.POLICY_RATE, Stage.MAIL, provider="sparkpost", statuses=(420,)),
    # The account: its key, its money, or whom it may write as.
    Rule(F.ACCOUNT, Stage.AUTH, provider="amazon_ses", statuses=range(400, 500), code=_SENDER_CODES),
    Rule(F.ACCOUNT, Stage.AUTH, provider="mandrill", code=r"Invalid_Key|PaymentRequired|Unknown_Subaccount"),
    Rule(F.ACCOUNT, Stage.AUTH, provider="resend", code=r"(?:missing|invalid|restricted)_api_key|invalid_from_address"),
    Rule(F.ACCOUNT, Stage.AUTH, provider="postmark", statuses=(422,), code=r"40[0-5]|41[0-3]"),
    Rule(F.ACCOUNT, Stage.AUTH, provider="mailjet", statuses=range(400, 500), code=r"send-0008|mj-0002"),
    Rule(F.ACCOUNT, Stage.AUTH, provider="sparkpost", statuses=range(400, 500), code=r"7001"),
    Rule(F.ACCOUNT, Stage.AUTH, statuses=(400, 422), text=_SENDER_TEXT),
    Rule(F.ACCOUNT, Stage.AUTH, statuses=(401, 402, 403, 404, 405)),
    # The recipient, where the provider says that it is the recipient.
    Rule(F.TRANSIENT_RECIPIENT, Stage.RCPT, provider="postmark", statuses=(422,), code=r"406"),
    Rule(F.PERM_RECIPIENT, Stage.RCPT, provider="postmark", statuses=(422,), code=r"300", text=r"invalid 'to'"),
    Rule(F.PERM_RECIPIENT, Stage.RCPT, provider="mailgun", statuses=(400,), text=r"'?to'? parameter is not a valid"),
    Rule(F.PERM_RECIPIENT, Stage.RCPT, provider="brevo", statuses=(400,), text=r"email is not valid in to"),
    Rule(F.PERM_RECIPIENT, Stage.RCPT, provider="mailjet", statuses=(400,), code=r"mj-0013"),
    Rule(F.PERM_RECIPIENT, Stage.RCPT, provider="resend", statuses=(422,), text=r"invalid `to` field"),
    Rule(F.PERM_RECIPIENT, Stage.RCPT, provider="amazon_ses", statuses=(400,),
         text=r"illegal address|missing final '@domain'|invalid domain name|local address contains"),
    # The server did not get the whole request.
    Rule(F.TRANSIENT_DEST, Stage.MAIL, statuses=(408, 425)),
    # One whose errors all have the status 500 says which are the letter's.
    Rule(F.MESSAGE, Stage.DATA, provider="mandrill", statuses=(500,), code=r"ValidationError"),
    Rule(F.PROTOCOL, Stage.MAIL, statuses=range(100, 200)),
    Rule(F.PROTOCOL, Stage.MAIL, statuses=range(300, 400)),
    Rule(F.MESSAGE, Stage.DATA, statuses=range(400, 500)),
)  # fmt: skip
# It has seen this letter before, or may have: what became of that one nobody can say from here.
_AMBIGUOUS: Final = frozenset({409})


def judge(provider: str, answer: Answer) -> Outcome:
    """Return the outcome of a complete answer that is no acceptance."""
    reply = Reply(answer.status, "", answer.text or answer.code)
    found = None
    if answer.status not in _AMBIGUOUS:
        found = next((rule for rule in RULES if rule.matches(provider, answer)), None)
    if found is None:
        return Unknown(Stage.DOT, f"{reply}".strip())
    if found.failure is F.POLICY_RATE:
        wait = _wait(answer)
        return Deferred(found.stage, reply, found.failure, counted=False, retry_after=wait, reason=THROTTLED)
    effect = bounces.effect(found.failure)
    if effect.fails:
        return Rejected(found.stage, reply, found.failure)
    return Deferred(found.stage, reply, found.failure, effect.counted)


def refused_recipient(status: str, said: str) -> Rejected | None:
    """Return the outcome of an accepted request whose one recipient was refused; None when it was not."""
    match status:
        case "invalid":
            return Rejected(Stage.RCPT, Reply(200, "", said), F.PERM_RECIPIENT)
        case "rejected" | "failed":
            return Rejected(Stage.RCPT, Reply(200, "", said), F.TRANSIENT_RECIPIENT)
    return None


def _wait(answer: Answer) -> timedelta:
    if answer.retry_after is not None:
        return min(answer.retry_after, LONGEST_WAIT)
    is_quota = re.search(r"quota|daily|monthly|per (?:day|month|hour)", f"{answer.code} {answer.text}", re.IGNORECASE)
    return QUOTA_WAIT if is_quota or answer.status == 420 else SHORT_WAIT


def read(status: int, headers: Mapping[str, str], body: str) -> Answer:
    """Read an answer as any of the providers writes it."""
    code, text = _said(parsed(body))
    return Answer(
        status, one_line(code)[:80], one_line(text or ("" if "<" in body else body))[:400], _retry_after(headers)
    )


def _said(found: Any) -> tuple[str, str]:
    """Return the provider's code and its sentence, wherever they stand."""
    if isinstance(found, list):
        return _said(found[0]) if found else ("", "")
    if isinstance(found, str):
        return "", found
    if not isinstance(found, dict):
        return "", ""
    for inner in ("errors", "Errors", "Messages", "error"):
        if isinstance(found.get(inner), list | dict) and found[inner]:
            code, text = _said(found[inner])
            if code or text:
                return code, text
    code = next((found[name] for name in ("name", "ErrorCode", "code", "type", "field") if found.get(name)), "")
    names = ("message", "Message", "ErrorMessage", "description", "detail", "title", "error")
    text = next((found[name] for name in names if isinstance(found.get(name), str)), "")
    if not text:  # {"errors": {"to.0.email": ["…"]}}
        text = "; ".join(f"{name}: {_said(more)[1]}" for name, more in found.items() if isinstance(more, list))
    return str(code), text


def _retry_after(headers: Mapping[str, str]) -> timedelta | None:
    value = headers.get("Retry-After", headers.get("retry-after", "")).strip()
    if re.fullmatch(r"\d{1,6}(?:\.\d{1,6})?", value):
        return timedelta(seconds=float(value))
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    # Its own clock is the only one that its moment can be held against.
    try:
        said_at = parsedate_to_datetime(headers.get("Date", headers.get("date", "")))
    except ValueError:
        said_at = datetime.now(UTC)
    return max(timedelta(), moment - said_at)
