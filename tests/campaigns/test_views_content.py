"""The content step and its preview as a marketer's browser meets them, without script."""

from __future__ import annotations

import pytest
from django.test import Client

from apps.accounts.models import Workspace
from apps.campaigns.models import Campaign
from apps.campaigns.services import drafts
from apps.contacts.models import Contact
from tests.campaigns.drafting import GOOD, HTMX, MakeContact, at, colleague_client, draft, theirs

__all__ = ["colleague_client", "draft", "theirs"]


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
