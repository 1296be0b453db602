"""The campaign pages as a marketer's browser meets them, without script."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

import pytest
from django.test import Client, override_settings

from apps.accounts.models import User, Workspace
from apps.campaigns.models import Campaign, Delivery
from apps.campaigns.services import drafts
from apps.contacts.models import Contact, ContactList
from apps.smtp.models import Transport
from core import clock

MakeContact = Callable[..., Contact]
HTMX = {"HX-Request": "true"}
GOOD = '<p>Hello {{ first_name or "there" }}</p><p>1 Harbour Road, Leith. <a href="{{ unsubscribe_url }}">Leave</a></p>'


@pytest.fixture
def draft(workspace: Workspace, owner: User, transport: Transport, contact_list: ContactList) -> Campaign:
    changes = {
        "name": "November roast",
        "subject": "The Kenyan is in",
        "from_name": "Northlight",
        "from_email": "hello@northlight.example",
        "transport": transport,
        "html": GOOD,
    }
    campaign = drafts.create(workspace, by=owner, changes=changes)
    drafts.save_audience(campaign, lists=[contact_list], excluded=[])
    return campaign


@pytest.fixture
def colleague_client(colleague: User) -> Client:
    client = Client()
    client.force_login(colleague)
    return client


@pytest.fixture
def theirs(stranger: User) -> Workspace:
    return stranger.workspaces.get()


def at(campaign: Campaign, page: str = "") -> str:
    return f"/w/northlight/campaigns/{campaign.pk}/{page}"


def settings_form(transport: Transport, /, **changes: str) -> dict[str, str]:
    values = {"name": "Winter", "subject": "Snow", "from_name": "N", "from_email": "hello@northlight.example"}
    return {**values, "preheader": "", "reply_to": "", "transport": str(transport.pk), **changes}


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


# --- content --------------------------------------------------------------------------------------------------------


def test_content_is_kept_as_it_was_written(owner_client: Client, draft: Campaign) -> None:
    reply = owner_client.post(at(draft, "content/"), {"html": "\r\n <p>a</p>\r\n", "text": ""})

    draft.refresh_from_db()
    assert reply.headers["Location"] == at(draft, "review/")
    assert draft.html == "\n <p>a</p>\n"


def test_content_is_shown_inert_in_the_editor(owner_client: Client, draft: Campaign) -> None:
    drafts.save(draft, changes={"html": "</textarea><script>alert(1)</script>"})

    html = owner_client.get(at(draft, "content/")).content.decode()

    assert "<script>alert(1)" not in html
    assert "&lt;/textarea&gt;&lt;script&gt;" in html


def test_a_saved_change_tells_the_preview(owner_client: Client, draft: Campaign, make_contact: MakeContact) -> None:
    ann = make_contact("ann@example.com", first_name="Ann")
    form = {"html": GOOD + "<p>More</p>", "text": "", "autosave": "1", "seen": drafts.version(draft), "as": ann.uuid}

    reply = owner_client.post(at(draft, "content/"), form, headers=HTMX)
    html = owner_client.get(at(draft, f"reader/?as={ann.uuid}"), headers=HTMX).content.decode()

    draft.refresh_from_db()
    assert reply.headers["HX-Trigger"] == "saved"
    assert f'value="{drafts.version(draft)}"' in reply.content.decode()
    assert f"preview/?contact={ann.uuid}" in html
    assert "<iframe" in html and "sandbox title" in html


def test_content_that_is_too_long_is_refused_in_one_line(owner_client: Client, draft: Campaign) -> None:
    form = {"html": "x" * 1_000_001, "text": "Kept", "autosave": "1", "seen": drafts.version(draft)}

    reply = owner_client.post(at(draft, "content/"), form, headers=HTMX)

    draft.refresh_from_db()
    html = reply.content.decode()
    assert (reply.status_code, draft.html, draft.text) == (422, GOOD, "Kept")
    assert "Not saved: The HTML is longer" in html and "<html" not in html


def test_the_sample_begins_an_empty_draft(owner_client: Client, draft: Campaign) -> None:
    drafts.save(draft, changes={"html": ""})
    assert "Start from the sample email" in owner_client.get(at(draft, "content/")).content.decode()

    owner_client.post(at(draft, "content/sample/"))

    draft.refresh_from_db()
    assert "{{ unsubscribe_url }}" in draft.html


# --- the preview ----------------------------------------------------------------------------------------------------


def test_the_preview_can_do_nothing(owner_client: Client, draft: Campaign, make_contact: MakeContact) -> None:
    ann = make_contact("ann@example.com", first_name="<script>alert(1)</script>")

    for query in (f"?contact={ann.uuid}", "", "?part=text"):
        reply = owner_client.get(at(draft, "preview/") + query)

        assert reply.headers["Content-Security-Policy"] == (
            "sandbox; default-src 'none'; img-src https: data: http://localhost:8000/i/; style-src 'unsafe-inline'"
        )
        assert reply.headers["X-Content-Type-Options"] == "nosniff"
        assert reply.headers["X-Frame-Options"] == "SAMEORIGIN"
        assert "no-store" in reply.headers["Cache-Control"]
        assert "<script>" not in reply.content.decode()


def test_the_preview_is_one_readers(owner_client: Client, draft: Campaign, make_contact: MakeContact) -> None:
    ann = make_contact("ann@example.com", first_name="Ann")

    assert "Hello Ann" in owner_client.get(at(draft, f"preview/?contact={ann.uuid}")).content.decode()
    assert "Hello there" in owner_client.get(at(draft, "preview/")).content.decode()


def test_a_preview_that_cannot_be_made_says_why_in_one_sentence(owner_client: Client, draft: Campaign) -> None:
    drafts.save(draft, changes={"html": "<p>{{ oops </p>"})

    reply = owner_client.get(at(draft, "preview/"))

    assert reply.status_code == 200
    assert "line 1" in reply.content.decode()
    assert reply.headers["Content-Security-Policy"].startswith("sandbox;")


@pytest.mark.parametrize("page", ["preview/?contact=", "content/?as=", "reader/?as="])
def test_nobody_can_be_looked_at_across_workspaces(
    owner_client: Client, draft: Campaign, theirs: Workspace, page: str
) -> None:
    foreign = Contact.objects.create(
        workspace=theirs, email="x@y.example", email_normalised="x@y.example", email_hash=b"x" * 32
    )

    for who in (foreign.uuid, "00000000-0000-4000-8000-000000000000", "nonsense"):
        assert owner_client.get(at(draft, f"{page}{who}"), headers=HTMX).status_code == 404


def test_the_panel_walks_through_readers(owner_client: Client, draft: Campaign, make_contact: MakeContact) -> None:
    ann = make_contact("ann@example.com", first_name="Ann")
    nameless = make_contact("nn@example.com")

    html = owner_client.get(at(draft, f"reader/?as={ann.uuid}"), headers=HTMX).content.decode()

    assert f"as={nameless.uuid}" in html
    assert 'data-key="]"' in html
    assert owner_client.get(at(draft, f"reader/?as={ann.uuid}")).headers["Location"] == at(
        draft, f"content/?as={ann.uuid}"
    )


# --- review, test, send ---------------------------------------------------------------------------------------------


def test_the_button_says_to_how_many(owner_client: Client, draft: Campaign, make_contact: MakeContact) -> None:
    for number in range(3):
        make_contact(f"p{number}@example.com")

    now = owner_client.get(at(draft, "review/")).content.decode()
    later = owner_client.get(at(draft, "review/?when=later")).content.decode()

    assert "Send to 3 people" in now
    assert "Schedule for 3 people" in later
    assert 'type="datetime-local"' in later


def test_what_is_not_ready_is_not_sent(owner_client: Client, draft: Campaign, make_contact: MakeContact) -> None:
    make_contact("ann@example.com")
    drafts.save(draft, changes={"html": "<p>1 Harbour Road, Leith</p>"})

    page = owner_client.get(at(draft, "review/")).content.decode()
    reply = owner_client.post(at(draft, "send/"), {"when": "now"}, follow=True)

    draft.refresh_from_db()
    assert "Fix first" in page and "disabled" in page
    assert draft.state == "draft"
    assert "Not sent: The unsubscribe link is missing" in reply.content.decode()


def test_the_link_can_be_put_in_with_one_button(
    owner_client: Client, draft: Campaign, make_contact: MakeContact
) -> None:
    make_contact("ann@example.com")
    drafts.save(draft, changes={"html": "<p>Coffee</p>"})

    reply = owner_client.post(at(draft, "content/footer/"), follow=True)

    assert reply.context["report"].may_go
    assert "Send to 1 person" in reply.content.decode()


def test_a_missing_postal_address_is_written_where_it_is_missed(
    owner_client: Client, draft: Campaign, make_contact: MakeContact
) -> None:
    make_contact("ann@example.com")
    Workspace.objects.update(postal_address="")
    drafts.save(draft, changes={"html": "<p>Coffee</p>"})
    assert "Keep and put it in" in owner_client.get(at(draft, "review/")).content.decode()

    reply = owner_client.post(at(draft, "postal-address/"), {"postal_address": "Rua do Almada 112"}, follow=True)

    assert reply.context["report"].may_go
    assert Workspace.objects.get(slug="northlight").postal_address == "Rua do Almada 112"


def test_sending_hands_it_to_the_workers(
    owner_client: Client, draft: Campaign, make_contact: MakeContact, owner: User
) -> None:
    make_contact("ann@example.com")

    reply = owner_client.post(at(draft, "send/"), {"when": "now"})
    again = owner_client.post(at(draft, "send/"), {"when": "now"})

    draft.refresh_from_db()
    assert [answer.headers["Location"] for answer in (reply, again)] == [at(draft), at(draft)]
    assert draft.state == "scheduled"
    assert draft.content is not None
    assert list(draft.entries.filter(kind="scheduled").values_list("by", flat=True)) == [owner.pk]


def test_a_moment_is_read_in_the_workspaces_zone(
    owner_client: Client, draft: Campaign, make_contact: MakeContact
) -> None:
    make_contact("ann@example.com")
    Workspace.objects.filter(pk=draft.workspace_id).update(time_zone="Asia/Tokyo")

    owner_client.post(at(draft, "send/"), {"when": "later", "at": "2099-01-02T09:00"})

    draft.refresh_from_db()
    assert draft.scheduled_at == dt.datetime(2099, 1, 2, 0, 0, tzinfo=dt.UTC)
    page = owner_client.get(at(draft)).content.decode()
    assert "09:00" in page and "Asia/Tokyo" in page
    assert 'title="2099-01-02 00:00:00 UTC"' in page

    owner_client.post(at(draft, "unschedule/"))
    draft.refresh_from_db()
    assert draft.state == "draft"


@pytest.mark.parametrize("moment", ["", "yesterday", "2001-01-01T00:00"])
def test_a_moment_that_cannot_be_is_refused(
    owner_client: Client, draft: Campaign, make_contact: MakeContact, moment: str
) -> None:
    make_contact("ann@example.com")

    reply = owner_client.post(at(draft, "send/"), {"when": "later", "at": moment})

    draft.refresh_from_db()
    assert (reply.status_code, draft.state) == (422, "draft")


def test_a_test_goes_its_real_way(owner_client: Client, draft: Campaign, make_contact: MakeContact) -> None:
    ann = make_contact("ann@example.com", first_name="Ann")

    reply = owner_client.post(
        at(draft, "tests/send/"), {"to": "ines@northlight.example, tomas@northlight.example", "reader": ann.uuid}
    )

    letters = Delivery.objects.order_by("pk")
    assert reply.headers["Location"] == at(draft, "review/#tests")
    assert [(letter.kind, letter.email, letter.contact) for letter in letters] == [
        ("test", "ines@northlight.example", ann),
        ("test", "tomas@northlight.example", ann),
    ]


def test_a_test_to_nonsense_is_refused(owner_client: Client, draft: Campaign, theirs: Workspace) -> None:
    foreign = Contact.objects.create(
        workspace=theirs, email="x@y.example", email_normalised="x@y.example", email_hash=b"x" * 32
    )

    nonsense = owner_client.post(at(draft, "tests/send/"), {"to": "nobody"})
    crowd = owner_client.post(at(draft, "tests/send/"), {"to": ",".join(f"p{n}@x.example" for n in range(11))})
    across = owner_client.post(at(draft, "tests/send/"), {"to": "a@x.example", "reader": foreign.uuid})

    assert [reply.status_code for reply in (nonsense, crowd, across)] == [422, 422, 422]
    assert "Nobody in this workspace" in across.content.decode()
    assert "Not an email address" in nonsense.content.decode()
    assert not Delivery.objects.exists()


def test_the_fate_of_a_test_is_followed_until_it_is_known(
    owner_client: Client, draft: Campaign, make_contact: MakeContact
) -> None:
    owner_client.post(at(draft, "tests/send/"), {"to": "ines@northlight.example"})

    waiting = owner_client.get(at(draft, "tests/"), headers=HTMX).content.decode()
    Delivery.objects.update(state="sent", last_code=250, last_enhanced="2.0.0", last_text="OK", attempts=1)
    known = owner_client.get(at(draft, "tests/"), headers=HTMX).content.decode()

    assert "data-live" in waiting and "Waiting for its turn" in waiting
    assert "data-live=" not in known
    assert "Accepted by the receiving server." in known and "250 2.0.0 OK" in known


# --- rights ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "page",
    [
        "settings/", "audience/", "content/", "content/sample/", "content/footer/", "tests/send/", "send/",
        "postal-address/", "pause/", "resume/", "cancel/", "unschedule/", "duplicate/", "delete/",
    ],
)  # fmt: skip
def test_a_viewer_changes_nothing(colleague_client: Client, draft: Campaign, page: str) -> None:
    before = Campaign.objects.values().get(pk=draft.pk)

    reply = colleague_client.post(at(draft, page), {"name": "Mine", "when": "now", "to": "a@x.example"})

    assert reply.status_code == 403
    assert Campaign.objects.values().get(pk=draft.pk) == before
    assert Campaign.objects.count() == 1


def test_a_viewer_reads(colleague_client: Client, draft: Campaign) -> None:
    assert colleague_client.get("/w/northlight/campaigns/").status_code == 200
    page = colleague_client.get(at(draft))
    assert page.status_code == 200
    assert "November roast" in page.content.decode()
    assert colleague_client.get(at(draft, "preview/")).status_code == 200


def test_an_admin_writes_the_postal_address_and_a_marketer_does_not(
    owner_client: Client, owner: User, draft: Campaign
) -> None:
    owner.memberships.update(role="marketer")
    Workspace.objects.update(postal_address="")

    page = owner_client.get(at(draft, "review/")).content.decode()
    reply = owner_client.post(at(draft, "postal-address/"), {"postal_address": "Mine"})

    assert "An admin of this workspace can write it here" in page
    assert reply.status_code == 403


# --- copies, drafts thrown away -------------------------------------------------------------------------------------


def test_a_copy_opens_in_the_composer(owner_client: Client, draft: Campaign) -> None:
    reply = owner_client.post(at(draft, "duplicate/"))

    copy = Campaign.objects.latest("pk")
    assert reply.headers["Location"] == at(copy, "settings/")
    assert copy.html == draft.html


def test_a_draft_is_deleted_after_asking(owner_client: Client, draft: Campaign) -> None:
    asked = owner_client.get(at(draft, "delete/"))
    assert "Delete this draft?" in asked.content.decode()

    reply = owner_client.post(at(draft, "delete/"))

    assert reply.headers["Location"] == "/w/northlight/campaigns/"
    assert not Campaign.objects.exists()


@override_settings(PUBLIC_URL="http://mail.northlight.example")
def test_the_missing_https_is_said_with_the_settings_name(
    owner_client: Client, draft: Campaign, make_contact: MakeContact
) -> None:
    make_contact("ann@example.com")
    relay = Transport.objects.create(workspace=draft.workspace, name="Relay", kind="smtp", host="mx.example")
    drafts.save(draft, changes={"transport": relay})

    assert "Set PUBLIC_URL" in owner_client.get(at(draft, "review/")).content.decode()
