"""Every fault at every stage ends in one outcome, decided by the classification table and never by luck (F14)."""

from __future__ import annotations

import dataclasses
import select
from collections.abc import Callable

import pytest

from apps.smtp import bounces
from apps.smtp.budget import Budget
from apps.smtp.outcome import Accepted, Deferred, FailureClass, Outcome, Rejected, Stage, Unknown
from apps.smtp.pool import Pool
from apps.smtp.services import post_office
from tests.fault_server import Fault, FaultServer
from tests.smtp.conftest import BODY, PATIENT, SHORT, budget, letter, to, yes

F = FailureClass

BREAKS = ("drop", "rst", "hang", "trickle", "flood", "garbage")
PASSING = ("421 4.3.2 Closing", "450 Try later", "451 4.2.0 Try later", "452 4.2.0 Try later")
PERMANENT = (
    "550 5.1.1 No such user",
    "550 5.7.1 Refused",
    "552 5.2.2 Mailbox full",
    "554 Transaction failed",
    "535 5.7.8 Not signed in",
)
ACTIONS = (*BREAKS, *PASSING, *PERMANENT)
BEFORE_LETTER = ("connect", "banner", "ehlo", "starttls", "auth")
STAGES = (*BEFORE_LETTER, "mail", "rcpt", "data", "body", "dot")

# The stage as the client knows it, where it differs: an accepted connection that says nothing good fails at its banner.
SEEN_AS = {"connect": "banner"}

LETTER_FAILURES = {
    "550 5.1.1 No such user": F.PERM_RECIPIENT,
    "550 5.7.1 Refused": F.POLICY_REPUTATION,
    "552 5.2.2 Mailbox full": F.QUOTA,
    "554 Transaction failed": F.POLICY_REPUTATION,
}


def expected_failure(stage: str, action: str) -> FailureClass:
    if action in BREAKS:
        return F.PROTOCOL if action in ("flood", "garbage") else F.TRANSIENT_DEST
    if action.startswith("421"):
        return F.TRANSIENT_DEST
    if stage in ("starttls", "auth") or action.startswith("535"):
        return F.ACCOUNT
    if stage in ("connect", "banner", "ehlo", "mail"):
        return F.TRANSIENT_DEST if action in PASSING else F.ACCOUNT
    return LETTER_FAILURES.get(action, F.TRANSIENT_RECIPIENT)


def mark_when_heard(pool: Pool, *, patience: float) -> Callable[[], bool]:
    """Return a mark that is slow enough for whatever the server does to the body to reach us."""

    def mark() -> bool:
        for account in pool._accounts.values():
            for connection in list(account.in_use):
                assert connection._line
                select.select([connection._line._socket], [], [], patience)
        return True

    return mark


def carry(server: FaultServer, pool: Pool, stage: str, action: str) -> Outcome:
    waits = action in ("hang", "trickle")
    capped = {"connect": "banner"}.get(stage, stage)
    caps, limits = PATIENT, budget()
    if waits and stage == "dot":
        limits = budget(dot_cap=SHORT)
    elif waits:
        caps = dataclasses.replace(PATIENT, **{capped: SHORT})
        caps = dataclasses.replace(caps, reset=SHORT) if stage == "body" else caps
    # More than any socket buffer holds, so that a server which stops reading is noticed.
    data = big() if (stage, action) == ("body", "hang") else BODY
    config = to(server, tls="starttls" if stage == "starttls" else "none", verify_tls=False)
    mark = mark_when_heard(pool, patience=10) if stage == "body" and action != "hang" else yes
    return post_office.carry(config, letter(data=data), budget=limits, mark=mark, caps=caps, pool=pool)


def big() -> bytes:
    return b"Subject: big\r\n\r\n" + (b"x" * 70 + b"\r\n") * 200_000


@pytest.mark.parametrize("pipelined", [True, False], ids=["pipelined", "in turn"])
@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("stage", STAGES)
def test_every_fault_at_every_stage_is_classified(stage: str, action: str, pipelined: bool, pool: Pool) -> None:
    with FaultServer(
        [Fault(stage, action)],
        accounts={"user": "secret"} if stage == "auth" else None,
        starttls=stage == "starttls",
        extensions=("PIPELINING",) if pipelined else (),
    ) as server:
        outcome = carry(server, pool, stage, action)

    assert server.letters == []
    failure = expected_failure(stage, action)
    seen = SEEN_AS.get(stage, stage)
    if seen == "banner" and action == "rst" and getattr(outcome, "stage", "") == "connect":
        seen = "connect"  # it came before our own call to connect was back
    if stage == "dot" and action in BREAKS:
        assert isinstance(outcome, Unknown)
        assert outcome.stage is Stage.DOT
    elif stage not in (*BEFORE_LETTER, "mail") and action in PERMANENT and failure is not F.ACCOUNT:
        assert isinstance(outcome, Rejected)
        assert (outcome.stage, outcome.failure, str(outcome.reply)) == (seen, failure, action)
    else:
        assert isinstance(outcome, Deferred)
        assert (outcome.stage, outcome.failure) == (seen, failure)
        assert (outcome.reply is None) == (action in BREAKS)
        assert outcome.counted == (stage not in BEFORE_LETTER and failure in (F.PROTOCOL, F.TRANSIENT_RECIPIENT))
    if not isinstance(outcome, Unknown):
        suppressed = bounces.suppresses(outcome.stage, outcome.failure) if not isinstance(outcome, Accepted) else False
        assert suppressed == (stage == "rcpt" and action.startswith("550 5.1.1"))


@pytest.mark.parametrize("action", ACTIONS)
def test_a_fault_at_rset_costs_a_connection_but_no_letter(action: str, pool: Pool) -> None:
    refuse = Fault("rcpt", "550 5.1.1 No such user", recipient="nobody@example.com")
    with FaultServer([refuse, Fault("rset", action)]) as server:
        caps = dataclasses.replace(PATIENT, reset=SHORT)

        def send(recipient: str) -> Outcome:
            limits: Budget = budget()
            return post_office.carry(to(server), letter(recipient), budget=limits, mark=yes, caps=caps, pool=pool)

        first, second = send("nobody@example.com"), send("ann@example.com")

    assert isinstance(first, Rejected)
    assert isinstance(second, Accepted)
    assert server.recipients() == ["ann@example.com"]
    assert server.connections_made == 2


@pytest.mark.parametrize("action", ACTIONS)
def test_a_fault_at_quit_changes_nothing(action: str, pool: Pool) -> None:
    with FaultServer([Fault("quit", action)]) as server:
        config = to(server, max_letters_per_connection=1)

        outcome = post_office.carry(config, letter(), budget=budget(), mark=yes, caps=PATIENT, pool=pool)

    assert isinstance(outcome, Accepted)
    assert server.recipients() == ["ann@example.com"]
    assert pool.counters.closed == 1


def test_a_letter_taken_without_a_reply_is_unknown(pool: Pool) -> None:
    with FaultServer([Fault("dot", "accept_then_drop")]) as server:
        outcome = post_office.carry(to(server), letter(), budget=budget(), mark=yes, caps=PATIENT, pool=pool)

    assert outcome == Unknown(Stage.DOT, "closed")
    assert server.recipients() == ["ann@example.com"]
