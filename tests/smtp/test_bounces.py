"""The classification table, row by row, with replies as servers really write them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.smtp import bounces, refusals
from apps.smtp.outcome import Deferred, FailureClass, Rejected, Reply, Stage
from apps.smtp.replies import parse

F = FailureClass


def reply_of(text: str) -> Reply:
    return parse([text.encode()])


RULES = [(number, rule, example) for number, rule in enumerate(bounces.table().rules) for example in rule.examples]


@pytest.mark.parametrize(("number", "rule", "example"), RULES, ids=[example[1][:50] for _, _, example in RULES])
def test_each_example_is_decided_by_the_rule_it_stands_at(
    number: int, rule: refusals.Rule, example: tuple[Stage, str]
) -> None:
    stage, text = example

    deciding = next(place for place, one in enumerate(bounces.table().rules) if one.matches(stage, reply_of(text)))

    assert deciding == number
    assert bounces.classify(stage, reply_of(text)) is rule.failure


def test_every_rule_has_an_example() -> None:
    assert [rule for rule in bounces.table().rules if not rule.examples] == []


# What must never cost a contact, however like an unknown recipient it looks.
OURS = [
    "550 5.1.1 <bounce@example.org>: Sender address rejected: User unknown in virtual mailbox table",
    "550 Sender address rejected: Domain not found",
    "550 5.1.8 <bounce@example.org>: Sender address rejected: Domain not found",
    "550 5.1.1 Blocked using Spamhaus: recipient not found",
    "550 5.7.515 Access denied, recipient unknown",
    "550 5.7.26 Unauthenticated email: user unknown",
    "550 5.7.1 Your account has been disabled",
    "550 Your account is disabled",
    "550 5.2.1 Your account has been suspended",
    "554 5.7.1 <mail.example.org>: Helo command rejected: Host not found",
    "530 5.7.0 Authentication required: user unknown",
    "535 5.1.1 User unknown",
    "550 5.4.5 Daily sending quota exceeded for this address: user unknown",
    "550 relaying denied, no such user here",
    "550 Requested action not taken: mailbox unavailable",
    "550 5.4.1 Recipient address rejected: Access denied",
    "550 Verification failed for <bounce@example.org> Called: 192.0.2.1 Response: 550 No Such User Here",
    "550 Verification failed for <bounce@example.org> No Such User Here Sender verify failed",
    "550 Sender verify failed: no such user here",
    "550 Sender callout: user unknown",
    "550 Sender unknown: No such user",
    "550 5.1.1 Sender does not exist: unknown user",
    "550 Invalid sender: no such address",
    "550 Return address unknown: no such user",
    "553 Sorry, that domain isn't in my list; unknown address of sender",
    "550 5.2.1 The user you are trying to contact is receiving mail at a rate that prevents additional messages",
    "550 5.2.1 The user you are trying to contact is receiving mail too quickly",
    "550 5.1.1 Recipient address rejected: rate limit exceeded",
    "550 5.1.1 Too many invalid recipients from your address, try again later",
    "550 Reverse DNS: address not found",
    "550 No PTR: address unknown",
    "550 Address rejected: HELO name not found",
    "550 5.1.1 <anna@example.com>: rejected, you are listed, see http://www.uceprotect.net",
    "550 5.1.1 Rejected: 192.0.2.1 is listed, user unknown",
    "550 5.1.1 Your IP address 192.0.2.1 is listed: user unknown",
    "550 5.1.1 Refused, listed at list.example.net: unknown user",
]


@pytest.mark.parametrize("text", OURS)
def test_our_own_trouble_is_never_taken_for_an_unknown_recipient(text: str) -> None:
    assert not bounces.suppresses(Stage.RCPT, bounces.classify(Stage.RCPT, reply_of(text)))


# What is an unknown recipient, however like trouble of ours it looks.
THEIRS = [
    "550 5.1.1 Recipient not listed in directory",
    "550 5.1.1 User anna (anna@example.com) not listed in Domino Directory",
    "550 5.1.1 User isn't listed in example.com.directory",
    "550 5.1.1 The address you entered is not listed: unlisted user",
    "550 5.1.1 anna@example.com is no longer listed at mail.example.com",
    "550 Callout verification failed: 550 User unknown",
    "550 Recipient verification failed for <anna@example.com>: no such user",
    "550 5.1.1 <ptr@example.com>: Recipient address rejected: User unknown in virtual mailbox table",
    "550 5.1.1 <anna@ptr.example.com>: user unknown",
    "550 5.2.1 The email account that you tried to reach is inactive",
    "550 5.1.1 The email account that you tried to reach does not exist. Please check the recipient's address",
    "550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient anna@example.com not found by SMTP address lookup",
    "550 No such person at this address; no such user",
    "550 Invalid recipient <anna@example.com>",
    "550 5.1.1 <anna@corporate-limited.example>: user unknown",
    "550 5.1.1 <anna@throttle.example>: user unknown",
]


@pytest.mark.parametrize("text", THEIRS)
def test_an_unknown_recipient_is_not_taken_for_trouble_of_ours(text: str) -> None:
    assert bounces.classify(Stage.RCPT, reply_of(text)) is F.PERM_RECIPIENT


def test_a_callout_over_several_lines_is_about_our_sender() -> None:
    lines = [b"550-Verification failed for <bounce@example.org>", b"550-No Such User Here", b"550 Sender verify failed"]

    assert bounces.classify(Stage.RCPT, parse(lines)) is F.ACCOUNT


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
    assert set(bounces.table().effects) == set(bounces.EXPLANATIONS) == set(F)
    assert all(str(words).endswith(".") for words in bounces.EXPLANATIONS.values())


def test_only_an_unknown_recipient_costs_a_contact_and_only_a_sign_in_an_account() -> None:
    effects = bounces.table().effects

    assert [failure for failure, does in effects.items() if does.contact == "suppress"] == [F.PERM_RECIPIENT]
    assert [failure for failure, does in effects.items() if does.account] == [F.ACCOUNT]
    assert [failure for failure, does in effects.items() if does.lane] == [
        F.TRANSIENT_DEST,
        F.POLICY_RATE,
        F.POLICY_REPUTATION,
    ]
    assert [failure for failure, does in effects.items() if does.max_tries] == [F.PROTOCOL]


def test_what_is_refused_before_the_letter_is_offered_never_counts() -> None:
    stages = [Stage.CONNECT, Stage.BANNER, Stage.EHLO, Stage.STARTTLS, Stage.AUTH, Stage.RESET, Stage.QUIT]

    assert not any(getattr(bounces.refused(stage, Reply(500, "", "What?")), "counted", False) for stage in stages)
    assert not any(bounces.interrupted(stage, "garbage").counted for stage in stages)
    assert bounces.interrupted(Stage.RCPT, "garbage").counted


# an installation's own rules


OWN = """
[texts]
odd = ['come back on (?:mon|tues)day']

