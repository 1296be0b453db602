"""Every fault at every stage, down to the row: its state, its tries, its contact, its account (F14)."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from django.db import connection

from apps.campaigns.models import Campaign, Delivery
from apps.campaigns.services import canary, dispatch, inline
from apps.contacts.models import Suppression
from apps.smtp import engine
from apps.smtp.budget import Budget, StageCaps
from apps.smtp.models import Throttle, Transport
from apps.smtp.outcome import FailureClass
from apps.smtp.pool import connections
from apps.smtp.services import post_office
from core.secretbox import Secret
from tests.campaigns.conftest import letters
from tests.campaigns.modes import Carry
from tests.fault_server import Fault, FaultServer
from tests.smtp.test_stage_matrix import ACTIONS, BEFORE_LETTER, BREAKS, PERMANENT, STAGES, expected_failure

Sending = Callable[..., Campaign]
F = FailureClass
SHORT = 0.4
WAITING = ("hang", "trickle")
pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr("core.jobs.ring_now", lambda _task, calls: len(calls))
    canary._seen.clear()
    yield
    connections.close_all()


@contextmanager
def relay(campaign: Campaign, stage: str, action: str) -> Iterator[FaultServer]:
    """Send the campaign through a server with one fault."""
    with FaultServer(
        [Fault(stage, action)],
        accounts={"user": "secret"} if stage == "auth" else None,
        starttls=stage == "starttls",
    ) as server:
        transport = Transport.objects.create(
            workspace=campaign.workspace,
            name="Relay",
            kind="smtp",
            host="127.0.0.1",
            port=server.port,
            tls="starttls" if stage == "starttls" else "none",
            username="user" if stage == "auth" else "",
            password=Secret("secret") if stage == "auth" else "",
        )
        Delivery.objects.update(transport=transport)
        yield server


def shorten(stage: str, action: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give both modes short deadlines at the stage that waits."""
    capped = {"connect": "banner"}.get(stage, stage)
    real, real_many = post_office.carry, engine.engine_for
    caps = StageCaps(**{capped: SHORT}) if action in WAITING and stage not in ("dot", "quit") else StageCaps()

    def brief(budget: Budget) -> Budget:
        is_late = stage == "dot" and action in WAITING
        return dataclasses.replace(budget, dot_floor=0.0, dot_cap=SHORT) if is_late else budget

    def short(config, envelope, *, budget, mark):  # type: ignore[no-untyped-def]  # as post_office.carry
        config = dataclasses.replace(config, verify_tls=False)
        return real(config, envelope, budget=brief(budget), mark=mark, caps=caps)

    def short_many(config, bearer, *, budget, **more):  # type: ignore[no-untyped-def]  # as engine.engine_for
        config = dataclasses.replace(config, verify_tls=False)
        return real_many(config, bearer, budget=lambda: brief(budget()), caps=caps, **more)

    monkeypatch.setattr(dispatch.post_office, "carry", short)
    monkeypatch.setattr(inline.engine, "engine_for", short_many)


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("stage", [stage for stage in STAGES if stage != "body"])
def test_a_fault_does_to_the_row_what_its_class_says(
    sending: Sending, carry: Carry, monkeypatch: pytest.MonkeyPatch, stage: str, action: str
) -> None:
    campaign = sending(1)
    (letter,) = letters(campaign)
    with relay(campaign, stage, action) as server:
        shorten(stage, action, monkeypatch)
        carry(letter)

        assert server.letters == []
    letter.refresh_from_db()
    failure = expected_failure(stage, action)
    is_offered = stage not in BEFORE_LETTER
    if stage == "dot" and action in BREAKS:
        assert (letter.state, letter.reason, letter.ambiguous_count) == ("unconfirmed", "no_reply", 1)
    elif is_offered and stage != "mail" and action in PERMANENT and failure is not F.ACCOUNT:
        assert (letter.state, letter.reason) == ("failed", failure.value)
    else:
        counts = is_offered and failure in (F.PROTOCOL, F.TRANSIENT_RECIPIENT)
        assert (letter.state, letter.failure, letter.ambiguous_count) == ("queued", failure.value, 0)
        assert (letter.counted_tries, letter.protocol_tries) == (counts, counts and failure is F.PROTOCOL)
        with connection.cursor() as cursor:
            cursor.execute("SELECT due_at > now() FROM campaigns_delivery")
            assert cursor.fetchone() == (True,)
    assert Suppression.objects.exists() == (stage == "rcpt" and action.startswith("550 5.1.1"))
    throttle = Throttle.objects.filter(failures__gt=0).first()
    is_trouble = failure is F.ACCOUNT or (not is_offered and failure in (F.TRANSIENT_DEST, F.PROTOCOL))
    assert (throttle is not None) == (is_trouble and letter.state == "queued")
    campaign.refresh_from_db()
    assert campaign.state == "sending"


@pytest.mark.parametrize("action", ACTIONS)
def test_a_fault_at_the_goodbye_changes_nothing(
    sending: Sending, carry: Carry, monkeypatch: pytest.MonkeyPatch, action: str
) -> None:
    campaign = sending(1)
    (letter,) = letters(campaign)
    with relay(campaign, "quit", action) as server:
        shorten("quit", action, monkeypatch)
        carry(letter)
        connections.close_all()

        assert server.recipients() == [letter.email]
    letter.refresh_from_db()
    assert (letter.state, letter.attempts, letter.last_code) == ("sent", 1, 250)
    assert not Throttle.objects.filter(failures__gt=0).exists()
