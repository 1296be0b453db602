"""The list of campaigns: counted as it is searched, put away and taken out, and each row's own deeds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from apps.accounts.models import User, Workspace
from apps.campaigns import selectors
from apps.campaigns.models import Campaign, CampaignEntry, Template
from apps.campaigns.services import drafts
from apps.contacts.models import ContactList
from apps.smtp.models import Transport
from core.errors import InvalidTransitionError

MakeOne = Callable[..., Campaign]
LIST = "/w/northlight/campaigns/"


@pytest.fixture
def make(workspace: Workspace) -> MakeOne:
    def make_(name: str, **fields: Any) -> Campaign:
        return Campaign.objects.create(workspace=workspace, name=name, **fields)

    return make_


def tabs(client: Client, query: str = "") -> dict[str, int]:
    return {key: count for key, _word, count, _is_current in client.get(f"{LIST}?{query}").context["tabs"]}


def names(client: Client, query: str = "") -> list[str]:
    return [campaign.name for campaign, _counts, _step, _back in client.get(f"{LIST}?{query}").context["rows"]]


def test_the_counts_follow_the_search(owner_client: Client, make: MakeOne) -> None:
    make("Winter tea")
    make("Winter roast", state="finished")
    make("Spring", state="finished")

    assert tabs(owner_client) == {"": 3, "drafts": 1, "scheduled": 0, "sending": 0, "finished": 2, "cancelled": 0}
    assert tabs(owner_client, "q=winter&state=finished")["finished"] == 1
    assert names(owner_client, "q=winter&state=finished") == ["Winter roast"]


def test_what_is_archived_leaves_the_list_and_comes_back(owner_client: Client, owner: User, make: MakeOne) -> None:
    old, new = make("Old", state="finished"), make("New")

    put_away = owner_client.post(f"{LIST}{old.pk}/archive/", {"state": "finished", "q": "o"}, follow=True)
    assert put_away.redirect_chain[0][0] == f"{LIST}?q=o&state=finished"
    assert "It stands under Archived" in put_away.content.decode()
    assert names(owner_client) == ["New"]
    assert (tabs(owner_client)[""], tabs(owner_client)["archived"]) == (1, 1)
    assert names(owner_client, "state=archived") == ["Old"]
    assert selectors.latest(new.workspace) == [new]

    owner_client.post(f"{LIST}{old.pk}/unarchive/")
    assert names(owner_client) == ["New", "Old"]
    assert "archived" not in tabs(owner_client)
    assert list(CampaignEntry.objects.order_by("pk").values_list("kind", "by")) == [
        ("archived", owner.pk), ("unarchived", owner.pk)
    ]  # fmt: skip


@pytest.mark.parametrize("state", ["scheduled", "preparing", "sending", "paused", "stalled"])
def test_nothing_under_way_is_archived(owner_client: Client, make: MakeOne, state: str) -> None:
    campaign = make("Busy", state=state)

    with pytest.raises(InvalidTransitionError, match="under way"):
        drafts.archive(campaign, by=None)

    assert names(owner_client) == ["Busy"]
    assert f"{campaign.pk}/archive/" not in owner_client.get(LIST).content.decode()
    assert not CampaignEntry.objects.exists()


def test_a_draft_goes_on_where_something_is_missing(
    owner_client: Client, make: MakeOne, transport: Transport, contact_list: ContactList
) -> None:
    written = {"subject": "S", "from_email": "a@b.example", "transport": transport}
    make("settings")
    make("audience", **written)
    for name, html in (("content", ""), ("review", "<p>x</p>")):
        make(name, **written, html=html).lists.add(contact_list)

    page = owner_client.get(LIST)

    for campaign, _counts, (route, number, word), _back in page.context["rows"]:
        assert (route, str(word)) == (f"campaigns:{campaign.name}", campaign.name)
        assert f'href="{LIST}{campaign.pk}/{campaign.name}/"' in page.content.decode()
        assert f"Step {number} of 4, {word}" in page.content.decode()


def test_any_campaign_is_kept_as_a_template(owner_client: Client, make: MakeOne) -> None:
    sent = make("Autumn", state="finished", subject="Leaves", html="<p>Fall</p>")

    reply = owner_client.post(f"{LIST}{sent.pk}/keep/")

    kept = Template.objects.get()
    assert (kept.name, kept.subject, kept.html) == ("Autumn", "Leaves", "<p>Fall</p>")
    assert reply.headers["Location"] == f"/w/northlight/templates/{kept.uuid}/"


def test_a_viewer_may_only_look(colleague: User, make: MakeOne) -> None:
    campaign, client = make("Old", state="finished"), Client()
    client.force_login(colleague)

    replies = [client.post(f"{LIST}{campaign.pk}/{deed}/").status_code for deed in ("archive", "unarchive", "keep")]

    assert replies == [403, 403, 403]
    assert "archive/" not in client.get(LIST).content.decode()
    campaign.refresh_from_db()
    assert (campaign.archived_at, Template.objects.count()) == (None, 0)
