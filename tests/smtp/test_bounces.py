"""The classification table, row by row, with replies as servers really write them."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.smtp import bounces
from apps.smtp.outcome import Deferred, FailureClass, Rejected, Reply, Stage
from apps.smtp.replies import parse

F = FailureClass


def reply_of(text: str) -> Reply:
    return parse([text.encode()])


SEEN = [
    # perm_recipient: at RCPT only, and only what says that the recipient is the trouble
    (Stage.RCPT, "550 5.1.1 The email account that you tried to reach does not exist", F.PERM_RECIPIENT),
    (Stage.RCPT, "550 5.1.10 RESOLVER.ADR.RecipientNotFound", F.PERM_RECIPIENT),
    (Stage.RCPT, "556 5.1.10 Domain has a null MX", F.PERM_RECIPIENT),
    (Stage.RCPT, "550 5.2.1 The email account is disabled", F.PERM_RECIPIENT),
    (Stage.RCPT, "550 No such user here", F.PERM_RECIPIENT),
    (Stage.RCPT, "550 Requested action not taken: mailbox unavailable", F.PERM_RECIPIENT),
    (Stage.RCPT, "550 5.1.0 Address rejected: user unknown", F.PERM_RECIPIENT),
    (Stage.DOT, "550 5.1.1 User unknown", F.PERM_RECIPIENT),
    # not the recipient, whatever the first digit says
    (Stage.RCPT, "550 Rejected", F.TRANSIENT_RECIPIENT),
    (Stage.RCPT, "550 5.4.1 Recipient address rejected: Access denied", F.TRANSIENT_RECIPIENT),
    (Stage.RCPT, "554 5.7.1 Service unavailable; blocked using zen.spamhaus.org", F.POLICY_REPUTATION),
    (Stage.RCPT, "554 5.7.1 <a@b.example>: Relay access denied", F.ACCOUNT),
    (Stage.RCPT, "550 5.7.54 SMTP; Unable to relay recipient in non-accepted domain", F.ACCOUNT),
    (Stage.RCPT, "530 5.7.0 Authentication required", F.ACCOUNT),
    # quota
    (Stage.RCPT, "452 4.2.2 The email account that you tried to reach is over quota", F.QUOTA),
    (Stage.RCPT, "552 5.2.2 Mailbox full", F.QUOTA),
    (Stage.RCPT, "550 Mailbox is full", F.QUOTA),
    (Stage.DOT, "452 4.3.1 Insufficient system storage", F.QUOTA),
    # passing, about this recipient
    (Stage.RCPT, "450 4.2.0 Greylisted, see https://example.org", F.TRANSIENT_RECIPIENT),
    (Stage.RCPT, "451 4.7.1 Greylisting in action, please come back in 300 seconds", F.TRANSIENT_RECIPIENT),
    (Stage.RCPT, "451 4.7.1 Please try again later", F.TRANSIENT_RECIPIENT),
    (Stage.RCPT, "450 4.2.1 Mailbox busy", F.TRANSIENT_RECIPIENT),
    # passing, about the way there
    (Stage.RCPT, "421 4.3.2 Service shutting down", F.TRANSIENT_DEST),
    (Stage.DATA, "451 4.3.0 Temporary system problem", F.TRANSIENT_DEST),
    (Stage.RCPT, "450 4.4.3 Host not found, try again", F.TRANSIENT_DEST),
    # rate
    (Stage.MAIL, "421 4.7.0 [TSS04] Messages from 192.0.2.1 temporarily deferred", F.POLICY_RATE),
    (Stage.DOT, "421 4.7.28 Our system has detected an unusual rate of mail", F.POLICY_RATE),
    (Stage.BANNER, "421 4.7.0 Too many connections from your host", F.POLICY_RATE),
    (Stage.MAIL, "451 4.7.650 The mail server has been temporarily rate limited", F.POLICY_RATE),
    (Stage.CONNECT, "451 Server busy. Please try again later", F.POLICY_RATE),
    # our domain's records
    (Stage.DOT, "550 5.7.26 This mail is unauthenticated", F.POLICY_AUTH),
    (Stage.DOT, "421 4.7.26 This mail is unauthenticated", F.POLICY_AUTH),
    (Stage.DOT, "550 5.7.515 Access denied, sending domain does not meet the required level", F.POLICY_AUTH),
    (Stage.RCPT, "550 5.7.1 Unauthenticated email from example.org is not accepted due to DMARC", F.POLICY_AUTH),
    (Stage.MAIL, "451 4.7.23 The sending IP does not have a PTR record", F.POLICY_AUTH),
    # reputation and content
    (Stage.DOT, "554 5.7.1 [BL] Blacklisted", F.POLICY_REPUTATION),
    (Stage.DOT, "554 Message rejected: content looks like spam", F.POLICY_REPUTATION),
    # the letter
    (Stage.MAIL, "552 5.3.4 Message size exceeds fixed limit", F.MESSAGE),
    (Stage.DOT, "552 Message exceeds maximum size", F.MESSAGE),
    (Stage.DOT, "554 5.6.0 Malformed message", F.MESSAGE),
    # the account
    (Stage.AUTH, "535 5.7.8 Username and Password not accepted", F.ACCOUNT),
    (Stage.AUTH, "454 4.7.0 Temporary authentication failure", F.ACCOUNT),
    (Stage.AUTH, "504 5.5.4 Mechanism not supported", F.ACCOUNT),
    (Stage.MAIL, "550 5.1.8 Sender not allowed", F.ACCOUNT),
    (Stage.MAIL, "553 Sender address rejected: not owned by user", F.ACCOUNT),
    (Stage.DOT, "550 5.4.5 Daily user sending limit exceeded", F.ACCOUNT),
    (Stage.RCPT, "452 4.5.3 You have exceeded your daily sending quota", F.ACCOUNT),
    (Stage.BANNER, "554 No SMTP service here", F.ACCOUNT),
    # the protocol
    (Stage.RCPT, "503 5.5.1 Bad sequence of commands", F.PROTOCOL),
    (Stage.MAIL, "555 5.5.4 Parameters not recognised", F.PROTOCOL),
    (Stage.DATA, "250 What?", F.PROTOCOL),
    (Stage.EHLO, "502 Not implemented", F.PROTOCOL),
]


@pytest.mark.parametrize(("stage", "text", "failure"), SEEN, ids=lambda value: str(value)[:40])
def test_a_reply_means_what_the_table_says(stage: Stage, text: str, failure: FailureClass) -> None:
    assert bounces.classify(stage, reply_of(text)) is failure


@given(
    stage=st.sampled_from(Stage),
    code=st.integers(-1, 599),
    enhanced=st.sampled_from(["", "5.1.1", "4.2.2", "5.7.1", "5.7.26", "4.7.1", "5.5.1", "5.3.4"]),
    text=st.text(max_size=60),
)
def test_every_refusal_has_exactly_one_outcome_and_only_rcpt_suppresses(
    stage: Stage, code: int, enhanced: str, text: str
) -> None:
    outcome = bounces.refused(stage, Reply(code, enhanced, text))

    assert isinstance(outcome, Deferred | Rejected)
    assert isinstance(outcome, Deferred) or 500 <= code < 600
    if bounces.suppresses(stage, outcome.failure):
        assert stage is Stage.RCPT
        assert isinstance(outcome, Rejected)


def test_no_code_below_500_and_nothing_about_us_ever_ends_a_letter() -> None:
    about_us = [F.TRANSIENT_DEST, F.POLICY_RATE, F.POLICY_AUTH, F.ACCOUNT, F.PROTOCOL, F.AMBIGUOUS]

    assert [failure for failure in F if not bounces.effect(failure).fails] == about_us
    assert [failure for failure in F if bounces.effect(failure).pauses_campaign] == [F.POLICY_AUTH]
    assert [failure for failure in F if not bounces.effect(failure).counted] == about_us[:4]


def test_every_class_has_an_effect_and_words() -> None:
    assert set(bounces.EFFECTS) == set(bounces.EXPLANATIONS) == set(F)
    assert all(str(words).endswith(".") for words in bounces.EXPLANATIONS.values())


@pytest.mark.parametrize(
    ("text", "wait"),
    [
        ("451 4.7.1 Greylisted, please come back in 300 seconds", timedelta(minutes=5)),
        ("450 4.2.0 Try again after 15 minutes", timedelta(minutes=15)),
        ("450 4.2.0 Try again after 9999 minutes", timedelta(hours=4)),
        ("450 4.2.0 Try again later", None),
    ],
)
def test_a_wait_that_the_server_asks_for_is_heard(text: str, wait: timedelta | None) -> None:
    outcome = bounces.refused(Stage.RCPT, reply_of(text))

    assert isinstance(outcome, Deferred)
    assert outcome.retry_after == wait
