"""A draft open twice: who was overtaken is told, keeps what was typed, and decides; without script too."""

from __future__ import annotations

import pytest
from django.test import Client

from apps.accounts.models import User, Workspace
from apps.campaigns.models import Campaign, Template
from apps.campaigns.services import drafts, templates
from apps.contacts.models import ContactList
from apps.smtp.models import Transport

HTMX = {"HX-Request": "true"}


@pytest.fixture
def draft(workspace: Workspace, owner: User, transport: Transport, contact_list: ContactList) -> Campaign:
    changes = {"name": "Roast", "subject": "S", "from_email": "hello@northlight.example", "transport": transport}
    return drafts.create(workspace, by=owner, changes=changes)


def typed(draft: Campaign, step: str, contact_list: ContactList) -> dict[str, object]:
    return {
        "settings": {
            "name": "Typed here", "subject": "S", "from_name": "", "from_email": "hello@northlight.example",
            "reply_to": "", "preheader": "", "transport": draft.transport_id,
        },
        "audience": {"lists": [contact_list.pk]},
        "content": {"html": "<p>Typed here</p>", "text": ""},
    }[step]  # fmt: skip


@pytest.mark.parametrize("step", ["settings", "audience", "content"])
def test_the_second_window_decides(owner_client: Client, draft: Campaign, contact_list: ContactList, step: str) -> None:
    address = f"/w/northlight/campaigns/{draft.pk}/{step}/"
    form = {**typed(draft, step, contact_list), "seen": drafts.version(draft)}
    drafts.save(draft, changes={"preheader": "From there"})
    version = drafts.version(draft)

    by_itself = owner_client.post(address, {**form, "autosave": "1"}, headers=HTMX)
    going_on = owner_client.post(address, form)

    draft.refresh_from_db()
    assert drafts.version(draft) == version
    for reply in (by_itself, going_on):
        html = reply.content.decode()
        assert reply.status_code == 409
        assert "changed in another window" in html and 'name="mine"' in html
    assert "data-notice" in by_itself.content.decode() and "<h1" not in by_itself.content.decode()
    assert (
        "Typed here" in going_on.content.decode()
    ) or f'value="{contact_list.pk}" checked' in going_on.content.decode()

    kept = owner_client.post(address, {**form, "mine": "1"})

    draft.refresh_from_db()
    assert kept.headers["Location"] == address
    assert {
        "settings": draft.name == "Typed here",
        "audience": list(draft.lists.all()) == [contact_list],
        "content": draft.html == "<p>Typed here</p>",
    }[step]


def test_a_template_open_twice_too(owner_client: Client, workspace: Workspace, owner: User) -> None:
    template = Template.objects.create(workspace=workspace, name="Winter")
    template.refresh_from_db()
    address = f"/w/northlight/templates/{template.uuid}/"
    form = {
        "name": "Typed",
        "subject": "",
        "preheader": "",
        "html": "",
        "text": "",
        "seen": templates.version(template),
    }
    templates.save(template, changes={"subject": "From there"})

    overtaken = owner_client.post(address, form)
    by_itself = owner_client.post(address, {**form, "autosave": "1"}, headers=HTMX)
    template.refresh_from_db()
    assert (overtaken.status_code, by_itself.status_code, template.name) == (409, 409, "Winter")

    owner_client.post(address, {**form, "mine": "1"})
    template.refresh_from_db()
    assert (template.name, template.subject) == ("Typed", "")
