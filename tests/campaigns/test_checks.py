"""`health_check` finds stuck campaigns, and resets them when asked."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import connection

from apps.campaigns import checks
from apps.campaigns.models import Campaign
from core.health import Context, Status

Sending = Callable[..., Campaign]


@pytest.fixture
def stuck_campaign(sending: Sending) -> Campaign:
    campaign = sending(2)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE campaigns_delivery SET moved_at = now() - interval '40 minutes'")
        cursor.execute("UPDATE campaigns_campaign SET moved_at = now() - interval '40 minutes'")
    return campaign


def test_a_stuck_campaign_is_critical_and_stays_untouched(stuck_campaign: Campaign) -> None:
    result = checks.check_stuck(Context())

    assert result.status is Status.CRITICAL
    assert "November roast" in result.detail and "--fix" in result.hint
    stuck_campaign.refresh_from_db()
    assert stuck_campaign.resets == 0


def test_fix_resets_it(stuck_campaign: Campaign) -> None:
    result = checks.check_stuck(Context(fix=True))

    assert result.status is Status.WARNING
    stuck_campaign.refresh_from_db()
    assert (stuck_campaign.resets, stuck_campaign.state) == (1, "sending")
    assert checks.check_stuck(Context()).status is Status.OK


def test_the_timeout_is_the_operators(stuck_campaign: Campaign) -> None:
    assert checks.check_stuck(Context(stuck_after=timedelta(hours=1))).status is Status.OK


@pytest.mark.parametrize(
    ("statement", "status"),
    [
        ("state = 'sending', lease_until = now() - interval '5 minutes'", Status.CRITICAL),
        ("state = 'committing', attempt_deadline = now() - interval '5 minutes'", Status.CRITICAL),
        ("state = 'sending', lease_until = now() + interval '1 minute'", Status.OK),
    ],
)
def test_letters_past_their_lease_are_seen(sending: Sending, statement: str, status: Status) -> None:
    sending(1)
    with connection.cursor() as cursor:
        cursor.execute(f"UPDATE campaigns_delivery SET {statement}")

    assert checks.check_deliveries(Context()).status is status
