"""The two delivery modes, for tests of what must be the same in both."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from apps.campaigns.models import Delivery
from apps.campaigns.services import dispatch

MODES = ["fan-out", "inline"]
Carry = Callable[[Delivery], None]


@pytest.fixture(params=MODES)
def mode(request: pytest.FixtureRequest, settings: Any) -> str:
    settings.DELIVERY = request.param
    return str(request.param)


@pytest.fixture
def carry(mode: str) -> Carry:
    """Carry one letter: by its own task, or by its batch's."""

    def alone(letter: Delivery) -> None:
        dispatch.send_single(letter.pk, started=time.monotonic())

    def with_its_batch(letter: Delivery) -> None:
        assert letter.batch_id is not None
        dispatch.send_batch(letter.batch_id, started=time.monotonic())

    return with_its_batch if mode == "inline" else alone
