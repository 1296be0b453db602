"""How often one may knock: a flood is not written down, and nobody is kept from leaving."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.core.cache import cache
from django.test import Client
from redis.exceptions import ConnectionError as RedisAway

from apps.campaigns.models import Delivery
from apps.contacts.models import Subscription
from apps.tracking.ingest import rates
from apps.tracking.models import Event
from core import tokens

pytestmark = pytest.mark.django_db
ONE_CLICK = {"List-Unsubscribe": "One-Click"}


@pytest.fixture(autouse=True)
def _small_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rates, "OF_A_LETTER", rates.Limit("letter", 3))
    monkeypatch.setattr(rates, "OF_PAGES", rates.Limit("pages", 3))


def link(door: str, purpose: str, delivery: Delivery) -> str:
    return f"/{door}/{tokens.seal(purpose, delivery.pk)}"


def test_a_picture_that_is_loaded_again_and_again_is_served_and_no_longer_written_down(
    recipient: Client, delivery: Delivery, make_delivery: Callable[..., Delivery]
) -> None:
    picture = link("o", "open", delivery) + ".gif"

    answers = {recipient.get(picture).status_code for _ in range(5)}
    other = recipient.get(link("o", "open", make_delivery("other@orchard.example")) + ".gif")

    assert (answers, other.status_code) == ({200}, 200)
    assert Event.objects.count() == 3 + 1  # a provider's proxy fetches many letters' pictures


def test_a_link_that_is_followed_again_and_again_still_leads_on(recipient: Client, delivery: Delivery) -> None:
    answers = {recipient.get(link("c", "click", delivery)).status_code for _ in range(5)}

    assert answers == {302}
    assert Event.objects.count() == 3


@pytest.mark.parametrize(("door", "purpose"), [("p", "unsubscribe"), ("v", "view")])
def test_pages_are_refused_calmly_to_this_address_only(
    recipient: Client, delivery: Delivery, door: str, purpose: str
) -> None:
    address = link(door, purpose, delivery)

    answers = [recipient.get(address) for _ in range(4)]

    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert "Follow the link again in a minute" in answers[-1].content.decode()
    assert answers[-1]["Retry-After"] == "60"
    assert recipient.get(address, REMOTE_ADDR="203.0.113.9").status_code == 200


def test_nobody_is_kept_from_leaving(recipient: Client, delivery: Delivery) -> None:
    for _ in range(6):
        assert recipient.get(link("u", "unsubscribe", delivery)).status_code == 200
        assert recipient.get(link("p", "unsubscribe", delivery)).status_code in (200, 429)

    assert recipient.post(link("p", "unsubscribe", delivery), {"action": "everything"}).status_code == 200
    assert recipient.post(link("u", "unsubscribe", delivery), ONE_CLICK).status_code == 200
    assert set(Subscription.objects.values_list("state", flat=True)) == {"unsubscribed"}


def test_without_the_cache_nobody_is_refused(
    recipient: Client, delivery: Delivery, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(*_: object, **__: object) -> None:
        raise RedisAway("gone")

    monkeypatch.setattr(cache, "incr", gone)

    assert {recipient.get(link("v", "view", delivery)).status_code for _ in range(6)} == {200}
