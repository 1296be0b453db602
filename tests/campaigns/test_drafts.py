"""Drafts: what may be saved into them, by whom else's leave, and that nothing else can be."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

import pytest

from apps.accounts.models import User, Workspace
from apps.campaigns.models import Campaign, CampaignEntry
from apps.campaigns.services import drafts
from apps.contacts.models import ContactList
from apps.smtp.models import Transport
from core.errors import EspError, InvalidTransitionError

SETTINGS = {"name": "November roast", "subject": "Hello", "from_email": "hello@northlight.example"}


@pytest.fixture
def draft(workspace: Workspace, owner: User, transport: Transport) -> Campaign:
    return drafts.create(workspace, by=owner, changes={**SETTINGS, "transport": transport})


def test_begins_with_the_workspace_and_who_asks(workspace: Workspace, owner: User, transport: Transport) -> None:
    assert drafts.defaults(workspace, by=owner, may_write_sender=True) == {
        "from_name": "Northlight Coffee",
        "from_email": "ines@northlight.example",
        "transport": transport,
    }


def test_begins_like_the_last_campaign(draft: Campaign, owner: User) -> None:
    drafts.save(draft, changes={"from_name": "The roastery", "reply_to": "tea@northlight.example"})

    begun = drafts.defaults(draft.workspace, by=owner, may_write_sender=True)

    assert (begun["from_name"], begun["reply_to"]) == ("The roastery", "tea@northlight.example")
    assert begun["transport"] == draft.transport


def test_writes_down_who_began(draft: Campaign, owner: User) -> None:
    assert (draft.state, draft.created_by) == ("draft", owner)
    assert list(CampaignEntry.objects.values_list("kind", "by")) == [("created", owner.pk)]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"name": "  "}, "name"),
        ({"from_email": "nobody"}, "from_email"),
        ({"reply_to": "a b@example.com"}, "reply_to"),
        ({"policy": "resend"}, "policy"),
        ({"expires_after": dt.timedelta(minutes=59)}, "expires_after"),
        ({"expires_after": dt.timedelta(days=5, seconds=1)}, "expires_after"),
    ],
)
def test_refuses_what_makes_no_sense(draft: Campaign, changes: dict[str, object], field: str) -> None:
    with pytest.raises(drafts.FieldError) as refused:
        drafts.save(draft, changes=changes)

    assert list(refused.value.problems) == [field]
    draft.refresh_from_db()
    assert (draft.name, draft.from_email, draft.reply_to) == ("November roast", "hello@northlight.example", "")


def test_keeps_what_happens_when_something_goes_wrong(draft: Campaign, owner: User) -> None:
    assert (draft.policy, draft.expires_after) == ("hold", dt.timedelta(hours=72))

    drafts.save(draft, changes={"policy": "retry_once", "expires_after": dt.timedelta(hours=6)})
    copy = drafts.duplicate(draft, by=owner)

    assert (copy.policy, copy.expires_after) == ("retry_once", dt.timedelta(hours=6))


def test_refuses_a_sending_account_of_another_workspace(draft: Campaign, stranger: User) -> None:
    theirs = Transport.objects.create(workspace=stranger.workspaces.get(), name="Theirs", kind="local_inbox")

    with pytest.raises(drafts.FieldError):
        drafts.save(draft, changes={"transport": theirs})

    draft.refresh_from_db()
    assert draft.transport != theirs


def test_saves_only_what_a_person_may_write(draft: Campaign) -> None:
    drafts.save(draft, changes={"subject": "New", "state": "finished", "audience_size": 5})

    assert (draft.subject, draft.state, draft.audience_size) == ("New", "draft", None)


def test_keeps_addresses_in_the_form_that_is_written(draft: Campaign) -> None:
    drafts.save(draft, changes={"from_email": " hello@Пример.рф "})

    assert draft.from_email == "hello@xn--e1afmkfd.xn--p1ai"


def test_does_not_overwrite_what_another_window_saved(draft: Campaign) -> None:
    seen = drafts.version(draft)
    drafts.save(draft, changes={"subject": "From here"}, seen=seen)

    with pytest.raises(drafts.ChangedElsewhereError):
        drafts.save(draft, changes={"subject": "From there"}, seen=seen)

    draft.refresh_from_db()
    assert draft.subject == "From here"
    drafts.save(draft, changes={"subject": "Next"}, seen=drafts.version(draft))
    assert draft.subject == "Next"


@pytest.mark.parametrize("seen", ["yesterday", "2026-13-45T00:00:00+00:00"])
def test_a_version_that_is_no_moment_matches_nothing(draft: Campaign, seen: str) -> None:
    with pytest.raises(drafts.ChangedElsewhereError):
        drafts.save(draft, changes={"subject": "Any"}, seen=seen)


@pytest.mark.parametrize("state", ["scheduled", "sending", "finished"])
def test_a_campaign_that_has_begun_is_not_touched(draft: Campaign, contact_list: ContactList, state: str) -> None:
    Campaign.objects.filter(pk=draft.pk).update(state=state)

    deeds: list[Callable[[], object]] = [
        lambda: drafts.save(draft, changes={"subject": "Late"}),
        lambda: drafts.save_audience(draft, lists=[contact_list], excluded=[]),
        lambda: drafts.begin_with_sample(draft),
        lambda: drafts.add_footer(draft),
        lambda: drafts.delete(draft),
    ]
    for deed in deeds:
        with pytest.raises(InvalidTransitionError):
            deed()

    draft.refresh_from_db()
    assert (draft.subject, draft.html, draft.lists.count()) == ("Hello", "", 0)


def test_leaves_out_lists_of_another_workspace(draft: Campaign, contact_list: ContactList, stranger: User) -> None:
    theirs = ContactList.objects.create(workspace=stranger.workspaces.get(), name="Theirs")

    drafts.save_audience(draft, lists=[contact_list, theirs], excluded=[theirs])

    assert list(draft.lists.all()) == [contact_list]
    assert not draft.excluded_lists.exists()


def test_begins_with_the_sample_and_keeps_a_written_subject(draft: Campaign) -> None:
    drafts.begin_with_sample(draft)

    assert draft.subject == "Hello"
    assert "{{ unsubscribe_url }}" in draft.html
    assert "1 Harbour Road" in draft.html


def test_puts_in_what_every_letter_must_show(draft: Campaign) -> None:
    drafts.save(draft, changes={"html": "<p>Coffee</p>", "text": "Coffee"})

    drafts.add_footer(draft)

    assert draft.html.startswith("<p>Coffee</p>")
    assert "1 Harbour Road" in draft.html
    assert 'href="{{ unsubscribe_url }}"' in draft.html
    assert "{{ unsubscribe_url }}" in draft.text


def test_keeps_a_postal_address(draft: Campaign) -> None:
    drafts.set_postal_address(draft.workspace, "  Rua do Almada 112 \n\n Porto ")

    assert Workspace.objects.get(pk=draft.workspace_id).postal_address == "Rua do Almada 112\nPorto"
    with pytest.raises(EspError):
        drafts.set_postal_address(draft.workspace, " \n ")


def test_a_copy_is_a_draft_of_its_own(draft: Campaign, contact_list: ContactList, colleague: User) -> None:
    drafts.save(draft, changes={"html": "<p>Coffee</p>"})
    drafts.save_audience(draft, lists=[contact_list], excluded=[])
    Campaign.objects.filter(pk=draft.pk).update(state="cancelled", audience_size=3)

    copy = drafts.duplicate(Campaign.objects.get(pk=draft.pk), by=colleague)

    assert (copy.state, copy.html, copy.audience_size) == ("draft", "<p>Coffee</p>", None)
    assert copy.uuid != draft.uuid
    assert list(copy.lists.all()) == [contact_list]
    assert (copy.created_by, copy.transport) == (colleague, draft.transport)


def test_a_deleted_draft_is_gone(draft: Campaign) -> None:
    drafts.delete(draft)

    assert not Campaign.objects.filter(pk=draft.pk).exists()
