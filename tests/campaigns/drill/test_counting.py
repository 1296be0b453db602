"""The count convicts: each way in which a letter can go wrong shows in its own figure."""

from __future__ import annotations

import dataclasses
import json

import pytest

from apps.campaigns.drill import counting
from apps.campaigns.drill.counting import Row, Tally, Witness
from apps.campaigns.drill.plan import Plan
from apps.campaigns.drill.report import Report

SENT = Row("<a@x>", "a@x", "sent", "", "dot", 0)


def seen(*message_ids: str, answered: bool = True) -> Witness:
    witness = Witness()
    for number, message_id in enumerate(message_ids):
        line = {"what": "accepted", "message_id": message_id, "at": float(number), "is_answered": answered}
        witness.add(json.dumps(line))
    return witness


def judge(rows: list[Row], witness: Witness, **changes: object) -> Tally:
    values: dict[str, object] = {"suppressed": [], "n": len(rows), "audience": len(rows), "is_finished": True}
    return counting.tally(rows, witness, **{**values, **changes})  # type: ignore[arg-type]


def test_what_is_sent_and_arrived_once_is_accounted_for() -> None:
    found = judge([SENT], seen("<a@x>"))

    assert (found.lost, found.doubled, found.stuck, found.is_accounted) == (0, 0, 0, True)


@pytest.mark.parametrize(
    ("row", "lost"),
    [
        (SENT, 1),
        (dataclasses.replace(SENT, state="unconfirmed"), 0),
        (dataclasses.replace(SENT, state="failed", stage="rcpt", reason="perm_recipient"), 0),
        (dataclasses.replace(SENT, state="failed", stage="", reason=""), 1),
        (dataclasses.replace(SENT, state="failed", stage="mail", reason="crashed"), 1),
        (dataclasses.replace(SENT, state="skipped"), 1),
    ],
)
def test_a_letter_that_never_arrived_is_lost_unless_its_row_says_why(row: Row, lost: int) -> None:
    assert judge([row], seen()).lost == lost


def test_a_missing_row_is_a_lost_letter_and_not_accounted_for() -> None:
    found = judge([], seen(), n=1)

    assert (found.lost, found.is_accounted) == (1, False)


def test_a_copy_that_no_unanswered_attempt_explains_is_outside_the_window() -> None:
    explained = judge([dataclasses.replace(SENT, ambiguous_count=1)], seen("<a@x>", "<a@x>"))
    unexplained = judge([SENT], seen("<a@x>", "<a@x>", "<a@x>"))

    assert (explained.doubled, explained.doubled_outside_window) == (1, 0)
    assert (unexplained.doubled, unexplained.doubled_outside_window) == (2, 2)


@pytest.mark.parametrize("state", ["queued", "leased", "sending", "committing"])
def test_a_letter_without_an_end_is_stuck(state: str) -> None:
    found = judge([dataclasses.replace(SENT, state=state)], seen())

    assert (found.stuck, found.lost, found.is_accounted) == (1, 0, False)


def test_a_letter_that_arrived_although_its_row_denies_it_is_not_accounted_for() -> None:
    found = judge([dataclasses.replace(SENT, state="failed", stage="rcpt")], seen("<a@x>"))

    assert (found.contradicted, found.is_accounted) == (1, False)


def test_a_letter_that_nobody_knows_is_foreign() -> None:
    found = judge([SENT], seen("<a@x>", "<b@x>"))

    assert (found.foreign, found.is_accounted) == (1, False)


def test_an_audience_that_does_not_add_up_is_not_accounted_for() -> None:
    assert not judge([SENT], seen("<a@x>"), audience=2).is_accounted
    assert not judge([SENT], seen("<a@x>"), is_finished=False).is_accounted


@pytest.mark.parametrize(
    ("reply", "false"),
    [
        ("550 5.1.1 No such user", 0),
        ("550 5.2.1 Disabled", 0),
        ("550 5.1.10 Null MX", 0),
        ("550 5.7.1 Spam", 1),
        ("450 4.1.1 Later", 1),
        ("552 5.2.2 Full", 1),
    ],
)
def test_only_what_the_server_said_about_a_person_explains_a_suppression(reply: str, false: int) -> None:
    witness = seen()
    witness.add(json.dumps({"what": "refused", "recipient": "a@x", "reply": reply}))

    assert judge([SENT], witness, suppressed=["a@x"]).false_suppressions == false


def test_recovery_is_the_first_second_as_full_as_before_the_first_blow() -> None:
    before = [number / 10 for number in range(20)]  # ten a second
    after = [3.5, 4.4, *[5 + number / 10 for number in range(20)]]

    assert counting.time_to_recover([*before, *after], first=2.0, last=3.0) == pytest.approx(2.0)


def test_recovery_ends_with_the_last_letter_when_none_are_left() -> None:
    moments = [number / 10 for number in range(20)] + [3.5]

    assert counting.time_to_recover(moments, first=2.0, last=3.0) == 0.5


def test_without_a_blow_there_is_nothing_to_recover_from() -> None:
    assert counting.time_to_recover([1.0, 2.0], first=None, last=None) == 0.0


def report(plan: Plan, tally: Tally) -> Report:
    return Report(
        plan=plan,
        tally=tally,
        kills=1,
        restarts=0,
        processes_killed=3,
        unanswered=0,
        seconds=2.0,
        time_to_recover=0.5,
        peak_memory_bytes=2**27,
        ended_as="finished",
    )


@pytest.mark.parametrize(
    ("policy", "changes", "passed"),
    [
        ("hold", {}, True),
        ("hold", {"unconfirmed": 3}, True),
        ("hold", {"lost": 1}, False),
        ("hold", {"doubled": 1}, False),
        ("retry_once", {"doubled": 1}, True),
        ("retry_once", {"doubled": 1, "doubled_outside_window": 1}, False),
        ("hold", {"false_suppressions": 1}, False),
        ("hold", {"is_accounted": False}, False),
    ],
)
def test_a_drill_is_passed_only_when_every_letter_is_where_it_should_be(
    policy: str, changes: dict[str, object], passed: bool
) -> None:
    tally = dataclasses.replace(judge([SENT], seen("<a@x>")), **changes)  # type: ignore[arg-type]

    found = report(Plan(policy=policy), tally)

    assert (found.is_passed, found.lines()[-1]) == (passed, "PASSED" if passed else "NOT PASSED")


def test_the_line_for_machines_holds_every_figure() -> None:
    told = json.loads(report(Plan(letters=1), judge([SENT], seen("<a@x>"))).to_json())

    assert {name: told[name] for name in ("n", "kills", "seconds", "time_to_recover", "peak_memory_mb")} == {
        "n": 1,
        "kills": 1,
        "seconds": 2.0,
        "time_to_recover": 0.5,
        "peak_memory_mb": 128,
    }
    assert (told["accounted"], told["false_suppressions"], told["stuck"], told["unconfirmed"]) == (True, 0, 0, 0)
    assert (told["lost"], told["doubled"], told["doubled_outside_window"]) == (0, 0, 0)
