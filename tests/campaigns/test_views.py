"""The list of campaigns and the first steps of one as a marketer's browser meets them, without script."""

from __future__ import annotations

import datetime as dt

import pytest
from django.test import Client

from apps.accounts.models import Workspace
from apps.campaigns.models import Campaign
from apps.campaigns.services import drafts
from apps.contacts.models import ContactList
from apps.smtp.models import Transport
from core import clock
from tests.campaigns.drafting import HTMX, MakeContact, at, colleague_client, draft, settings_form, theirs

__all__ = ["colleague_client", "draft", "theirs"]


# --- the list -------------------------------------------------------------------------------------------------------


def test_an_empty_list_says_what_a_campaign_is(owner_client: Client, workspace: Workspace) -> None:
    html = owner_client.get("/w/northlight/campaigns/").content.decode()

    assert "No campaigns yet" in html
    assert html.count("<h1") == 1


def test_the_list_finds_by_name_subject_and_state(owner_client: Client, draft: Campaign) -> None:
    other = drafts.duplicate(draft, by=None)
    Campaign.objects.filter(pk=other.pk).update(name="Spring tea", subject="Darjeeling", state="finished")

    def names(query: str) -> list[bool]:
        html = owner_client.get(f"/w/northlight/campaigns/?{query}").content.decode()
        return ["November roast" in html, "Spring tea" in html]

    assert names("") == [True, True]
    assert names("q=spring") == [False, True]
    assert names("q=kenyan") == [True, False]
    assert names("state=drafts") == [True, False]
    assert names("state=finished") == [False, True]
    assert names("state=nonsense") == [True, True]
    assert names("before=abc&shown=-1") == [True, True]


def test_the_list_goes_on_where_it_stopped(owner_client: Client, workspace: Workspace) -> None:
    for number in range(30):
        Campaign.objects.create(workspace=workspace, name=f"Letter {number:02}")

    first = owner_client.get("/w/northlight/campaigns/")
    second = owner_client.get("/w/northlight/campaigns/" + first.context["next_url"])

    assert [len(reply.context["rows"]) for reply in (first, second)] == [25, 5]
    assert "25 of 30" in first.content.decode()
    assert "30 of 30" in second.content.decode()
    assert second.context["next_url"] == ""


def test_the_list_is_cheap(owner_client: Client, workspace: Workspace, django_assert_max_num_queries: object) -> None:
    for number in range(20):
        Campaign.objects.create(workspace=workspace, name=f"Letter {number}", state="finished", started_at=clock.now())

    with django_assert_max_num_queries(14):  # type: ignore[operator]  # a fixture of pytest-django
        owner_client.get("/w/northlight/campaigns/")


# --- settings -------------------------------------------------------------------------------------------------------


def test_a_campaign_begins_with_its_first_step(owner_client: Client, transport: Transport) -> None:
    owner_client.get("/w/northlight/campaigns/new/")
    assert not Campaign.objects.exists()

    reply = owner_client.post("/w/northlight/campaigns/new/", settings_form(transport))

    made = Campaign.objects.get()
    assert reply.headers["Location"] == at(made, "audience/")
    assert (made.name, made.subject, made.transport) == ("Winter", "Snow", transport)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"name": " "}, "This field is required"),
        ({"from_email": "nobody"}, "Not an email address"),
        ({"transport": "987654"}, "Choose one of your sending accounts"),
    ],
)
def test_settings_that_make_no_sense_are_shown_again(
    owner_client: Client, draft: Campaign, transport: Transport, changes: dict[str, str], sentence: str
) -> None:
    for address in ("/w/northlight/campaigns/new/", at(draft, "settings/")):
        reply = owner_client.post(address, settings_form(transport, **changes))

        assert reply.status_code == 422
        assert sentence in reply.content.decode()
        assert 'value="Snow"' in reply.content.decode()
    draft.refresh_from_db()
    assert (Campaign.objects.count(), draft.name) == (1, "November roast")


def test_what_happens_when_something_goes_wrong_is_chosen_with_the_settings(
    owner_client: Client, draft: Campaign, transport: Transport
) -> None:
    chosen = settings_form(transport, policy="retry_once", expires_after="6")

    reply = owner_client.post(at(draft, "settings/"), chosen)
    draft.refresh_from_db()
    page = owner_client.get(at(draft, "settings/")).content.decode()
    owner_client.post(at(draft, "settings/"), settings_form(transport))

    assert reply.status_code == 302
    assert (draft.policy, draft.expires_after) == ("retry_once", dt.timedelta(hours=6))
    assert '<option value="retry_once" selected>' in page and '<option value="6" selected>' in page
    draft.refresh_from_db()
    assert draft.policy == "retry_once"  # whoever does not say keeps what is


def test_a_life_that_a_program_chose_is_shown_and_kept(owner_client: Client, draft: Campaign) -> None:
    Campaign.objects.update(expires_after=dt.timedelta(hours=30))

    page = owner_client.get(at(draft, "settings/")).content.decode()

    assert '<option value="30" selected>30 hours</option>' in page