[[rule]]
class = "transient_recipient"
codes = [550, "553-554"]
stages = ["recipient"]
text = "@odd"
"""


@pytest.fixture
def own_rules(tmp_path: Path) -> Iterator[Callable[[str], None]]:
    def write(text: str) -> None:
        path = tmp_path / "refusals.toml"
        path.write_text(text)
        bounces.extend(path)

    yield write
    (tmp_path / "empty.toml").write_text("")
    bounces.extend(tmp_path / "empty.toml")


def test_own_rules_stand_above_the_others(own_rules: Callable[[str], None]) -> None:
    odd = reply_of("550 5.1.1 Come back on Monday")
    assert bounces.classify(Stage.RCPT, odd) is F.PERM_RECIPIENT

    own_rules(OWN)

    assert bounces.classify(Stage.RCPT, odd) is F.TRANSIENT_RECIPIENT
    assert bounces.classify(Stage.DOT, odd) is F.PERM_RECIPIENT
    assert bounces.classify(Stage.RCPT, reply_of("550 5.1.1 No such user")) is F.PERM_RECIPIENT


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[[rule]", "no TOML"),
        ("[[rule]]\nclass = 'nonsense'", "Rule 1"),
        ("[[rule]]\nclass = 'quota'\ncodes = ['5x5']", "5x5"),
        ("[[rule]]\nclass = 'quota'\nstages = ['dinner']", "dinner"),
        ("[[rule]]\nclass = 'quota'\ntext = '@nobody'", "nobody"),
        ("[[rule]]\nclass = 'quota'\ntext = '('", "Rule 1"),
        ("[[rule]]\nclass = 'quota'\nwhen = 1", "unknown key 'when'"),
        ("[class.account]\ncontact = 'suppress'", "rules only"),
    ],
)
def test_own_rules_that_cannot_be_read_are_refused_with_the_place(
    own_rules: Callable[[str], None], text: str, says: str
) -> None:
    with pytest.raises(refusals.RefusalTableError, match=re.escape(says)) as refused:
        own_rules(text)

    assert "refusals.toml" in refused.value.message
    assert bounces.table().rules == refusals.built_in().rules


def test_the_page_says_what_every_class_does() -> None:
    page = (Path(__file__).parents[2] / "docs" / "operations" / "refusals.md").read_text()

    for failure, does in bounces.table().effects.items():
        (line,) = [line for line in page.splitlines() if line.startswith(f"| `{failure}`")]
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        assert cells[2].startswith(does.row), line
        assert cells[3].startswith(does.contact.removesuffix("s")), line
        assert cells[4:7] == [does.lane or "–", does.account or "–", does.campaign or "–"], line


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
