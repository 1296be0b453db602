"""Connections follow the waiting: one first, then a few, then twice as many, and a rest where there are none."""

from __future__ import annotations

from apps.smtp.engine.growth import FIRST, TRIES, Growth


def test_one_shows_the_way_for_the_first_few() -> None:
    growth = Growth(50)

    assert growth.more(1.0, standing=0, opening=0) == 1
    assert growth.more(1.1, standing=0, opening=1) == 0
    assert growth.more(1.2, standing=1, opening=0) == FIRST - 1


def test_more_are_opened_while_it_waits_and_none_while_it_works() -> None:
    growth = Growth(50)
    growth.more(1.0, standing=4, opening=1)
    growth.waited(0.09)
    assert growth.more(1.1, standing=4, opening=0) == 4

    growth.waited(0.01)
    assert growth.more(1.2, standing=8, opening=0) == 0


def test_never_more_than_the_ceiling() -> None:
    growth = Growth(6)
    growth.more(1.0, standing=4, opening=1)
    growth.waited(1.0)

    assert growth.more(2.0, standing=4, opening=0) == 2
    growth.waited(1.0)
    assert growth.more(3.0, standing=6, opening=0) == 0
    assert Growth(1).more(1.0, standing=1, opening=0) == 0


def test_a_full_server_is_asked_again_after_a_while() -> None:
    growth = Growth(50)
    growth.failed(1.0)
    growth.is_full(1.0, 4)
    growth.waited(9.0)

    assert growth.more(10.0, standing=4, opening=0) == 0
    growth.waited(30.0)
    assert growth.more(40.0, standing=4, opening=0) == 4


def test_one_failure_is_no_pattern_many_are_hopeless() -> None:
    growth = Growth(50)
    growth.failed(1.0)
    assert growth.more(1.0, standing=0, opening=0) == 1

    for _ in range(TRIES - 1):
        growth.failed(1.0)
    assert growth.is_hopeless
    assert growth.more(1.5, standing=0, opening=0) == 0
    growth.succeeded()
    assert not growth.is_hopeless