def test_settings_refuse_an_account_of_another_workspace(
    owner_client: Client, draft: Campaign, theirs: Workspace
) -> None:
    foreign = Transport.objects.create(workspace=theirs, name="Theirs", kind="local_inbox")

    reply = owner_client.post(at(draft, "settings/"), settings_form(foreign))

    draft.refresh_from_db()
    assert reply.status_code == 422
    assert draft.transport != foreign
    assert "Theirs" not in reply.content.decode()


def test_every_change_is_saved_and_nonsense_is_left_out(
    owner_client: Client, draft: Campaign, transport: Transport
) -> None:
    form = settings_form(transport, from_email="nobody", subject="Frost")

    reply = owner_client.post(
        at(draft, "settings/"), {**form, "autosave": "1", "seen": drafts.version(draft)}, headers=HTMX
    )

    draft.refresh_from_db()
    assert (draft.subject, draft.from_email) == ("Frost", "hello@northlight.example")
    assert "Saved" in reply.content.decode()
    assert f'value="{drafts.version(draft)}"' in reply.content.decode()


def test_what_a_change_leaves_out_is_named(owner_client: Client, draft: Campaign, transport: Transport) -> None:
    form = settings_form(transport, reply_to="nobody", subject="Frost", name="")

    reply = owner_client.post(
        at(draft, "settings/"), {**form, "autosave": "1", "seen": drafts.version(draft)}, headers=HTMX
    )

    draft.refresh_from_db()
    html = reply.content.decode()
    assert (reply.status_code, draft.subject, draft.reply_to) == (422, "Frost", "")
    assert 'data-refused="name reply_to">Saved, except: Name, Replies go to<' in html
    assert 'id="inbox-line"' in html and "<html" not in html


def test_a_second_window_does_not_overwrite_the_first(
    owner_client: Client, draft: Campaign, transport: Transport
) -> None:
    seen = drafts.version(draft)
    drafts.save(draft, changes={"subject": "From here"})

    reply = owner_client.post(
        at(draft, "settings/"), {**settings_form(transport), "autosave": "1", "seen": seen}, headers=HTMX
    )

    draft.refresh_from_db()
    assert reply.status_code == 409
    assert "changed in another window" in reply.content.decode()
    assert draft.subject == "From here"


def test_the_local_inbox_is_named_for_what_it_is(owner_client: Client, draft: Campaign) -> None:
    for page in ("settings/", "review/"):
        assert "Local inbox: nobody outside receives this" in owner_client.get(at(draft, page)).content.decode()


# --- audience -------------------------------------------------------------------------------------------------------


def test_the_audience_is_counted_as_it_is_chosen(
    owner_client: Client, draft: Campaign, contact_list: ContactList, make_contact: MakeContact
) -> None:
    make_contact("ann@example.com")
    staff = ContactList.objects.create(workspace=draft.workspace, name="Staff")
    form = {"lists": [contact_list.pk], "excluded": [staff.pk], "seen": drafts.version(draft), "autosave": "1"}

    reply = owner_client.post(at(draft, "audience/"), form, headers=HTMX)

    html = reply.content.decode()
    assert list(draft.excluded_lists.all()) == [staff]
    assert 'id="subtraction"' in html and 'aria-live="polite"' in html
    assert reply.context["subtraction"].forecast.audience == 1


def test_a_list_that_is_gone_does_not_hold_up_the_others(
    owner_client: Client, draft: Campaign, theirs: Workspace, contact_list: ContactList
) -> None:
    gone = ContactList.objects.create(workspace=draft.workspace, name="Old")
    foreign = ContactList.objects.create(workspace=theirs, name="Secret list")
    lists = [contact_list.pk, gone.pk, foreign.pk, "9" * 30, "x"]
    gone.delete()

    reply = owner_client.post(
        at(draft, "audience/"), {"lists": lists, "seen": drafts.version(draft), "autosave": "1"}, headers=HTMX
    )

    html = reply.content.decode()
    assert (reply.status_code, list(draft.lists.all())) == (200, [contact_list])
    assert "Saved" in html and "<html" not in html and "Secret list" not in html


def test_the_audience_takes_no_list_of_another_workspace(
    owner_client: Client, draft: Campaign, theirs: Workspace, contact_list: ContactList
) -> None:
    foreign = ContactList.objects.create(workspace=theirs, name="Secret list")

    for form in ({"lists": [foreign.pk]}, {"lists": [contact_list.pk], "excluded": [foreign.pk]}):
        reply = owner_client.post(at(draft, "audience/"), form)

        assert reply.status_code == 422
        assert "Secret list" not in reply.content.decode()
    assert list(draft.lists.all()) == [contact_list]
    assert not draft.excluded_lists.exists()


def test_the_next_step_follows(owner_client: Client, draft: Campaign, contact_list: ContactList) -> None:
    going_on = owner_client.post(at(draft, "audience/"), {"lists": [contact_list.pk]})
    counting = owner_client.post(at(draft, "audience/"), {"count": "1"})

    assert going_on.headers["Location"] == at(draft, "content/")
    assert counting.headers["Location"] == at(draft, "audience/")
    assert not draft.lists.exists()
