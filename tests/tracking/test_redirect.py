"""The click: only to links stored with this very letter's content."""

from __future__ import annotations

import secrets

import pytest

from apps.campaigns.models import ContentVersion, Delivery
from apps.tracking.models import Event
from core import tokens
from tests.tracking.conftest import LINKS


def url(delivery: Delivery, link: int) -> str:
    return f"/c/{tokens.seal('click', delivery.pk, link)}"


@pytest.mark.parametrize("link", [0, 1, 2])
def test_leads_to_the_stored_link_and_records_the_click(recipient, delivery, link):
    response = recipient.get(url(delivery, link))

    assert (response.status_code, response["Location"]) == (302, LINKS[link])
    assert "no-store" in response["Cache-Control"]
    event = Event.objects.get()
    assert (event.kind, event.link, event.is_machine) == ("click", link, False)
    assert not response.cookies


def test_marks_a_head_and_a_click_right_after_the_sending_as_machines(recipient, delivery, make_delivery):
    recipient.head(url(delivery, 0))
    recipient.get(url(make_delivery("soon@orchard.example", ago=0.5), 0))

    assert list(Event.objects.order_by("pk").values_list("machine_reason", flat=True)) == ["head", "too_soon"]


def test_marks_the_third_link_within_two_seconds_as_a_burst(recipient, delivery):
    for link in (0, 1, 2):
        recipient.get(url(delivery, link))

    assert list(Event.objects.order_by("pk").values_list("machine_reason", flat=True)) == ["", "", "burst"]


def test_answers_a_link_the_content_does_not_have_like_an_unknown_token(recipient, delivery):
    missing, unknown = recipient.get(url(delivery, 3)), recipient.get(f"/c/{'A' * 35}")

    assert (missing.status_code, unknown.status_code) == (404, 404)
    assert missing.content == unknown.content
    assert not Event.objects.exists()


@pytest.mark.parametrize(
    "target",
    [
        "//evil.example",
        "\\\\evil.example",
        "javascript:alert(1)",
        "https://",
        "http:evil",
        "https://e.example/\r\nX: 1",
        "/w/",
    ],
)
def test_never_leads_to_anything_but_the_web(recipient, delivery, target):
    ContentVersion.objects.update(links=[target])

    assert recipient.get(url(delivery, 0)).status_code == 404


@pytest.mark.parametrize("purpose", ["open", "unsubscribe", "view"])
def test_refuses_a_token_of_another_purpose(recipient, delivery, purpose):
    assert recipient.get(f"/c/{tokens.seal(purpose, delivery.pk, 0)}").status_code == 404


def test_finds_nothing_behind_random_and_damaged_tokens(recipient, delivery):
    good = tokens.seal("click", delivery.pk, 0)
    damaged = [good[:at] + ("A" if good[at] != "A" else "B") + good[at + 1 :] for at in range(0, 34, 5)]

    for token in [*damaged, good + "A", good[:-1], *(secrets.token_urlsafe(26) for _ in range(50))]:
        assert recipient.get(f"/c/{token}").status_code == 404


def test_says_that_it_must_wait_while_the_database_is_away(recipient, delivery, monkeypatch):
    from django.db import OperationalError

    from apps.tracking import letters

    def away(*_):
        raise OperationalError("gone")

    monkeypatch.setattr(letters, "target", away)

    response = recipient.get(url(delivery, 0))

    assert (response.status_code, response["Retry-After"]) == (503, "60")
