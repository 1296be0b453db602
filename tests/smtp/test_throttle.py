"""The arithmetic of limits: no window ever holds more than its limit, and little is left unused."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import cycle, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.smtp import throttle
from apps.smtp.throttle import Limits, Usage

START = 1_800_000_000.0
PERIODS = {"per_second": 1.0, "per_minute": 60.0, "per_hour": 3600.0, "per_day": 86400.0}


def sent(
    limits: Limits, *, until: float, pauses: Iterable[float] = (), at_most: int = 100_000, usage: Usage | None = None
) -> list[float]:
    """Send whenever the limits let a letter go, with rests in between; return the moments."""
    usage, moment, moments = usage or Usage(), START, []
    rests = iter(pauses)
    while len(moments) < at_most:
        moment += next(rests, 0.0)
        slot = throttle.next_slot(limits, usage, now=moment)
        if slot.at > START + until:
            break
        usage, moment = Usage.of(slot.usage.stored()), slot.at
        moments.append(moment)
    return moments


def most_in_a_window(moments: list[float], period: float) -> int:
    most = begin = 0
    for end, moment in enumerate(moments):
        while moments[begin] <= moment - period:
            begin += 1
        most = max(most, end - begin + 1)
    return most


@pytest.mark.parametrize(
    ("name", "limit"),
    [("per_second", 2), ("per_second", 500), ("per_minute", 60), ("per_minute", 590), ("per_hour", 900)],
)
def test_a_limit_is_used_but_never_exceeded(name: str, limit: int) -> None:
    period = PERIODS[name]

    moments = sent(Limits(**{name: limit}), until=period * 20)

    assert most_in_a_window(moments, period) <= limit
    assert len(moments) >= limit * 20 * 0.95


def test_two_a_second_leave_half_a_second_apart() -> None:
    moments = sent(Limits(per_second=2), until=10)

    gaps = [later - earlier for earlier, later in pairwise(moments)]
    assert min(gaps) >= 0.5
    assert max(gaps) < 0.52


@pytest.mark.parametrize(("name", "limit"), [("per_second", 8), ("per_second", 120), ("per_minute", 30)])
def test_a_late_letter_costs_the_ones_behind_it_nothing(name: str, limit: int) -> None:
    period = PERIODS[name]
    every_tenth = cycle([0.0] * 9 + [1.6 * period / limit])

    moments = sent(Limits(**{name: limit}), until=period * 20, pauses=every_tenth)

    gaps = [later - earlier for earlier, later in pairwise(moments)]
    assert most_in_a_window(moments, period) <= limit
    assert len(moments) >= limit * 20 * 0.95
    assert max(gaps) > 1.4 * period / limit


def test_time_without_letters_earns_nothing() -> None:
    moments = sent(Limits(per_minute=60), until=30, pauses=[0.0, 5.0])

    gaps = [later - earlier for earlier, later in pairwise(moments)]
    assert gaps[0] == pytest.approx(5.0)
    assert min(gaps) >= 1.0


@pytest.mark.parametrize(("before", "after"), [(40, 400), (400, 40), (2, 8), (8, 2)])
def test_a_changed_limit_holds_for_what_was_sent_before(before: int, after: int) -> None:
    usage, moment, moments = Usage(), START, []
    for limit in [before] * 60 + [after] * 60:
        slot = throttle.next_slot(Limits(per_second=limit), usage, now=moment)
        usage, moment = Usage.of(slot.usage.stored()), slot.at
        moments.append(moment)

    assert most_in_a_window(moments[60:], 1.0) <= after
    assert most_in_a_window(moments, 1.0) <= max(before, after)


def test_a_row_in_its_first_form_is_read() -> None:
    old = Usage.of({"second": 17.5, "minute": 0.0, "hour": {"30000000": 3}, "day": {}})  # type: ignore[typeddict-item]

    assert (old.second, old.hour) == (throttle.Rhythm(), {30000000: 3})


@settings(deadline=None, max_examples=50)
@given(
    limit=st.integers(1, 300),
    name=st.sampled_from(["per_second", "per_minute", "per_hour"]),
    rests=st.lists(st.floats(0, 5000), max_size=40),
)
def test_whatever_the_rests_no_window_holds_more(limit: int, name: str, rests: list[float]) -> None:
    moments = sent(Limits(**{name: limit}), until=20_000, pauses=rests, at_most=1000)

    # A moment is stored to a microsecond.
    assert most_in_a_window(moments, PERIODS[name] - 0.001) <= limit


def test_the_narrowest_of_several_limits_decides() -> None:
    moments = sent(Limits(per_second=10, per_minute=60, per_hour=100, per_day=150), until=3 * 86400 - 1)

    assert most_in_a_window(moments, 1) <= 10
    assert most_in_a_window(moments, 60) <= 60
    assert most_in_a_window(moments, 3600) <= 100
    assert most_in_a_window(moments, 86400) <= 150
    assert 420 <= len(moments) <= 450


def test_a_used_up_day_opens_when_its_letters_are_a_day_old() -> None:
    usage = Usage()
    for _letter in range(5):
        usage = throttle.next_slot(Limits(per_day=5), usage, now=START).usage

    slot = throttle.next_slot(Limits(per_day=5), usage, now=START + 10)

    assert START + 86400 <= slot.at <= START + 86400 + throttle.DAY[1]


def test_a_raised_limit_opens_at_once_and_knows_what_was_sent() -> None:
    usage = Usage()
    for _letter in range(5):
        usage = throttle.next_slot(Limits(per_hour=5), usage, now=START).usage

    assert throttle.room(Limits(per_hour=5), usage, now=START + 1, horizon=0) == 0
    assert throttle.room(Limits(per_hour=8), usage, now=START + 1, horizon=0) == 3
    assert throttle.room(Limits(per_day=9), usage, now=START + 1, horizon=0) == 4


@settings(deadline=None)
@given(limit=st.integers(1, 1000), horizon=st.floats(0, 10), already=st.integers(0, 20))
def test_room_is_what_may_really_leave(limit: int, horizon: float, already: int) -> None:
    limits, usage = Limits(per_second=limit), Usage()
    for _letter in range(already):
        usage = throttle.next_slot(limits, usage, now=START).usage

    room = throttle.room(limits, usage, now=START, horizon=horizon)

    leaving = 0
    while (slot := throttle.next_slot(limits, usage, now=START)).at <= START + horizon and leaving <= room:
        usage, leaving = slot.usage, leaving + 1
    # Of a limit above 50 not every letter is remembered, which costs it up to two of a hundred.
    step = limit // throttle.MARKS
    assert abs(leaving - room) <= 1 + step + (room // 40 if step else 0)


def test_no_limit_is_no_limit() -> None:
    assert not Limits()
    assert throttle.next_slot(Limits(), Usage(), now=START).at == START


def test_says_how_much_is_used() -> None:
    limits = Limits(per_minute=110, per_day=8000)
    usage = Usage()
    for _letter in range(3):
        usage = throttle.next_slot(limits, usage, now=START).usage

    found = throttle.uses(limits, usage, now=START + 1)

    assert [(one.name, one.used, one.limit) for one in found] == [("minute", 3, 110), ("day", 3, 8000)]
