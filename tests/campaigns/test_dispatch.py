"""A worker that fails between the claim and the offer leaves the letter as if it had never begun."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from django.db import OperationalError

from apps.campaigns.models import Campaign
from apps.campaigns.services import dispatch
from tests.campaigns.conftest import letters

Sending = Callable[..., Campaign]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("module", "name"), [("composing", "compose"), ("configs", "config_of")])
def test_a_database_that_fails_before_the_offer_costs_no_attempt(
    sending: Sending, monkeypatch: pytest.MonkeyPatch, module: str, name: str
) -> None:
    campaign = sending(1)

    def away(*_args: object) -> None:
        raise OperationalError("terminating connection due to administrator command")

    monkeypatch.setattr(getattr(dispatch, module), name, away)

    dispatch.send_single(letters(campaign)[0].pk, started=time.monotonic())

    (letter,) = letters(campaign)
    assert (letter.state, letter.reason, letter.attempts, letter.crash_count) == ("queued", "database_away", 0, 0)
    assert (letter.owner, letter.rung_at, letter.lease_until) == ("", None, None)
