"""Review, the test and the sending as a marketer's browser meets them; and who may do none of it."""

from __future__ import annotations

import datetime as dt

import pytest
from django.test import Client, override_settings

from apps.accounts.models import User, Workspace
from apps.campaigns.models import Campaign, Delivery
from apps.campaigns.services import drafts
from apps.contacts.models import Contact
from apps.smtp.models import Transport
from tests.campaigns.drafting import HTMX, MakeContact, at, colleague_client, draft, theirs

__all__ = ["colleague_client", "draft", "theirs"]


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
