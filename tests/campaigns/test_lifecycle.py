"""A campaign's moves: refused with a sentence, won by one of two rivals, and noted."""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.db.models.functions import Now
from django.utils import timezone

from apps.accounts.models import User, Workspace
from apps.campaigns.models import Campaign, CampaignEntry, ContentVersion, Delivery
from apps.campaigns.rendering import ContentError
from apps.campaigns.rendering.sample import sample_source
from apps.campaigns.services import dispatch, lifecycle, test_letters
from apps.campaigns.states import CAMPAIGN_MOVES, CampaignState
from apps.contacts.models import Suppression
from apps.smtp.models import Transport
from core import clock
from core.errors import EspError, InvalidTransitionError
from tests.campaigns.conftest import MakeCampaign, MakeContact


@pytest.fixture
def draft(make_campaign: MakeCampaign, workspace: Workspace) -> Campaign:
    source = sample_source()
    Workspace.objects.filter(pk=workspace.pk).update(postal_address=source.postal_address)
    campaign = make_campaign(
        state="draft",
        content=None,
        html=source.html,
        text=source.text,
        subject=source.subject,
        from_email=source.from_email,
        audience_list_ids=[],
    )
    campaign.refresh_from_db()
    return campaign


def test_scheduling_freezes_content_and_lists(draft: Campaign, owner: User) -> None:
    lifecycle.schedule(draft, by=owner)

    assert draft.state == "scheduled"
    assert draft.content is not None and len(draft.content.links) > 3
    assert draft.audience_list_ids == [draft.lists.get().pk]
    assert draft.message_domain == "vashsender.example"
    entry = CampaignEntry.objects.get()
    assert (entry.kind, entry.by) == ("scheduled", owner)


def test_what_was_scheduled_cannot_be_scheduled_again(draft: Campaign) -> None:
    lifecycle.schedule(draft, by=None)

    with pytest.raises(InvalidTransitionError):
        lifecycle.schedule(draft, by=None)
    assert CampaignEntry.objects.count() == 1


def test_a_template_that_does_not_compile_leaves_a_draft(draft: Campaign) -> None:
    Campaign.objects.update(html=draft.html.replace("</body>", "{% if %}</body>"))
    draft.refresh_from_db()

    with pytest.raises(EspError):
        lifecycle.schedule(draft, by=None)

    draft.refresh_from_db()
    assert (draft.state, draft.content) == ("draft", None)
    assert not ContentVersion.objects.exclude(content_hash="0" * 64).exists()


def test_a_real_account_without_https_is_refused_with_the_settings_name(draft: Campaign) -> None:
    draft.transport = Transport.objects.create(workspace=draft.workspace, name="Relay", kind="smtp", host="mx.example")
    draft.save()

    with pytest.raises(lifecycle.InsecureUrlError, match="PUBLIC_URL"):
        lifecycle.schedule(draft, by=None)


def test_production_without_the_local_inbox_refuses_it(draft: Campaign, settings: Any) -> None:
    settings.LOCAL_INBOX_OFFERED = False

    with pytest.raises(lifecycle.NotReadyError, match="VASHSENDER_LOCAL_INBOX"):
        lifecycle.schedule(draft, by=None)


def test_a_moment_in_the_future_waits_for_it(draft: Campaign) -> None:
    lifecycle.schedule(draft, by=None, at=timezone.now() + dt.timedelta(hours=1))

    assert lifecycle.begin_preparing(draft.pk) is False
    draft.refresh_from_db()
    assert draft.state == "scheduled"


def test_preparing_makes_the_audience_and_opens_the_gate(draft: Campaign, make_contact: MakeContact) -> None:
    for number in range(3):
        make_contact(f"reader{number}@example.com")
    lifecycle.schedule(draft, by=None)

    dispatch.prepare(draft.pk)
    dispatch.prepare(draft.pk)

    draft.refresh_from_db()
    assert (draft.state, draft.audience_size) == ("sending", 3)
    assert Delivery.objects.filter(campaign=draft).count() == 3


def test_a_campaign_for_nobody_finishes_at_once(draft: Campaign) -> None:
    lifecycle.schedule(draft, by=None)

    dispatch.prepare(draft.pk)

    draft.refresh_from_db()
    assert (draft.state, draft.audience_size) == ("finished", 0)


