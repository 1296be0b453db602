"""Every fault at every stage ends in the engine as it does on the one-letter wire, and never harms another letter."""

from __future__ import annotations

import dataclasses
import select
from collections.abc import Sequence
from functools import partial
from typing import Any

import pytest

from apps.smtp.budget import Budget, now
from apps.smtp.engine import Parcel, engine_for
from apps.smtp.outcome import Accepted, Deferred, Rejected, Stage, Unknown
from tests.fault_server import Fault, FaultServer
from tests.smtp.conftest import BODY, PATIENT, SHORT, budget, letter, to
from tests.smtp.engine.bearers import ListBearer, letters
from tests.smtp.test_stage_matrix import (
    ACTIONS,
    BEFORE_LETTER,
    BREAKS,
    PERMANENT,
    SEEN_AS,
    STAGES,
    F,
    big,
    expected_failure,
)


def caps_and_limits(stage: str, action: str) -> tuple[dict[str, float], partial[Budget]]:
    """Shorten what would be waited for in vain."""
    if action not in ("hang", "trickle"):
        return {}, partial(budget)
    if stage == "dot":
        return {}, partial(budget, dot_cap=SHORT)
    short = {{"connect": "banner", "rset": "reset", "quit": "reset"}.get(stage, stage): SHORT}
    return short | ({"reset": SHORT} if stage == "body" else {}), partial(budget)


def carried(server: FaultServer, bearer: ListBearer, stage: str, action: str, **changes: Any) -> None:
    """Carry letters; the first mark is slow enough for whatever the server does to the body to reach us."""

    def mark(parcels: Sequence[Parcel]) -> Sequence[bool]:
        if stage == "body" and action != "hang" and parcels[0].key == 0:
            select.select([channel._socket for channel in engine._channels if channel._socket], [], [], 10)
        return [True] * len(parcels)

    bearer.answer = mark
    caps, limits = caps_and_limits(stage, action)
    engine = engine_for(
        to(server, **changes),
        bearer,
        connections=1,
        begin_until=now() + 30,
        budget=limits,
        caps=dataclasses.replace(PATIENT, **caps),
    )
    engine.run()
    assert not engine.in_doubt
    assert not engine.finished


@pytest.mark.parametrize("pipelined", [True, False], ids=["pipelined", "in turn"])
@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("stage", STAGES)
def test_every_fault_at_every_stage_is_classified_as_on_the_wire(stage: str, action: str, pipelined: bool) -> None:
    with FaultServer(
        [Fault(stage, action)],
        accounts={"user": "secret"} if stage == "auth" else None,
        starttls=stage == "starttls",
        extensions=("PIPELINING",) if pipelined else (),
    ) as server:
        bearer = ListBearer([letter(data=big() if (stage, action) == ("body", "hang") else BODY)])
        carried(server, bearer, stage, action, tls="starttls" if stage == "starttls" else "none", verify_tls=False)

    [outcome] = bearer.outcomes

    assert server.letters == []
    failure, seen = expected_failure(stage, action), SEEN_AS.get(stage, stage)
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


@pytest.mark.parametrize("pipelined", [True, False], ids=["pipelined", "in turn"])
@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("stage", ["mail", "rcpt", "data", "body", "dot", "rset", "quit"])
def test_a_fault_for_one_letter_costs_no_other(stage: str, action: str, pipelined: bool) -> None:
    """The line may be lost with the one letter; those behind it travel on, over another."""
    refuse = [Fault("rcpt", "550 5.1.1 No such user", recipient="r0@example.com")] if stage == "rset" else []
    struck = Fault(stage, action, nth=1)
    with FaultServer([*refuse, struck], extensions=("PIPELINING",) if pipelined else ()) as server:
        big_one = [letter("r0@example.com", data=big())] if (stage, action) == ("body", "hang") else letters(1)
        bearer = ListBearer([*big_one, *letters(5)[1:]])
        carried(server, bearer, stage, action)

    spoilt = [outcome for outcome in bearer.outcomes if not isinstance(outcome, Accepted)]
    bearer.check_against(server)
    assert len(spoilt) == int(stage != "quit")
