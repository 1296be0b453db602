"""What may happen to a letter that was offered to a server: values, never exceptions."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Final, Literal

_UNPRINTABLE: Final = re.compile("[\x00-\x20\x7f-\x9f\ud800-\udfff\ufffe\uffff]+")

THROTTLED = "throttled"
"""The reason of a `Deferred` that asks for fewer letters from the account as a whole."""


def one_line(text: str) -> str:
    """Return the text fit for a database column and a log: PostgreSQL refuses NUL, UTF-8 half of a surrogate pair."""
    return _UNPRINTABLE.sub(" ", text).strip()


class Stage(StrEnum):
    """Where in the conversation with a server something happened."""

    CONNECT = "connect"
    BANNER = "banner"
    EHLO = "ehlo"
    STARTTLS = "starttls"
    AUTH = "auth"
    MAIL = "mail"
    RCPT = "rcpt"
    DATA = "data"
    BODY = "body"
    DOT = "dot"
    RESET = "reset"
    QUIT = "quit"


class FailureClass(StrEnum):
    """What a failure is about, and so what is done about it; see `refusals.toml`."""

    PERM_RECIPIENT = "perm_recipient"
    QUOTA = "quota"
    TRANSIENT_RECIPIENT = "transient_recipient"
    TRANSIENT_DEST = "transient_dest"
    POLICY_RATE = "policy_rate"
    POLICY_AUTH = "policy_auth"
    POLICY_REPUTATION = "policy_reputation"
    MESSAGE = "message"
    ACCOUNT = "account"
    PROTOCOL = "protocol"
    RENDER = "render"
    AMBIGUOUS = "ambiguous"


@dataclass(frozen=True, slots=True)
class Reply:
    """A complete answer of a server; code 0 means that our own side said it without asking.

    Args:
        code: the three digits.
        enhanced: the enhanced status (RFC 3463), or empty.
        text: one line, without control characters (taken out here, whoever made it) and the enhanced status.
    """

    code: int
    enhanced: str
    text: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "enhanced", one_line(self.enhanced))
        object.__setattr__(self, "text", one_line(self.text))

    def __str__(self) -> str:
        return " ".join(part for part in (str(self.code) if self.code else "", self.enhanced, self.text) if part)


@dataclass(frozen=True, slots=True)
class Accepted:
    """The server took the letter."""

    reply: Reply


@dataclass(frozen=True, slots=True)
class Deferred:
    """Certainly not sent; worth another try later.

    Args:
        counted: whether this try counts against the letter's attempts.
        retry_after: what the server asked for, if it did.
        reason: for machines, when there was no reply: timeout, closed, garbage, tls …
    """

    stage: Stage
    reply: Reply | None
    failure: FailureClass
    counted: bool
    retry_after: timedelta | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Rejected:
    """Certainly not sent, and trying again would change nothing."""

    stage: Stage
    reply: Reply
    failure: FailureClass


@dataclass(frozen=True, slots=True)
class Unknown:
    """The final dot was, or may have been, sent and no complete reply came: perhaps delivered."""

    stage: Stage
    reason: str


@dataclass(frozen=True, slots=True)
class Withheld:
    """Certainly not sent, by our own decision: the mark refused, no time for a reply, a stall after it, a stop."""

    reason: Literal["refused", "no_time", "stalled", "stopped"]
    marked: bool


Outcome = Accepted | Deferred | Rejected | Unknown | Withheld
