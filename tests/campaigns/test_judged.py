"""Behind every count of the audience stand the people it counts."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client

from apps.accounts.models import User, Workspace
from apps.campaigns.models import Campaign
from apps.campaigns.services import audience
from apps.contacts.models import Contact, ContactList, Subscription, Suppression
from apps.smtp.models import Transport

MakeContact = Callable[..., Contact]


@pytest.fixture
def draft(workspace: Workspace, contact_list: ContactList, transport: Transport, make_contact: MakeContact) -> Campaign:
    staff = ContactList.objects.create(workspace=workspace, name="Staff")
    campaign = Campaign.objects.create(workspace=workspace, name="Roast", transport=transport)
    campaign.lists.add(contact_list)
    campaign.excluded_lists.add(staff)
    make_contact("ann@example.com", first_name="Ann")
    bounced = make_contact("bob@example.com", first_name="Bob")
    Suppression.objects.create(
        workspace=workspace, email=bounced.email, email_hash=bounced.email_hash, reason="hard_bounce"
    )
    make_contact("eve@example.com", subscribed=False)
    for name, state in (("gone", "unsubscribed"), ("maybe", "unconfirmed")):
        person = make_contact(f"{name}@example.com", subscribed=False)
        Subscription.objects.create(contact=person, contact_list=contact_list, state=state)
    Subscription.objects.create(contact=make_contact("ours@example.com"), contact_list=staff, state="confirmed")
    return campaign


def shown(client: Client, draft: Campaign, query: str = "") -> list[str]:
    reply = client.get(f"/w/northlight/campaigns/{draft.pk}/audience/people/?{query}")
    return [person.email.partition("@")[0] for person, _word, _why in reply.context["people"]]


@pytest.mark.parametrize(
    ("query", "people"),
    [
        ("", ["ann", "bob", "gone", "maybe", "ours"]),
        ("reason=gets", ["ann"]),
        ("reason=suppressed", ["bob"]),
        ("reason=unsubscribed", ["gone"]),
        ("reason=unconfirmed", ["maybe"]),
        ("reason=excluded", ["ours"]),
        ("reason=nonsense", ["ann", "bob", "gone", "maybe", "ours"]),
        ("q=BOB", ["bob"]),
        ("q=%25", []),
        ("q=_", []),
        ("after=abc&shown=-1", ["ann", "bob", "gone", "maybe", "ours"]),
    ],
)
def test_shows_the_people_behind_each_count(
    owner_client: Client, draft: Campaign, query: str, people: list[str]
) -> None:
    assert shown(owner_client, draft, query) == people


def test_the_counts_are_those_of_the_subtraction(owner_client: Client, draft: Campaign) -> None:
    page = owner_client.get(f"/w/northlight/campaigns/{draft.pk}/audience/")
    listed = owner_client.get(f"/w/northlight/campaigns/{draft.pk}/audience/people/")

    counts = {key: count for key, _word, count, _is_current in listed.context["tabs"]}
    assert counts == {"all": 5, "gets": 1, "suppressed": 1, "unsubscribed": 1, "unconfirmed": 1, "excluded": 1}
    for reason in ("gets", "suppressed", "unsubscribed", "unconfirmed", "excluded"):
        assert f"audience/people/?reason={reason}" in page.content.decode()
    assert "No such mailbox" in listed.content.decode()


def test_goes_on_where_it_stopped(owner_client: Client, draft: Campaign, make_contact: MakeContact) -> None:
    for number in range(60):
        make_contact(f"p{number}@example.com")

    first = owner_client.get(f"/w/northlight/campaigns/{draft.pk}/audience/people/?reason=gets")
    second = owner_client.get(f"/w/northlight/campaigns/{draft.pk}/audience/people/{first.context['next_url']}")

    assert [len(reply.context["people"]) for reply in (first, second)] == [50, 11]
    assert "61 of 61" in second.content.decode()


def test_what_was_sent_is_looked_up_in_its_own_account(owner_client: Client, draft: Campaign) -> None:
    Campaign.objects.filter(pk=draft.pk).update(state="finished")

    reply = owner_client.get(f"/w/northlight/campaigns/{draft.pk}/audience/people/")

    assert reply.headers["Location"] == f"/w/northlight/campaigns/{draft.pk}/people/"


def test_a_draft_without_lists_has_nobody(owner_client: Client, draft: Campaign) -> None:
    draft.lists.clear()

    assert shown(owner_client, draft) == []
    assert audience.judged(draft) == []


def test_a_stranger_sees_nobody(stranger_client: Client, stranger: User, draft: Campaign) -> None:
    for slug in ("northlight", "elsewhere"):
        assert stranger_client.get(f"/w/{slug}/campaigns/{draft.pk}/audience/people/").status_code == 404
