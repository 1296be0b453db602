"""The bar under an import's sum fills itself exactly and hides nobody."""

from __future__ import annotations

import pytest

from apps.contacts import import_bar


def counts(new: int, updated: int, unchanged: int, rejected: int) -> dict[str, int]:
    rows = new + updated + unchanged + rejected
    return {"new": new, "updated": updated, "unchanged": unchanged, "rejected": rejected, "rows": rows}


@pytest.mark.parametrize("given", [(5, 0, 0, 0), (1, 1, 1, 1), (999_999, 1, 0, 1), (1, 500_000, 1, 1), (0, 0, 0, 3)])
def test_fills_the_whole_and_shows_every_part(given: tuple[int, int, int, int]) -> None:
    said = counts(*given)

    bar = import_bar.draw(said)

    assert [one.part for one in bar] == [part for part in import_bar.PARTS if said[part]]
    ends = [float(one.x[:-1]) + float(one.width[:-1]) for one in bar]
    assert abs(ends[-1] - 100) < 0.02
    assert all(float(one.width[:-1]) >= import_bar.SMALLEST - import_bar.GAP - 0.01 for one in bar)
    assert all(float(after.x[:-1]) >= end for end, after in zip(ends, bar[1:], strict=False))


@pytest.mark.parametrize("given", [{}, counts(0, 0, 0, 0), {**counts(1, 2, 3, 4), "rows": 11}])
def test_draws_nothing_where_the_parts_are_not_the_whole(given: dict[str, int]) -> None:
    assert import_bar.draw(given) == []
