"""A campaign's letters through a provider: marked before the request, and what its answers do to row and account."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.models.functions import Now
from django.utils import timezone

from apps.accounts.models import Workspace
from apps.campaigns.models import Campaign, Delivery
from apps.campaigns.services import dispatch
from apps.contacts.models import Suppression
from apps.smtp import standing
from apps.smtp.models import Throttle, Transport
from apps.smtp.providers import lines
from apps.smtp.services import accounts, configs
from apps.smtp.services.accounts import ProviderAccount
from apps.smtp.throttle import Limits
from tests.campaigns.conftest import letters
from tests.provider_server import Answer, ProviderServer, Request

Sending = Callable[..., Campaign]
TAKEN = Answer(200, {"id": "49a3999c-0ce1"})
MINUTE = timedelta(minutes=1)


@pytest.fixture(autouse=True)
def _nothing_is_kept() -> Iterator[None]:
    configs.forget()
    yield
    configs.forget()
    lines.close_idle(all_idle=True)


@pytest.fixture
def through_resend(sending: Sending, workspace: Workspace, settings: Any) -> Iterator[Callable[..., Campaign]]:
    servers: list[ProviderServer] = []

    def make(people: int, *answers: Answer, usual: Callable[[Request], Answer] | None = None) -> Campaign:
        servers.append(ProviderServer(answers, usual=usual).start())
        settings.PROVIDER_API_URLS = {"resend": servers[-1].url}
        account = accounts.add_provider(
            workspace, name="Resend", account=ProviderAccount("resend", {"api_key": "re_x"}), limits=Limits()
        )
        campaign = sending(people, transport=account)
        Delivery.objects.update(transport=account)
        campaign.server = servers[-1]  # type: ignore[attr-defined]  # for the test to count
        return campaign

    yield make
    for one in servers:
        one.stop()


def send_all(campaign: Campaign) -> None:
    for letter in letters(campaign):
        dispatch.send_single(letter.pk, started=time.monotonic())


def states(campaign: Campaign) -> Counter[str]:
    return Counter(Delivery.objects.filter(campaign=campaign).values_list("state", flat=True))


def requests_of(campaign: Campaign) -> list[Request]:
    found: list[Request] = campaign.server.requests  # type: ignore[attr-defined]
    return found


@pytest.mark.django_db(transaction=True)
def test_the_marker_stands_in_the_database_before_the_request(
    through_resend: Callable[..., Campaign], transactional_db: None
) -> None:
    seen: list[str] = []

    def look(_request: Request) -> Answer:
        seen.extend(Delivery.objects.values_list("state", flat=True))
        connection.close()
        return TAKEN

    campaign = through_resend(1, usual=look)

    send_all(campaign)

    letter = letters(campaign)[0]
    assert seen == ["committing"]
    assert (letter.state, letter.attempts, letter.last_code) == ("sent", 1, 200)
    assert letter.last_text == "Resend: queued, 49a3999c-0ce1"
    assert requests_of(campaign)[0].json["to"] == [f"Reader 0 <{letter.email}>"]


def test_too_fast_stops_the_account_and_is_no_try(through_resend: Callable[..., Campaign]) -> None:
    campaign = through_resend(4, Answer(429, {"name": "rate_limit_exceeded"}, {"Retry-After": "90"}), TAKEN)

    send_all(campaign)

    throttle, first = Throttle.objects.get(), letters(campaign)[0]
    assert (len(requests_of(campaign)), states(campaign)) == (1, Counter(queued=4))
    assert set(Delivery.objects.values_list("attempts", flat=True)) == {0}
    assert (throttle.failures, throttle.trouble_since) == (0, None)
    for moment in (throttle.closed_until, first.due_at):
        assert moment is not None
        assert 80 < (moment - timezone.now()).total_seconds() <= 90
    assert standing.of(Transport.objects.get(provider="resend")).verdict == "Waits for its limit"


def test_after_the_wait_one_letter_goes_first_and_then_all(through_resend: Callable[..., Campaign]) -> None:
    campaign = through_resend(4, Answer(429, {}, {"Retry-After": "30"}), TAKEN)
    send_all(campaign)
    Throttle.objects.update(closed_until=Now() - MINUTE)
    Delivery.objects.update(due_at=Now() - MINUTE)

    send_all(campaign)

    assert states(campaign) == Counter(sent=4)
    assert len(requests_of(campaign)) == 5
    assert Throttle.objects.get().closed_until is None


def test_a_refused_key_stops_the_account_and_burns_nothing(through_resend: Callable[..., Campaign]) -> None:
    campaign = through_resend(6, Answer(401, {"name": "missing_api_key", "message": "Bad key"}))

    send_all(campaign)

    throttle = Throttle.objects.get()
    assert (len(requests_of(campaign)), states(campaign)) == (2, Counter(queued=6))
    assert throttle.closed_until is not None and throttle.closed_until > timezone.now()
    assert (throttle.trouble_stage, throttle.trouble_text) == ("auth", "401 Bad key")
    assert not Suppression.objects.exists()


def test_nobody_knows_about_an_error_after_the_request(through_resend: Callable[..., Campaign]) -> None:
    campaign = through_resend(2, Answer(502, b"<html>Bad gateway</html>"), Answer(then="drop"))

    send_all(campaign)
    send_all(campaign)

    assert states(campaign) == Counter(unconfirmed=2)
    assert len(requests_of(campaign)) == 2


def test_a_recipient_that_the_provider_calls_invalid_is_suppressed(through_resend: Callable[..., Campaign]) -> None:
    campaign = through_resend(2, Answer(422, {"name": "validation_error", "message": "Invalid `to` field."}), TAKEN)

    send_all(campaign)

    assert states(campaign) == Counter(failed=1, sent=1)
    assert [(one.reason, one.email) for one in Suppression.objects.all()] == [
        ("hard_bounce", letters(campaign)[0].email)
    ]
