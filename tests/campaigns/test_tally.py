"""What the live page and the report count: one pass over the letters, and every sum agrees with every other."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from django.db.models.functions import Now
from django.test import Client

from apps.accounts.models import User
from apps.campaigns import causes, finding, forecast, pace_graph, selectors, tally
from apps.campaigns.models import Campaign, Delivery, PaceSample
from apps.campaigns.services import audience, history, measuring
from apps.smtp import mx_groups
from apps.smtp.models import Throttle, Transport
from core import clock
from tests.campaigns import scene

Sending = Callable[..., Campaign]
MINUTE = dt.timedelta(minutes=1)
HTMX = {"HX-Request": "true"}


@pytest.fixture
def relay(workspace: Any) -> Transport:
    return Transport.objects.create(workspace=workspace, kind="smtp", name="Own relay", host="r.example", per_minute=70)


@pytest.fixture
def busy(workspace: Any, relay: Transport) -> Campaign:
    begun = clock.now() - 60 * MINUTE
    campaign = scene.campaign_of(workspace, relay, state="sending", started_at=begun, moved_at=begun)
    scene.add(campaign, 6, "gmail.com", **scene.OK, moved_at=begun, sent_at=begun)
    scene.add(campaign, 9, "orchard.example", **scene.OK, sent_at=Now())
    scene.add(campaign, 2, "gmail.com", **scene.NO_MAILBOX)
    scene.add(campaign, 1, "gmail.com", **scene.FULL)
    scene.add(campaign, 3, "outlook.com", **scene.BUSY, due_at=Now() + 9 * MINUTE)
    scene.add(campaign, 4, "outlook.com", attempts=0)
    scene.add(campaign, 1, "outlook.com", state="committing")
    scene.add(campaign, 2, "gmail.com", **scene.SKIPPED)
    scene.add(campaign, 1, "gmail.com", **scene.UNCONFIRMED)
    return campaign


def test_lanes_add_up_and_together_make_the_account(busy: Campaign) -> None:
    found = tally.of(busy)

    assert found.account == selectors.account(busy)
    assert found.account.adds_up and found.account.in_hand == 1
    assert [(lane.mx_group, lane.account.total) for lane in found.lanes] == [("google", 12), ("microsoft", 8), ("", 9)]
    for part in (*selectors.PARTS, "in_hand", "total"):
        assert sum(getattr(lane.account, part) for lane in found.lanes) == getattr(found.account, part)
    assert [lane.last_minute for lane in found.lanes] == [4, 0, 9]


def test_retries_are_told_by_time_and_reason(busy: Campaign) -> None:
    (retry,) = tally.of(busy).retries

    assert (retry.letters, retry.mx_group, retry.failure) == (3, "microsoft", "policy_rate")
    assert abs(retry.at - (clock.now() + 9 * MINUTE)) < MINUTE
    assert pace_graph.waiting_because(retry.mx_group, retry.failure) == "Microsoft asked to slow down"
    assert pace_graph.waiting_because("", "transient_dest") == "Receiving servers were busy or out of reach"


def test_causes_are_what_the_filter_finds(busy: Campaign) -> None:
    found = tally.of(busy).causes

    assert [(one.part, one.cause, one.letters) for one in found] == [
        ("skipped", "unsubscribed", 2),
        ("failed", "perm_recipient", 2),
        ("failed", "expired", 1),
        ("unconfirmed", "no_reply", 1),
        ("waiting", "policy_rate", 3),
    ]
    for one in found:
        assert finding.deliveries(busy, finding.Wanted(one.part, one.cause)).count() == one.letters
        assert causes.words(one.cause) != one.cause.replace("_", " ") or one.cause == "unsubscribed"


def test_replies_with_ids_of_their_own_are_one_line(busy: Campaign) -> None:
    for number, letter in enumerate(Delivery.objects.filter(state="sent")):
        Delivery.objects.filter(pk=letter.pk).update(last_text=f"queued as 4bX{number}")

    first = tally.of(busy).replies[0]

    assert (first.letters, first.part) == (15, "sent")
    assert first.reply.startswith("250 2.0.0 queued as 4bX")


def test_a_campaign_of_nobody_is_counted_too(workspace: Any, relay: Transport) -> None:
    found = tally.of(scene.campaign_of(workspace, relay, audience_size=0))

    assert found.account == selectors.Account() and found.lanes == found.replies == found.causes == ()


def test_the_end_is_not_told_before_there_is_something_to_tell_from(busy: Campaign) -> None:
    def about() -> dt.datetime | None:
        counted = tally.of(busy)
        return forecast.of(busy, counted, pace_graph.of(busy, counted.pace)).done_about

    Campaign.objects.filter(pk=busy.pk).update(moved_at=Now() - dt.timedelta(seconds=5))
    busy.refresh_from_db()
    assert about() is None

    Campaign.objects.filter(pk=busy.pk).update(moved_at=Now() - dt.timedelta(seconds=30))
    said = about()
    # 13 in half a minute, 8 to go; but three of them may not be tried before nine minutes from now.
    assert said is not None and abs(said - (clock.now() + 9 * MINUTE)) < MINUTE


def test_a_forecast_says_what_holds_it_back(busy: Campaign) -> None:
    def held() -> str:
        counted = tally.of(busy)
        return forecast.of(busy, counted, pace_graph.of(busy, counted.pace)).held_back_by

    assert held() == "Nothing: it goes as fast as the workers do"
    busy.transport.per_minute = 13  # type: ignore[union-attr]  # it has one
    assert held() == "The limit of Own relay, 13 a minute"
    Delivery.objects.filter(state="queued", attempts=0).update(state="sent", attempts=1)
    assert held() == "Microsoft, 3 emails wait"


def test_measuring_writes_one_row_for_each_slot(busy: Campaign) -> None:
    assert [measuring.measure(), measuring.measure()] == [1, 0]

    sample = PaceSample.objects.get()
    assert (sample.tried, sample.waiting, sample.held_by) == (19, {"microsoft:policy_rate": 3}, "")

    PaceSample.objects.update(at=Now() - MINUTE, slot=Now() - MINUTE)
    Throttle.objects.create(transport=busy.transport, closed_until=Now() + MINUTE)
    assert measuring.measure() == 1
    assert PaceSample.objects.latest("at").held_by == "account"
    Campaign.objects.update(state="paused")
    PaceSample.objects.update(at=Now() - MINUTE)
    assert measuring.measure() == 0


def test_a_dip_is_told_in_words(busy: Campaign, owner: User) -> None:
    for minute, tried in enumerate([50, 100, 150, 200, 220, 240, 290, 340, 390, 440], start=1):
        waiting = {"microsoft:policy_rate": minute * 7} if minute in (5, 6) else {}
        scene.sample(busy, minutes=60 - minute, tried=tried, waiting=waiting)

    graph = pace_graph.of(busy, tally.of(busy).pace)

    assert [mark.words for mark in graph.marks] == ["Microsoft asked to slow down"]
    assert (round(graph.usual), graph.limit) == (50, 70.0)
    assert "it went more slowly: Microsoft asked to slow down." in pace_graph.sentence(graph)

    history.note(busy.pk, "paused", by=owner)
    busy.entries.update(at=clock.now() - 56.5 * MINUTE)
    history.note(busy.pk, "resumed", by=owner)
    busy.entries.filter(kind="resumed").update(at=clock.now() - 54 * MINUTE)
    assert [mark.words for mark in pace_graph.of(busy, tally.of(busy).pace).marks] == ["Paused"]


def test_a_line_needs_a_few_points(busy: Campaign, owner_client: Client) -> None:
    assert pace_graph.of(busy, tally.of(busy).pace).is_empty

    html = owner_client.get(f"/w/northlight/campaigns/{busy.pk}/").content.decode()

    assert "Too early to draw" in html


def test_the_audience_knows_who_receives_for_whom(sending: Sending, make_contact: Any, make_campaign: Any) -> None:
    for address in ("a@gmail.com", "b@HOTMAIL.com", "c@orchard.example"):
        make_contact(address)
    campaign = make_campaign()
    audience.make_slice(campaign.pk)

    groups = dict(Delivery.objects.values_list("email", "mx_group"))

    assert sorted(groups.values()) == ["", "google", "microsoft"]
    assert all(group == mx_groups.of(email) for email, group in groups.items())
    assert set(mx_groups.BY_DOMAIN.values()) == set(mx_groups.NAMES)


def test_a_poll_goes_through_the_letters_once(
    owner_client: Client, busy: Campaign, django_assert_max_num_queries: Any
) -> None:
    with django_assert_max_num_queries(12) as asked:
        owner_client.get(f"/w/northlight/campaigns/{busy.pk}/live/", headers=HTMX)

    over_letters = [query["sql"] for query in asked.captured_queries if "campaigns_delivery" in query["sql"]]
    assert len(over_letters) == 1


def test_the_page_tells_all_of_it(owner_client: Client, busy: Campaign) -> None:
    for minute in range(5):
        scene.sample(busy, minutes=50 - minute, tried=minute * 60)

    html = owner_client.get(f"/w/northlight/campaigns/{busy.pk}/").content.decode()

    for words in (
        "Done about",
        "limit of Own relay: 70 a minute",
        'role="img" aria-label="Emails a minute since',
        "Show as a table",
        "each lane adds up",
        "Everyone else",
        "Tried again by themselves",
        "3 emails",
        "no such mailbox",
    )[:-1]:
        assert words in html
    assert " style=" not in html.split("<main", 1)[1]


def test_a_large_campaign_rests_between_counts_and_a_small_one_does_not(
    busy: Campaign, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = tally.recent(busy)
    assert tally.recent(busy) is not small

    settings.LIMITS = replace(settings.LIMITS, large=1)
    monkeypatch.setattr(tally, "_REST", 1e9)
    large = tally.recent(busy)
    assert tally.recent(busy) is large

    monkeypatch.setattr(tally, "_REST", 0.0)
    assert tally.recent(busy) is not large
