"""A campaign that meets a wall pauses by itself, early, with a plain reason, and costs no contact by mistake."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest
from django.db import connection

from apps.campaigns import chronicle, situations, tally
from apps.campaigns.models import Campaign, CampaignEntry, Delivery
from apps.campaigns.services import canary, dispatch, lifecycle
from apps.contacts.models import Suppression
from apps.smtp.models import Transport
from apps.smtp.outcome import FailureClass
from tests.campaigns.conftest import letters
from tests.fault_server import Fault, FaultServer

Sending = Callable[..., Campaign]
Carry = Callable[..., list[str]]

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _forget(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr("core.jobs.ring_now", lambda _task, calls: len(calls))
    canary._seen.clear()
    yield
    canary._seen.clear()


@pytest.fixture
def carry() -> Iterator[Carry]:
    """Return a function that carries letters one by one to a server that answers so; the states they end in."""
    servers: list[FaultServer] = []

    def run(campaign: Campaign, *faults: Fault) -> list[str]:
        server = FaultServer(list(faults))
        server.__enter__()
        servers.append(server)
        transport = Transport.objects.create(
            workspace=campaign.workspace, name="Relay", kind="smtp", host="127.0.0.1", port=server.port, tls="none"
        )
        Delivery.objects.filter(campaign=campaign).update(transport=transport)
        for letter in letters(campaign):
            dispatch.send_single(letter.pk, started=time.monotonic())
        return [letter.state for letter in letters(campaign)]

    yield run
    for server in servers:
        server.__exit__(None, None, None)


def situation_of(campaign: Campaign) -> situations.Situation:
    campaign.refresh_from_db()
    counted = tally.of(campaign)
    found = situations.of(campaign, counted.account, counted.pace)
    assert found is not None
    return found


@pytest.mark.parametrize("stage", ["mail", "rcpt", "dot"])
@pytest.mark.parametrize(
    "reply", ["550 5.7.515 Access denied, sending domain does not meet the level", "421 4.7.26 Unauthenticated"]
)
def test_failing_authentication_pauses_within_the_first_hundred(
    sending: Sending, carry: Carry, stage: str, reply: str
) -> None:
    campaign = sending(120)

    states = carry(campaign, Fault(stage, reply))

    tried = Delivery.objects.filter(attempts__gt=0).count()
    assert states == ["queued"] * 120
    assert 1 <= tried <= 100
    assert not Suppression.objects.exists()
    campaign.refresh_from_db()
    assert (campaign.state, campaign.state_reason) == ("paused", "policy_auth")
    assert "DNS records of the sending domain" in situation_of(campaign).detail
    assert "DNS records" in chronicle.line(CampaignEntry.objects.get(kind="paused")).detail


def test_a_list_of_addresses_that_do_not_exist_pauses_at_the_sixth(sending: Sending, carry: Carry) -> None:
    campaign = sending(30)

    states = carry(campaign, Fault("rcpt", "550 5.1.1 No such user"))

    assert states == ["failed"] * 6 + ["queued"] * 24
    assert Suppression.objects.count() == 6
    campaign.refresh_from_db()
    assert (campaign.state, campaign.state_reason) == ("paused", "hard_bounces")
    assert "addresses do not exist" in situation_of(campaign).title
    assert "do not exist" in chronicle.line(CampaignEntry.objects.get(kind="paused")).detail


def test_a_few_bad_addresses_in_a_hundred_are_no_wall(sending: Sending, carry: Carry) -> None:
    campaign = sending(100)
    bad = [Fault("rcpt", "550 5.1.1 No such user", recipient=f"reader{n}@example.com") for n in (0, 1, 2, 50, 99)]

    states = carry(campaign, *bad)

    campaign.refresh_from_db()
    assert (campaign.state, states.count("failed"), states.count("sent")) == ("sending", 5, 95)


def test_who_lets_it_go_on_has_accepted_what_was(sending: Sending, carry: Carry) -> None:
    campaign = sending(14)
    gone = Fault("rcpt", "550 5.1.1 No such user")
    carry(campaign, gone)
    campaign.refresh_from_db()
    assert campaign.state == "paused"
    with connection.cursor() as cursor:
        cursor.execute("UPDATE campaigns_delivery SET moved_at = now() - interval '1 second'")

    lifecycle.resume(campaign, by=None)
    states = carry(campaign, gone)

    campaign.refresh_from_db()
    assert states.count("failed") == 12
    assert campaign.state == "paused"


def test_a_poison_template_pauses_at_the_second_letter(sending: Sending, carry: Carry) -> None:
    campaign = sending(20)

    with pytest.MonkeyPatch.context() as patch:
        from apps.campaigns import rendering

        def poison(*_args: object) -> None:
            raise rendering.RenderError("The field city is no text.", code="render")

        patch.setattr(dispatch.composing, "compose", poison)
        states = carry(campaign)

    campaign.refresh_from_db()
    assert states == ["failed"] * 2 + ["queued"] * 18
    assert (campaign.state, campaign.state_reason) == ("paused", "letters_unbuilt")
    assert "cannot be built" in situation_of(campaign).title
    assert not Suppression.objects.exists()


def test_one_poison_letter_costs_itself_only(sending: Sending, carry: Carry, monkeypatch: pytest.MonkeyPatch) -> None:
    campaign = sending(5)
    poison = letters(campaign)[2]
    compose = dispatch.composing.compose

    def picky(claimed: dispatch.Claimed) -> object:
        if claimed.delivery_id == poison.pk:
            from apps.campaigns import rendering

            raise rendering.RenderError("The field city is no text.", code="render")
        return compose(claimed)

    monkeypatch.setattr(dispatch.composing, "compose", picky)

    assert carry(campaign) == ["sent", "sent", "failed", "sent", "sent"]
    campaign.refresh_from_db()
    assert campaign.state == "sending"


def test_it_asks_at_the_first_failures_and_then_now_and_then() -> None:
    asked = [number for number in range(1, 201) if canary._is_time_to_ask(1, FailureClass.PERM_RECIPIENT)]

    assert asked == [*range(1, 21), 50, 100, 150, 200]


def test_failures_with_no_bound_are_not_counted(sending: Sending) -> None:
    assert canary.note(sending(1).pk, FailureClass.QUOTA) is False
