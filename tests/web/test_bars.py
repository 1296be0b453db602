"""The account's geometry: order, smallest shares, the rule, and the refusal."""

import pytest

from apps.web import bars

OPEN = {"sent": 31846, "skipped": 58, "failed": 173, "unconfirmed": 3, "waiting": 412, "queued": 15720}


def drawn(counts: dict[str, int], total: int, size: str = "lg") -> bars.Bar:
    return bars.draw(bars.Account.of(counts, total), size)[0]


def test_segments_stand_in_the_fixed_order() -> None:
    bar = drawn(dict(reversed(OPEN.items())), 48212)

    assert [segment.state for segment in bar.segments] == list(bars.ORDER)


@pytest.mark.parametrize(("size", "smallest"), [("sm", 5.0), ("md", 3.2), ("lg", 1.0)])
def test_a_segment_that_is_not_zero_never_vanishes(size: str, smallest: float) -> None:
    bar = drawn(OPEN, 48212, size)

    assert min(segment.width for segment in bar.segments) == pytest.approx(smallest)
    assert sum(segment.width for segment in bar.segments) == pytest.approx(100)


def test_the_phone_gets_a_bar_of_its_own() -> None:
    wide, phone = bars.draw(bars.Account.of(OPEN, 48212), "lg")

    assert (wide.height, wide.shown) == (18, "hide-s")
    assert (phone.height, phone.shown) == (16, "only-s")


def test_the_rule_reaches_as_far_as_emails_have_met_their_end() -> None:
    half = drawn({"sent": 40, "failed": 10, "waiting": 10, "queued": 40}, 100)

    assert half.settled == "50.00%"
    assert drawn({"sent": 40}, 40).settled == "100.00%"
    assert drawn({"queued": 40}, 40).settled == "0.00%"


@pytest.mark.parametrize(
    ("counts", "total", "missing"),
    [({"sent": 40}, 43, 3), ({"sent": 40, "failed": 5}, 43, -2), ({"sent": -1, "failed": 1}, 0, 0)],
)
def test_what_does_not_add_up_says_so(counts: dict[str, int], total: int, missing: int) -> None:
    account = bars.Account.of(counts, total)

    assert not account.adds_up
    assert account.missing == missing


def test_an_empty_audience_adds_up_and_draws_nothing() -> None:
    account = bars.Account.of({}, 0)

    assert account.adds_up
    assert bars.draw(account, "sm")[0].segments == ()
