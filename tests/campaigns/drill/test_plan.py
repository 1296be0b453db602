"""A plan spreads its blows over the campaign, in the same order for the same numbers."""

from __future__ import annotations

import pytest

from apps.campaigns.drill.plan import Blow, Plan, PlanError
from apps.smtp.faults.script import ScriptError


def test_kills_hit_children_and_mains_in_turn_while_letters_flow() -> None:
    strikes = Plan(letters=1000, kills=5).strikes()

    assert [strike.blow for strike in strikes] == [Blow.KILL_CHILD, Blow.KILL_MAIN] * 2 + [Blow.KILL_CHILD]
    assert [strike.after for strike in strikes] == [140, 320, 500, 680, 860]


def test_servers_are_restarted_in_order_and_without_mercy_in_turn() -> None:
    strikes = Plan(letters=100, kills=0, restart_broker=2, restart_database=2).strikes()

    assert {strike.blow for strike in strikes} == {
        Blow.BROKER_RESTART,
        Blow.BROKER_LOSS,
        Blow.DATABASE_FAST,
        Blow.DATABASE_IMMEDIATE,
    }
    assert [strike.after for strike in strikes] == [27, 27, 72, 72]


@pytest.mark.parametrize(("concurrency", "workers", "children"), [(1, 1, 1), (2, 2, 1), (4, 2, 2), (5, 2, 3)])
def test_two_workers_share_the_sending_processes(concurrency: int, workers: int, children: int) -> None:
    plan = Plan(concurrency=concurrency)

    assert (plan.workers, plan.children) == (workers, children)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"letters": 0}, "number of letters from 1"),
        ({"letters": 2_000_000}, "number of letters from 1"),
        ({"kills": -1}, "below zero"),
        ({"restart_database": -1}, "below zero"),
        ({"concurrency": 0}, "concurrency from 1 to 64"),
    ],
)
def test_what_cannot_be_run_is_refused(fields: dict[str, int], said: str) -> None:
    with pytest.raises(PlanError, match=said):
        Plan(**fields).check()


def test_a_script_is_read_before_anything_is_started() -> None:
    with pytest.raises(ScriptError):
        Plan(script="nonsense").check()


def test_the_same_seed_makes_the_same_choices() -> None:
    plan = Plan(seed=7)

    assert [plan.dice.random() for _ in range(2)] == [Plan.from_json(plan.to_json()).dice.random() for _ in range(2)]