MOVES: list[tuple[str, Callable[..., None], CampaignState, set[CampaignState]]] = [
    ("pause", lifecycle.pause, CampaignState.PAUSED, {CampaignState.SENDING, CampaignState.STALLED}),
    ("resume", lifecycle.resume, CampaignState.SENDING, {CampaignState.PAUSED, CampaignState.STALLED}),
    (
        "cancel",
        lifecycle.cancel,
        CampaignState.CANCELLED,
        {s for s, targets in CAMPAIGN_MOVES.items() if CampaignState.CANCELLED in targets},
    ),
]


@pytest.mark.parametrize(("move", "target", "allowed"), [m[1:] for m in MOVES], ids=[m[0] for m in MOVES])
@pytest.mark.parametrize("state", list(CampaignState))
def test_only_drawn_moves_happen(
    make_campaign: MakeCampaign,
    move: Callable[..., None],
    target: CampaignState,
    allowed: set[CampaignState],
    state: CampaignState,
) -> None:
    campaign = make_campaign(state=state)

    if state in allowed:
        move(campaign, by=None)
        assert campaign.state == target
    else:
        with pytest.raises(InvalidTransitionError):
            move(campaign, by=None)
        campaign.refresh_from_db()
        assert campaign.state == state


@pytest.mark.django_db(transaction=True)
def test_of_two_rivals_one_pauses(make_campaign: MakeCampaign) -> None:
    campaign = make_campaign(state="sending")
    results: list[str] = []
    start = threading.Barrier(2)

    def rival() -> None:
        mine = Campaign.objects.get(pk=campaign.pk)
        start.wait(10)
        try:
            lifecycle.pause(mine, by=None)
            results.append("won")
        except InvalidTransitionError:
            results.append("lost")
        connection.close()

    threads = [threading.Thread(target=rival) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert sorted(results) == ["lost", "won"]
    assert CampaignEntry.objects.filter(kind="paused").count() == 1


# test letters


def test_a_test_letter_is_a_delivery_of_its_own_kind(draft: Campaign, make_contact: MakeContact) -> None:
    contact = make_contact("reader@example.com", first_name="Ada")

    made = test_letters.send(draft, to=[["Me ", "me@example.com>"][1].rstrip(">")], as_contact=contact)

    assert [(one.kind, one.email, one.batch) for one in made] == [("test", "me@example.com", None)]
    assert made[0].message_id == f"<{made[0].uuid}@vashsender.example>"
    draft.refresh_from_db()
    assert draft.audience_size is None


@pytest.mark.parametrize("to", [[], ["not an address"], ["a@example.com"] * 11])
def test_wrong_test_addresses_queue_nothing(draft: Campaign, to: list[str]) -> None:
    with pytest.raises(EspError):
        test_letters.send(draft, to=to)

    assert not Delivery.objects.exists()


def test_a_suppressed_address_gets_no_test_letter(draft: Campaign) -> None:
    from apps.campaigns.services import claims

    made = test_letters.send(draft, to=["gone@example.com"])[0]
    Suppression.objects.create(workspace=draft.workspace, email_hash=made.email_hash, reason="complaint")

    assert claims.begin(made.pk, owner="w1") is None


def test_broken_content_sends_no_test_letter(draft: Campaign) -> None:
    Campaign.objects.update(html="{{ 'a' * 10**9 }}{{ unsubscribe_url }}")
    draft.refresh_from_db()

    with pytest.raises(ContentError):
        test_letters.send(draft, to=["me@example.com"])
    assert not Delivery.objects.exists()


def test_message_ids_of_an_international_domain_are_ascii(draft: Campaign) -> None:
    Campaign.objects.update(from_email="news@exämple.com")
    draft.refresh_from_db()

    lifecycle.schedule(draft, by=None)

    assert draft.message_domain == "xn--exmple-cua.com"


@pytest.mark.parametrize("year", [2199, 9999])
def test_no_moment_lies_further_than_the_calendar_goes(draft: Campaign, owner: User, year: int) -> None:
    far = dt.datetime(year, 12, 31, 23, 59, tzinfo=dt.UTC)

    with pytest.raises(lifecycle.NotReadyError, match="hundred years"):
        lifecycle.schedule(draft, by=owner, at=far)
    lifecycle.schedule(draft, by=owner, at=clock.now() + dt.timedelta(hours=1))
    with pytest.raises(lifecycle.NotReadyError, match="hundred years"):
        lifecycle.appoint(draft, by=owner, at=far)

    assert Campaign.objects.get().scheduled_at < clock.now() + dt.timedelta(hours=2)


def test_what_is_sent_leaves_the_archive(draft: Campaign, owner: User) -> None:
    Campaign.objects.update(archived_at=Now())

    lifecycle.schedule(draft, by=owner)

    assert Campaign.objects.get().archived_at is None
