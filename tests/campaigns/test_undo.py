"""What the toasts offer to take back is taken back exactly, and never over what somebody wrote since."""

from __future__ import annotations

import re

import pytest
from django.core.cache import cache
from django.test import Client
from redis.exceptions import ConnectionError as AwayError

from apps.accounts.models import User, Workspace
from apps.campaigns.models import Campaign, Template
from apps.campaigns.services import drafts, replaced

W = "/w/northlight/"


@pytest.fixture
def draft(workspace: Workspace) -> Campaign:
    return Campaign.objects.create(workspace=workspace, name="Autumn", html="<p>Written with care</p>", text="By hand")


def undo_of(page: str) -> tuple[str, dict[str, str]]:
    """Return where the toast's Undo posts, and what."""
    found = re.search(r'<div class="toast">.*?<form method="post" action="([^"]+)"(.*?)</form>', page, re.DOTALL)
    assert found, "no toast with Undo"
    return found[1], dict(re.findall(r'name="(kept|q|state|back|why)" value="([^"]*)"', found[2]))


def put_design(client: Client, draft: Campaign) -> str:
    chosen = {"design": "letter", "campaign": draft.pk}
    return client.post(f"{W}templates/designs/use/", chosen, follow=True).content.decode()


def test_a_design_put_over_what_was_written_is_taken_back(owner_client: Client, draft: Campaign) -> None:
    page = put_design(owner_client, draft)
    draft.refresh_from_db()
    assert "Written with care" not in draft.html

    url, fields = undo_of(page)
    back = owner_client.post(url, fields, follow=True)

    draft.refresh_from_db()
    assert (draft.html, draft.text, draft.subject) == ("<p>Written with care</p>", "By hand", "")
    assert "As it was before." in back.content.decode()


def test_what_was_written_since_stays(owner_client: Client, draft: Campaign) -> None:
    url, fields = undo_of(put_design(owner_client, draft))
    drafts.save(draft, changes={"html": "<p>Newer</p>"})

    back = owner_client.post(url, fields, follow=True)

    draft.refresh_from_db()
    assert draft.html == "<p>Newer</p>"
    assert "nothing was taken back" in back.content.decode()


def test_an_empty_draft_offers_nothing_to_take_back(owner_client: Client, workspace: Workspace) -> None:
    empty = Campaign.objects.create(workspace=workspace, name="New")

    page = put_design(owner_client, empty)

    assert 'class="toast"' in page and "take-back" not in page


def test_the_key_of_one_letter_opens_no_other(owner_client: Client, draft: Campaign, workspace: Workspace) -> None:
    _url, fields = undo_of(put_design(owner_client, draft))
    other = Campaign.objects.create(workspace=workspace, name="Other", html="<p>Other</p>")

    back = owner_client.post(f"{W}campaigns/{other.pk}/content/take-back/", fields, follow=True)

    other.refresh_from_db()
    assert other.html == "<p>Other</p>"
    assert "cannot be taken back any more" in back.content.decode()


def test_without_the_cache_only_the_undo_is_missing(
    owner_client: Client, draft: Campaign, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_args: object, **_more: object) -> None:
        raise AwayError

    monkeypatch.setattr(replaced.cache, "set", away)

    page = put_design(owner_client, draft)

    draft.refresh_from_db()
    assert "Written with care" not in draft.html
    assert 'class="toast"' in page and "take-back" not in page


def test_the_text_of_a_template_comes_back(owner_client: Client, workspace: Workspace) -> None:
    template = Template.objects.create(workspace=workspace, name="Plain", html="<p>Hello</p>", text="Hello, by hand")
    url = f"{W}templates/{template.uuid}/"
    values = {"name": "Plain", "html": template.html, "text": template.text, "drop_text": "1"}

    page = owner_client.post(url, values, follow=True).content.decode()
    template.refresh_from_db()
    assert template.text == ""
    where, fields = undo_of(page)
    owner_client.post(where, fields)

    template.refresh_from_db()
    assert template.text == "Hello, by hand"


def test_archiving_is_undone_from_where_it_was_done(owner_client: Client, draft: Campaign) -> None:
    page = owner_client.post(f"{W}campaigns/{draft.pk}/archive/", {"state": "drafts", "q": "aut"}, follow=True)

    url, fields = undo_of(page.content.decode())
    back = owner_client.post(url, fields)

    draft.refresh_from_db()
    assert draft.archived_at is None
    assert back.headers["Location"] == f"{W}campaigns/?q=aut&state=drafts"


def test_a_viewer_takes_nothing_back(colleague: User, owner_client: Client, draft: Campaign) -> None:
    url, fields = undo_of(put_design(owner_client, draft))
    client = Client()
    client.force_login(colleague)

    assert client.post(url, fields).status_code == 403
    assert cache.get(f"replaced:Campaign:{draft.pk}:{fields['kept']}") is not None
