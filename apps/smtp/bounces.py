"""What a refusal means: an ordered table from stage, code, enhanced status and text to a class with its effects."""

from __future__ import annotations

import re
from collections.abc import Container
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from apps.smtp.outcome import Deferred, FailureClass, Rejected, Reply, Stage

__all__ = [
    "EFFECTS",
    "EXPLANATIONS",
    "RULES",
    "Effect",
    "FailureClass",
    "Rule",
    "classify",
    "effect",
    "interrupted",
    "refused",
    "suppresses",
]

PASSING: Final = range(400, 500)
PERMANENT: Final = range(500, 600)
ANY_CODE: Final = range(-1, 1000)

EVERY_STAGE: Final = frozenset(Stage)
GREETING: Final = frozenset({Stage.CONNECT, Stage.BANNER, Stage.EHLO})
SIGN_IN: Final = frozenset({Stage.STARTTLS, Stage.AUTH})
OFFERED: Final = frozenset({Stage.MAIL, Stage.RCPT, Stage.DATA, Stage.BODY, Stage.DOT})
SENDER: Final = frozenset({Stage.MAIL, Stage.RESET, Stage.QUIT})
RECIPIENT: Final = frozenset({Stage.RCPT})
RECIPIENT_ON: Final = frozenset({Stage.RCPT, Stage.DATA, Stage.BODY, Stage.DOT})

GREYLIST_TEXT: Final = r"gr[ae]y-?\s?list"
RATE_TEXT: Final = (
    r"unusual rate|\[(?:ip)?ts[s0-9][0-9]+\]|temporarily deferred|server busy"
    r"|too many (?:connections|concurrent|sessions|messages|errors)"
    r"|rate.?limit|throttl|too (?:fast|frequent)|(?:sent|received) too many|connection (?:limit|rate)"
)
BLOCK_TEXT: Final = (
    r"spamhaus|barracuda|spamcop|block.?list|black.?list|\bdnsbl\b|\brbl\b|\[bl\]|reputation"
    r"|\bspam\b|content rejected|message rejected|unsolicited|abuse"
)
UNAUTHENTICATED_TEXT: Final = r"unauthenticated|\bdmarc\b|\bspf\b (?:check|fail)|\bdkim\b|5\.7\.515|reverse dns|\bptr\b"
DAILY_TEXT: Final = (
    r"daily (?:\w+ ){0,2}(?:limit|quota)|(?:limit|quota) (?:\w+ ){0,2}per day|sending (?:limit|quota)"
    r"|(?:account|user) (?:is )?(?:suspended|disabled for sending)"
)
RELAY_TEXT: Final = (
    r"relay(?:ing)? (?:access )?(?:denied|not (?:permitted|allowed)|prohibited)|unable to relay"
    r"|authentication (?:is )?required"
)
UNKNOWN_USER_TEXT: Final = (
    r"(?:user|recipient|mailbox|address|account)[^.]{0,60}"
    r"(?:unknown|not found|does(?: not|n't) exist|not exist|invalid|unavailable|disabled)"
    r"|(?:unknown|no such|invalid|non-?existent) (?:\w+ )?(?:user|recipient|mailbox|address|account)"
)
FULL_TEXT: Final = r"mailbox (?:is )?full|over ?quota|quota (?:is )?exceeded|exceeded (?:\w+ ){0,3}(?:storage|quota)"
SIZE_TEXT: Final = r"too (?:big|large|long)|(?:message|maximum) size|size (?:limit|exceed)|exceeds? (?:\w+ ){0,4}size"


@dataclass(frozen=True, slots=True)
class Rule:
    """One line of the table: all given conditions must hold; patterns are regular expressions, empty matches all."""

    failure: FailureClass
    codes: Container[int] = ANY_CODE
    stages: frozenset[Stage] = EVERY_STAGE
    enhanced: str = ""
    text: str = ""

    def matches(self, stage: Stage, reply: Reply) -> bool:
        """Return whether the reply at this stage is what the rule describes."""
        return (
            stage in self.stages
            and reply.code in self.codes
            and (not self.enhanced or re.fullmatch(self.enhanced, reply.enhanced) is not None)
            and (not self.text or re.search(self.text, reply.text, re.IGNORECASE) is not None)
        )


F = FailureClass

