"""The pages of a campaign that was sent off: live, paused, stopped, closed; everyone's fate."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

import pytest
from django.db.models.functions import Now
from django.test import Client

from apps.accounts.models import User
from apps.campaigns import chronicle, forecast, pace_graph, selectors, tally
from apps.campaigns.models import Campaign, CampaignEntry, Delivery, Template
from apps.campaigns.services import history, standstill
from core import clock

Sending = Callable[..., Campaign]
HTMX = {"HX-Request": "true"}


def at(campaign: Campaign, page: str = "") -> str:
    return f"/w/northlight/campaigns/{campaign.pk}/{page}"


def letters(campaign: Campaign) -> list[Delivery]:
    return list(campaign.deliveries.order_by("pk"))


def settle(delivery: Delivery, state: str, **fields: object) -> None:
    Delivery.objects.filter(pk=delivery.pk).update(state=state, moved_at=Now(), attempts=1, **fields)


REFUSED = {
    "last_code": 550,
    "last_enhanced": "5.1.1",
    "last_text": "No such user",
    "failure": "perm_recipient",
    "reason": "perm_recipient",
}
BUSY = {"last_code": 451, "last_enhanced": "4.7.1", "last_text": "Come back later", "failure": "policy_rate"}


def test_the_live_page_shows_an_account_that_adds_up(owner_client: Client, sending: Sending) -> None:
    campaign = sending(6, started_at=Now())
    one, two, three, four, *_rest = letters(campaign)
    settle(one, "sent", last_code=250, last_enhanced="2.0.0", last_text="OK")
    settle(two, "failed", **REFUSED)
    settle(three, "queued", due_at=Now() + dt.timedelta(minutes=9), **BUSY)
    settle(four, "committing")

    reply = owner_client.get(at(campaign))

    html = reply.content.decode()
    account = reply.context["account"]
    assert (account.sent, account.failed, account.waiting, account.queued, account.in_hand) == (1, 1, 1, 3, 1)
    assert account.adds_up and account.total == 6
    assert "data-live=" in html and 'hx-trigger="poll"' in html
    assert "does not add up" not in html
    assert "Accepted by the receiving server" in html
    assert "550 5.1.1 No such user" in html
    assert "delivered" not in html.lower()
    assert html.count("<h1") == 1


def test_a_poll_brings_the_same_part(owner_client: Client, sending: Sending) -> None:
    campaign = sending(2, started_at=Now())

    html = owner_client.get(at(campaign, "live/"), headers=HTMX).content.decode()

    assert html.startswith('<div id="live"')
    assert "<html" not in html
    assert owner_client.get(at(campaign, "live/")).headers["Location"] == at(campaign)


def test_those_who_listen_hear_one_sentence(owner_client: Client, sending: Sending) -> None:
    campaign = sending(2, started_at=Now())
    settle(letters(campaign)[0], "sent")

    reply = owner_client.get(at(campaign, "live/?say=1"), headers=HTMX)

    assert reply.content.decode().strip() == "1 of 2 accounted for"


def test_a_viewer_is_offered_no_deeds(colleague: User, sending: Sending) -> None:
    campaign = sending(2, started_at=Now())
    client = Client()
    client.force_login(colleague)

    html = client.get(at(campaign)).content.decode()

    assert 'id="pause"' not in html and 'id="cancel-open"' not in html


def test_a_closed_campaign_has_its_page_read_again(owner_client: Client, sending: Sending) -> None:
    campaign = sending(1, state="finished", finished_at=Now())

    reply = owner_client.get(at(campaign, "live/"), headers=HTMX)

    assert (reply.headers["HX-Refresh"], reply.content) == ("true", b"")


def test_while_it_is_prepared_no_sum_is_closed(owner_client: Client, sending: Sending) -> None:
    campaign = sending(2, state="preparing", started_at=Now())

    html = owner_client.get(at(campaign)).content.decode()

    assert "being counted and frozen" in html
    assert "Pause" not in html and "Cancel…" in html
    assert "reckon closed" not in html


def test_pause_is_one_click_and_so_is_going_on(owner_client: Client, sending: Sending, owner: User) -> None:
    campaign = sending(2, started_at=Now())

    paused = owner_client.post(at(campaign, "pause/"), headers=HTMX).content.decode()
    campaign.refresh_from_db()
    assert campaign.state == "paused"
    assert "No email leaves until you let it go on" in paused
    assert "2 emails wait; nothing is lost" in paused

    resumed = owner_client.post(at(campaign, "resume/"))
    campaign.refresh_from_db()
    assert (resumed.headers["Location"], campaign.state) == (at(campaign), "sending")
    assert list(selectors.entries_of(campaign).values_list("kind", "by")) == [
        ("resumed", owner.pk),
        ("paused", owner.pk),
    ]


def test_what_cannot_be_paused_says_so(owner_client: Client, sending: Sending) -> None:
    campaign = sending(1, state="finished", finished_at=Now())

    reply = owner_client.post(at(campaign, "pause/"), headers=HTMX)

    assert reply.status_code == 409
    assert "Nothing has changed" in reply.content.decode()


def test_cancel_asks_with_numbers_and_then_acts(owner_client: Client, sending: Sending) -> None:
    campaign = sending(3, started_at=Now())
    settle(letters(campaign)[0], "sent")

    page = owner_client.get(at(campaign)).content.decode()
    asked = owner_client.get(at(campaign, "cancel/")).content.decode()
    campaign.refresh_from_db()
    assert campaign.state == "sending"
    for html in (page, asked):
        assert "1 email has met its end" in html
        assert "2 people will not get this campaign" in html
        assert "Cancel for 2" in html

    owner_client.post(at(campaign, "cancel/"))
    campaign.refresh_from_db()
    assert campaign.state == "cancelled"
    assert "What is in hand ends by itself" in owner_client.get(at(campaign)).content.decode()


def test_a_stopped_campaign_says_what_to_do(owner_client: Client, sending: Sending) -> None:
    campaign = sending(2, started_at=Now())
    standstill.stall(campaign.pk, reason="no_progress")

    html = owner_client.get(at(campaign)).content.decode()

    assert "It stopped: nothing carries its emails." in html
    assert "2 emails wait; nothing is lost." in html
    assert "manage.py health_check" in html
    assert "Let it go on" in html


def test_a_quiet_campaign_is_noticed_and_a_waiting_one_is_not(owner_client: Client, sending: Sending) -> None:
    hour_ago = Now() - dt.timedelta(minutes=60, seconds=30)
    campaign = sending(2, started_at=hour_ago, moved_at=hour_ago)
    Delivery.objects.update(moved_at=hour_ago, due_at=hour_ago)
    assert "No email has moved for 60 minutes" in owner_client.get(at(campaign)).content.decode()

    Delivery.objects.update(due_at=Now() + dt.timedelta(minutes=5), attempts=1)
    html = owner_client.get(at(campaign)).content.decode()
    assert "No email has moved" not in html
    assert "the rest waits for its next try" in html


def test_the_pace_is_what_moved_in_the_last_minute(sending: Sending) -> None:
    two_minutes_ago = Now() - dt.timedelta(minutes=2)
    campaign = sending(5, started_at=two_minutes_ago, moved_at=two_minutes_ago)
    now_sent, then_sent, skipped, *_rest = letters(campaign)
    settle(now_sent, "sent")
    settle(then_sent, "sent")
    Delivery.objects.filter(pk=then_sent.pk).update(moved_at=Now() - dt.timedelta(minutes=2))
    settle(skipped, "skipped")

    counted = tally.of(campaign)
    pace = counted.pace
    about = forecast.of(campaign, counted, pace_graph.of(campaign, pace)).done_about

    assert (pace.last_minute, pace.mean_per_minute, pace.due) == (1, 1, 2)
    assert about is not None and about > clock.now() + dt.timedelta(seconds=90)
    assert pace.next_due_at is None


def test_an_appointment_is_shown_with_its_way_back(owner_client: Client, sending: Sending) -> None:
    campaign = sending(1, state="scheduled", scheduled_at=Now() + dt.timedelta(days=2))

    html = owner_client.get(at(campaign)).content.decode()

    assert "It leaves by itself." in html
    assert "Back to a draft" in html


@pytest.fixture
def closed(sending: Sending) -> Campaign:
    campaign = sending(4, state="finished", started_at=Now(), finished_at=Now())
    one, two, three, four = letters(campaign)
    settle(one, "sent", last_code=250, last_enhanced="2.0.0", last_text="OK")
    settle(two, "failed", **REFUSED)
    settle(three, "skipped", reason="unsubscribed")
    settle(four, "unconfirmed", reason="no_reply", failure="ambiguous")
    Campaign.objects.filter(pk=campaign.pk).update(left_out={"suppressed": 2, "unsubscribed": 1})
    history.note(campaign.pk, "finished")
    return campaign


def test_the_report_closes_the_account(owner_client: Client, closed: Campaign) -> None:
    html = owner_client.get(at(closed)).content.decode()

    assert "reckon closed" in html
    assert 'id="live"' not in html
    assert f'hx-get="/w/northlight/campaigns/{closed.uuid}/statistics/"' in html
    assert "1 of 4 in the audience" in html
    for sentence in (
        "Accepted by the receiving server.",
        "550 5.1.1 No such user",
        "this person unsubscribed after the campaign began",
        "It may or may not have arrived",
        "Every email has met its end, and the states add up to the audience.",
    ):
        assert sentence in html
    assert "delivered" not in html.lower()


def test_everyone_can_be_found_by_part_and_by_word(owner_client: Client, closed: Campaign) -> None:
    def found(query: str) -> list[str]:
        rows = owner_client.get(at(closed, f"?{query}")).context["people"]
        return [delivery.email.partition("@")[0] for delivery, _fate in rows]

    assert found("") == ["reader0", "reader1", "reader2", "reader3"]
    assert found("part=failed") == ["reader1"]
    assert found("part=nonsense") == []
    assert found("q=READER2") == ["reader2"]
    assert found("q=no+such+user") == ["reader1"]
    assert found("q=reader1&part=sent") == []
    assert found("after=abc") == found("")


def test_everyone_goes_on_where_the_page_stopped(owner_client: Client, sending: Sending) -> None:
    campaign = sending(52, started_at=Now())

    first = owner_client.get(at(campaign, "people/"))
    second = owner_client.get(at(campaign, "people/") + first.context["next_url"])

    assert [len(reply.context["people"]) for reply in (first, second)] == [50, 2]
    assert "50 of 52" in first.content.decode() and "52 of 52" in second.content.decode()


def test_a_report_can_become_a_template(owner_client: Client, closed: Campaign) -> None:
    page = owner_client.get(at(closed)).content.decode()
    action = f"/w/northlight/campaigns/{closed.pk}/keep/"
    owner_client.post(action)

    assert f'action="{action}"' in page
    assert Template.objects.get().html == closed.html


def test_the_report_is_cheap(owner_client: Client, sending: Sending, django_assert_max_num_queries: object) -> None:
    campaign = sending(40, state="finished", started_at=Now(), finished_at=Now())

    with django_assert_max_num_queries(16):  # type: ignore[operator]  # a fixture of pytest-django
        owner_client.get(at(campaign))


@pytest.mark.parametrize(
    ("index", "answer"),
    [(0, "Yes. Accepted at "), (1, "No."), (2, "No, it was not sent."), (3, "We cannot know.")],
)
def test_one_persons_fate_is_answered_first(owner_client: Client, closed: Campaign, index: int, answer: str) -> None:
    letter = letters(closed)[index]

    html = owner_client.get(at(closed, f"people/{letter.uuid}/")).content.decode()

    assert f"Did Reader {index} get it?" in html
    assert f"<b>{answer}" in html
    assert "One of 1" in html


def test_a_waiting_person_is_told_the_next_try(owner_client: Client, sending: Sending) -> None:
    campaign = sending(1, started_at=Now())
    settle(letters(campaign)[0], "queued", due_at=Now() + dt.timedelta(minutes=9), **BUSY)

    html = owner_client.get(at(campaign, f"people/{letters(campaign)[0].uuid}/")).content.decode()

    assert "<b>Not yet." in html
    assert "Second try" in html and "451 4.7.1 Come back later" in html


def test_a_letter_of_another_campaign_is_not_found(owner_client: Client, closed: Campaign) -> None:
    other = Campaign.objects.create(workspace=closed.workspace, name="Other")

    assert owner_client.get(at(other, f"people/{letters(closed)[0].uuid}/")).status_code == 404


def test_words_of_servers_are_shown_and_not_run(owner_client: Client, closed: Campaign) -> None:
    Delivery.objects.filter(campaign=closed).update(last_text="<script>alert(1)</script>", email="<b>@x.example")
    Campaign.objects.update(name="<script>alert(2)</script>")

    for page in ("", "people/", f"people/{letters(closed)[0].uuid}/"):
        html = owner_client.get(at(closed, page)).content.decode()
        assert "<script>alert" not in html
        assert "&lt;script&gt;alert(2)" in html
    assert "<script>alert" not in owner_client.get("/w/northlight/campaigns/").content.decode()


def test_a_list_row_carries_its_account(owner_client: Client, closed: Campaign) -> None:
    html = owner_client.get("/w/northlight/campaigns/").content.decode()

    assert "Audience 4: 1 sent, 1 skipped, 1 failed, 1 unconfirmed. Closed, it adds up." in html


@pytest.mark.parametrize(
    ("kind", "detail", "words"),
    [
        ("created", {"copy_of": "Spring"}, "A copy of “Spring”."),
        ("scheduled", {"at": None}, "The content is frozen."),
        ("paused", {"reason": "letters_crash"}, "By itself: worker after worker died"),
        ("reset", {"reason": "letters_due", "leases": 2}, "2 emails went back to the queue."),
        ("finished", {}, "the states add up to the audience"),
    ],
)
def test_history_is_told_in_sentences(
    sending: Sending, owner: User, kind: str, detail: dict[str, object], words: str
) -> None:
    entry = CampaignEntry.objects.create(campaign=sending(0), kind=kind, detail=detail, by=owner)

    line = chronicle.line(CampaignEntry.objects.get(pk=entry.pk))

    assert words in line.detail
    assert line.what


def test_a_kind_nobody_knows_is_shown_by_its_name(sending: Sending) -> None:
    entry = CampaignEntry.objects.create(campaign=sending(0), kind="moved_house", detail={})

    assert chronicle.line(CampaignEntry.objects.get(pk=entry.pk)).what == "Moved house"


def test_what_is_sent_now_is_found_for_home(sending: Sending) -> None:
    campaign = sending(1)

    assert selectors.sending_now(campaign.workspace) == campaign
    assert selectors.latest(campaign.workspace) == [campaign]
    Campaign.objects.update(state="paused")
    assert selectors.sending_now(campaign.workspace) is None
