"""When letters left and came back: stretches whose sums are those of the statistics."""

from __future__ import annotations

import datetime as dt

import pytest

from apps.campaigns.models import Campaign
from apps.tracking import selectors, timeline
from tests.tracking.test_selectors import LONG_AGO, add

HOUR = dt.timedelta(hours=1)


def started(campaign: Campaign) -> Campaign:
    campaign.started_at = LONG_AGO
    campaign.save()
    return campaign


def test_an_hour_is_a_stretch_and_sums_are_those_of_the_report(campaign, make_delivery):
    letters = [make_delivery(f"p{n}@orchard.example", sent_at=LONG_AGO + n * dt.timedelta(minutes=1)) for n in range(4)]
    add(letters[0], "open", at=60)
    add(letters[0], "open", at=9 * 3600)
    add(letters[1], "open", at=5, is_machine=True)
    add(letters[1], "open", at=3 * 3600 + 5)
    add(letters[2], "open", at=5, is_machine=True)
    add(letters[3], "click", at=2 * 3600, link=0)
    for link in (0, 1, 2):
        add(letters[2], "click", at=7 + link * 0.1, link=link)

    found = timeline.of(started(campaign))

    assert (found.step, found.later) == (HOUR, None)
    assert [(one.sent, one.opened, one.opened_by_machines) for one in found.stretches] == [
        (4, 1, 1), (0, 0, 0), (0, 0, 0), (0, 1, 0),
    ]  # fmt: skip
    assert [(one.clicked, one.clicked_by_machines) for one in found.stretches] == [(0, 1), (0, 0), (1, 0), (0, 0)]
    counted = selectors.campaign_statistics(campaign.pk)
    assert sum(one.opened for one in found.stretches) == counted.opened
    assert sum(one.opened_by_machines for one in found.stretches) == counted.opened_by_machines_only
    assert sum(one.clicked for one in found.stretches) == counted.clicked
    assert sum(one.clicked_by_machines for one in found.stretches) == counted.clicked_by_machines_only
    assert sum(one.sent for one in found.stretches) == counted.accepted


@pytest.mark.parametrize(
    ("last_sent", "last_open", "step", "stretches", "later"),
    [
        (60, 600, dt.timedelta(minutes=5), 3, 0),
        (60, 40 * 3600, HOUR, 41, 0),
        (60, 90 * 3600, HOUR, 48, 1),
        (50 * 3600, 90 * 3600, 24 * HOUR, 4, 0),
    ],
)
def test_the_stretch_fits_the_length(campaign, make_delivery, last_sent, last_open, step, stretches, later):
    letter = make_delivery(sent_at=LONG_AGO + dt.timedelta(seconds=last_sent))
    add(letter, "open", at=last_open)

    found = timeline.of(started(campaign))

    assert (found.step, len(found.stretches)) == (step, stretches)
    assert (found.later.opened if found.later else 0) == later


def test_nothing_sent_is_an_empty_timeline(campaign):
    assert timeline.of(campaign).is_empty
    assert timeline.of(started(campaign)).is_empty