# The first rule that matches decides, so the narrow ones stand above the broad ones.
RULES: Final[tuple[Rule, ...]] = (
    # What only our own side, or a server that broke the protocol, can have caused.
    Rule(F.PROTOCOL, codes=range(-1, 400)),
    # Before a letter is offered every refusal is about us.
    Rule(F.POLICY_RATE, codes=PASSING, stages=GREETING | SIGN_IN, text=RATE_TEXT),
    Rule(F.TRANSIENT_DEST, codes=(421,), stages=GREETING | SIGN_IN),
    Rule(F.ACCOUNT, codes=range(400, 600), stages=SIGN_IN),
    Rule(F.TRANSIENT_DEST, codes=PASSING, stages=GREETING),
    Rule(F.PROTOCOL, codes=range(500, 505), stages=GREETING),
    Rule(F.ACCOUNT, codes=PERMANENT, stages=GREETING),
    # The account: not signed in, or its own limit is reached.
    Rule(F.ACCOUNT, codes=(530, 534, 535, 538)),
    Rule(F.ACCOUNT, enhanced=r"[45]\.4\.5|5\.7\.8|5\.7\.9"),
    Rule(F.ACCOUNT, text=DAILY_TEXT),
    Rule(F.ACCOUNT, codes=PERMANENT, text=RELAY_TEXT),
    Rule(F.ACCOUNT, codes=PERMANENT, enhanced=r"5\.1\.[78]"),
    # Our domain is not set up: never the recipient's fault.
    Rule(F.POLICY_AUTH, enhanced=r"[45]\.7\.(?:23|25|26|27|29|30|31|32|40|515)"),
    Rule(F.POLICY_AUTH, enhanced=r"[45]\.7\.\d+", text=UNAUTHENTICATED_TEXT),
    Rule(F.POLICY_AUTH, text=r"\b5\.7\.515\b"),
    # Passing trouble, most particular first.
    Rule(F.TRANSIENT_RECIPIENT, codes=(450, 451, 452, 454), text=GREYLIST_TEXT),
    Rule(F.POLICY_RATE, codes=PASSING, text=RATE_TEXT),
    Rule(F.POLICY_RATE, codes=PASSING, enhanced=r"4\.7\.(?:28|650|651)"),
    Rule(F.POLICY_REPUTATION, codes=PASSING, text=BLOCK_TEXT),
    Rule(F.TRANSIENT_DEST, codes=(421,)),
    # The letter itself.
    Rule(F.MESSAGE, enhanced=r"[45]\.3\.4|5\.6\.\d+"),
    Rule(F.MESSAGE, codes=(552,), stages=OFFERED - RECIPIENT, text=SIZE_TEXT),
    # A full mailbox, or a full system.
    Rule(F.QUOTA, stages=RECIPIENT_ON, enhanced=r"[45]\.2\.[23]|4\.3\.1"),
    Rule(F.QUOTA, stages=RECIPIENT_ON, codes=(422, 450, 452, 550, 552), text=FULL_TEXT),
    Rule(F.QUOTA, codes=(552,), stages=RECIPIENT_ON),
    Rule(F.ACCOUNT, codes=(552,), stages=SENDER, enhanced=r"5\.2\.\d+"),
    Rule(F.MESSAGE, codes=(552,)),
    # Words that were not understood.
    Rule(F.PROTOCOL, codes=(500, 501, 502, 503, 504, 555)),
    Rule(F.PROTOCOL, codes=PERMANENT, enhanced=r"5\.5\.\d+"),
    # The sender as such.
    Rule(F.ACCOUNT, codes=PERMANENT, stages=SENDER),
    Rule(F.TRANSIENT_RECIPIENT, codes=PASSING, stages=SENDER, enhanced=r"4\.7\.1"),
    Rule(F.TRANSIENT_DEST, codes=PASSING, stages=SENDER),
    # The recipient does not exist.
    Rule(F.PERM_RECIPIENT, codes=PERMANENT, stages=RECIPIENT_ON, enhanced=r"5\.1\.(?:1|2|3|6|10)|5\.2\.1|5\.7\.13"),
    Rule(F.POLICY_REPUTATION, codes=PERMANENT, enhanced=r"5\.7\.\d+"),
    Rule(F.POLICY_REPUTATION, codes=PERMANENT, text=BLOCK_TEXT),
    Rule(F.PERM_RECIPIENT, codes=(550, 551, 553), stages=RECIPIENT, enhanced=r"|5\.[01]\.0", text=UNKNOWN_USER_TEXT),
    # What is left, by its first digit.
    Rule(F.TRANSIENT_RECIPIENT, codes=PASSING, stages=RECIPIENT, enhanced=r"4\.7\.1"),
    Rule(F.TRANSIENT_DEST, codes=PASSING, enhanced=r"4\.[34]\.\d+"),
    Rule(F.TRANSIENT_RECIPIENT, codes=PASSING),
    Rule(F.TRANSIENT_RECIPIENT, codes=(550, 551, 553, 556), stages=RECIPIENT, enhanced=r"|5\.[0124]\.\d+"),
    Rule(F.POLICY_REPUTATION, codes=PERMANENT),
    Rule(F.PROTOCOL),
)


@dataclass(frozen=True, slots=True)
class Effect:
    """What a class does to the row and to the contact.

    Args:
        fails: a 5xx ends the row; otherwise it always goes back to the queue.
        counted: a try counts against the letter's attempts.
        max_attempts: after this many the row fails whatever the schedule says; 0 means the schedule alone decides.
        pauses_campaign: nothing of this campaign can get through until a person acts.
    """

    fails: bool
    counted: bool
    max_attempts: int = 0
    pauses_campaign: bool = False


