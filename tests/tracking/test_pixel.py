"""The pixel: always served, recorded when it is ours."""

from __future__ import annotations

import pytest
from django.db import OperationalError

from apps.campaigns.models import Delivery
from apps.tracking import letters
from apps.tracking.models import Event
from core import tokens


def url(delivery: Delivery) -> str:
    return f"/o/{tokens.seal('open', delivery.pk)}.gif"


def test_serves_a_gif_of_43_bytes_and_records_the_opening(recipient, delivery):
    response = recipient.get(url(delivery))

    assert (response.status_code, response["Content-Type"], len(response.content)) == (200, "image/gif", 43)
    assert "no-store" in response["Cache-Control"]
    event = Event.objects.get()
    assert (event.kind, event.delivery_id, event.campaign_id) == ("open", delivery.pk, delivery.campaign_id)
    assert (event.is_machine, event.machine_reason) == (False, "")
    assert not response.cookies


def test_marks_a_head_as_a_machine(recipient, delivery):
    recipient.head(url(delivery))

    assert Event.objects.get().machine_reason == "head"


@pytest.mark.parametrize("token", ["x", "A" * 35, "%00", "ä"])
def test_serves_the_gif_for_a_foreign_token(db, recipient, token):
    response = recipient.get(f"/o/{token}.gif")

    assert (response.status_code, len(response.content)) == (200, 43)
    assert not Event.objects.exists()


def test_refuses_a_token_made_for_another_purpose(recipient, delivery):
    recipient.get(f"/o/{tokens.seal('click', delivery.pk)}.gif")

    assert not Event.objects.exists()


def test_serves_the_gif_while_the_database_is_away(recipient, delivery, monkeypatch):
    def away(*_):
        raise OperationalError("gone")

    monkeypatch.setattr(letters, "get", away)

    response = recipient.get(url(delivery))

    assert (response.status_code, len(response.content)) == (200, 43)


def test_records_a_test_letter_outside_of_the_campaign(recipient, make_delivery):
    test_letter = make_delivery(kind="test")

    recipient.get(url(test_letter))

    assert Event.objects.get().campaign_id is None


def test_reads_and_writes_once(recipient, delivery, django_assert_num_queries):
    with django_assert_num_queries(2):
        recipient.get(url(delivery))


@pytest.mark.parametrize(
    ("agent", "state"),
    [("Mozilla/5.0 (X11) Firefox/140.0", "sent"), ("Mozilla/5.0", "sent"), ("Barracuda Sentinel", "unconfirmed")],
)
def test_an_opening_that_no_scanner_made_proves_that_an_unconfirmed_letter_arrived(
    recipient, make_delivery, agent, state
):
    letter = make_delivery(state="unconfirmed", sent_at=None)

    recipient.get(url(letter), headers={"User-Agent": agent})

    letter.refresh_from_db()
    assert letter.state == state