EFFECTS: Final[dict[FailureClass, Effect]] = {
    F.PERM_RECIPIENT: Effect(fails=True, counted=True),
    F.QUOTA: Effect(fails=True, counted=True),
    F.TRANSIENT_RECIPIENT: Effect(fails=True, counted=True),
    F.TRANSIENT_DEST: Effect(fails=False, counted=False),
    F.POLICY_RATE: Effect(fails=False, counted=False),
    F.POLICY_AUTH: Effect(fails=False, counted=False, pauses_campaign=True),
    F.POLICY_REPUTATION: Effect(fails=True, counted=True),
    F.MESSAGE: Effect(fails=True, counted=True),
    F.ACCOUNT: Effect(fails=False, counted=False),
    F.PROTOCOL: Effect(fails=False, counted=True, max_attempts=3),
    F.RENDER: Effect(fails=True, counted=True),
    F.AMBIGUOUS: Effect(fails=False, counted=True),
}

EXPLANATIONS: Final[dict[FailureClass, Promise]] = {
    F.PERM_RECIPIENT: _("The address does not exist or takes no mail. We will not write to it again."),
    F.QUOTA: _("The recipient's mailbox is full."),
    F.TRANSIENT_RECIPIENT: _("The receiving server could not take this email for this address."),
    F.TRANSIENT_DEST: _("The receiving side could not be reached or was not ready. We try again."),
    F.POLICY_RATE: _("The receiving server asks us to send more slowly. We try again."),
    F.POLICY_AUTH: _(
        "The receiving server does not believe that the email is yours: check the DNS records of the sending domain."
    ),
    F.POLICY_REPUTATION: _("The receiving server refused the email because of its content or the sender's reputation."),
    F.MESSAGE: _("The email itself was refused, for example because it is too big."),
    F.ACCOUNT: _("The sending account cannot send: check its name, password, encryption and limits."),
    F.PROTOCOL: _("The server answered in a way that makes no sense."),
    F.RENDER: _("The email could not be made for this contact: check the template and the contact's fields."),
    F.AMBIGUOUS: _("The connection broke at the last moment. The email may have arrived; nobody can know."),
}

# How a conversation can break without a reply.
BREAKS: Final[dict[str, FailureClass]] = {
    "timeout": F.TRANSIENT_DEST,
    "closed": F.TRANSIENT_DEST,
    "unreachable": F.TRANSIENT_DEST,
    "dns": F.TRANSIENT_DEST,
    "pool_full": F.TRANSIENT_DEST,
    "garbage": F.PROTOCOL,
    "too_long": F.PROTOCOL,
    "unexpected": F.PROTOCOL,
    "tls": F.ACCOUNT,
    "starttls_not_offered": F.ACCOUNT,
    "auth_not_offered": F.ACCOUNT,
    "address_refused": F.ACCOUNT,
    "not_configured": F.ACCOUNT,
}

_WAIT = re.compile(r"(?:in|after|within|for)\s+(\d{1,5})\s*(s|sec|secs|seconds?|m|min|mins|minutes?)\b", re.IGNORECASE)
_LONGEST_WAIT = timedelta(hours=4)


def classify(stage: Stage, reply: Reply) -> FailureClass:
    """Return what a refusal is about."""
    return next(rule.failure for rule in RULES if rule.matches(stage, reply))


def effect(failure: FailureClass) -> Effect:
    """Return what the class does to the row."""
    return EFFECTS[failure]


def suppresses(stage: Stage, failure: FailureClass) -> bool:
    """Return whether the contact must never be written to again: only an unknown recipient, only at RCPT."""
    return stage is Stage.RCPT and failure is FailureClass.PERM_RECIPIENT


def refused(stage: Stage, reply: Reply) -> Deferred | Rejected:
    """Return the outcome of a complete reply that is not the one hoped for; the letter was certainly not taken."""
    failure = classify(stage, reply)
    consequence = EFFECTS[failure]
    if consequence.fails and reply.code in PERMANENT:
        return Rejected(stage, reply, failure)
    return Deferred(stage, reply, failure, consequence.counted, retry_after=_wait_asked_for(reply))


def interrupted(stage: Stage, reason: str) -> Deferred:
    """Return the outcome of a conversation that broke before the dot, without a reply."""
    failure = BREAKS[reason]
    return Deferred(stage, None, failure, EFFECTS[failure].counted, reason=reason)


def _wait_asked_for(reply: Reply) -> timedelta | None:
    found = _WAIT.search(reply.text)
    if reply.code not in PASSING or not found:
        return None
    number = int(found[1])
    asked = timedelta(minutes=number) if found[2].lower().startswith("m") else timedelta(seconds=number)
    return min(asked, _LONGEST_WAIT)
