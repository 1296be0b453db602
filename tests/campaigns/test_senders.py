"""Senders: kept by admins, chosen by everybody who composes, written freely by nobody else."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from apps.accounts.models import AuditEntry, Membership, User, Workspace
from apps.campaigns.models import Campaign, SenderIdentity, Template
from apps.campaigns.services import drafts, senders
from apps.campaigns.states import CampaignState
from apps.smtp.models import Transport

pytestmark = pytest.mark.django_db
SENDER = {"name": "Northlight Coffee", "email": "news@northlight.example", "reply_to": "hello@northlight.example"}


@pytest.fixture
def sender(workspace: Workspace, owner: User) -> SenderIdentity:
    return senders.add(workspace, **SENDER, by=owner)


@pytest.fixture
def marketer(workspace: Workspace, colleague: User) -> Client:
    Membership.objects.filter(user=colleague).update(role="marketer")
    client = Client()
    client.force_login(colleague)
    return client


@pytest.fixture
def values(transport: Transport) -> dict[str, Any]:
    return {"name": "Spring", "subject": "Hello", "transport": transport.pk}


def url(route: str, *args: Any) -> str:
    return reverse(f"campaigns:{route}", args=["northlight", *args])


def from_of(campaign: Campaign) -> tuple[str, str, str]:
    campaign.refresh_from_db()
    return campaign.from_name, campaign.from_email, campaign.reply_to


def test_a_campaign_takes_name_and_addresses_from_its_sender(
    owner_client: Client, sender: SenderIdentity, values: dict[str, Any]
) -> None:
    typed = {"from_name": "Else", "from_email": "not an address"}

    answer = owner_client.post(url("new"), {**values, **typed, "sender": sender.pk})

    campaign = Campaign.objects.get()
    assert answer.status_code == 302
    assert (campaign.sender_id, from_of(campaign)) == (sender.pk, tuple(SENDER.values()))


def test_an_admin_may_write_another(owner_client: Client, sender: SenderIdentity, values: dict[str, Any]) -> None:
    typed = {"sender": "", "from_name": "Ines", "from_email": "ines@northlight.example"}

    owner_client.post(url("new"), {**values, **typed})

    campaign = Campaign.objects.get()
    assert (campaign.sender_id, from_of(campaign)) == (None, ("Ines", "ines@northlight.example", ""))


def test_an_admin_must_write_or_choose_one(
    owner_client: Client, sender: SenderIdentity, values: dict[str, Any]
) -> None:
    answer = owner_client.post(url("new"), {**values, "from_name": "Ines"})

    assert answer.status_code == 422
    assert "from_email" in answer.context["form"].errors
    assert not Campaign.objects.exists()


def test_a_marketer_chooses_and_cannot_write(marketer: Client, sender: SenderIdentity, values: dict[str, Any]) -> None:
    typed = {"from_name": "Your bank", "from_email": "security@bank.example"}
    page = marketer.get(url("new")).content.decode()
    assert "from_email" not in page and "news@northlight.example" in page

    refused = marketer.post(url("new"), {**values, **typed, "sender": ""})
    marketer.post(url("new"), {**values, **typed, "sender": sender.pk})

    assert refused.status_code == 302 or "Choose a sender" in refused.content.decode()
    assert {from_of(campaign) for campaign in Campaign.objects.all()} == {tuple(SENDER.values())}


def test_a_marketer_without_senders_is_told_whom_to_ask(marketer: Client, values: dict[str, Any]) -> None:
    answer = marketer.post(url("new"), {**values, "from_email": "security@bank.example"})

    assert answer.status_code == 422
    assert "An admin can add one" in answer.content.decode()
    assert not Campaign.objects.exists()


@pytest.mark.parametrize("path", ["designs/use/", "{}/use/"])
def test_a_marketers_own_address_is_nobodys_choice(
    marketer: Client, workspace: Workspace, owner: User, transport: Transport, path: str
) -> None:
    template = Template.objects.create(workspace=workspace, created_by=owner, name="Winter", html="<p>Snow</p>")

    marketer.post(f"/w/northlight/templates/{path.format(template.uuid)}", {"design": "event"})

    campaign = Campaign.objects.get()
    assert from_of(campaign) == ("Northlight Coffee", "", "")
    assert marketer.get(url("settings", campaign.pk)).context["form"].kept_sender == ""


def test_a_marketer_begins_a_template_with_the_sender_that_is_set_up(
    marketer: Client, sender: SenderIdentity, transport: Transport
) -> None:
    for _number in (1, 2):  # the second begins like the first
        marketer.post("/w/northlight/templates/designs/use/", {"design": "event"})

    assert [campaign.sender for campaign in Campaign.objects.all()] == [sender, sender]
    assert {from_of(campaign) for campaign in Campaign.objects.all()} == {tuple(SENDER.values())}


@pytest.mark.parametrize("autosave", [{}, {"autosave": "1"}])
def test_a_marketer_keeps_what_an_admin_wrote(
    marketer: Client, workspace: Workspace, owner: User, values: dict[str, Any], autosave: dict[str, str]
) -> None:
    campaign = drafts.create(workspace, by=owner, changes={"name": "A", "from_email": "ines@northlight.example"})

    marketer.post(url("settings", campaign.pk), {**values, "from_email": "security@bank.example", **autosave})

    assert from_of(campaign)[1] == "ines@northlight.example"
    assert campaign.name == "Spring"


@pytest.mark.parametrize("autosave", [{}, {"autosave": "1"}])
def test_the_sender_of_another_workspace_cannot_be_chosen(
    owner_client: Client, workspace: Workspace, owner: User, stranger: User, values: dict[str, Any],
    autosave: dict[str, str],
) -> None:  # fmt: skip
    theirs = senders.add(Workspace.objects.get(slug="elsewhere"), **SENDER, by=stranger)
    campaign = drafts.create(workspace, by=owner, changes={"name": "A", "from_email": "ines@northlight.example"})

    owner_client.post(
        url("settings", campaign.pk), {**values, "from_email": "x@x.example", "sender": theirs.pk, **autosave}
    )

    campaign.refresh_from_db()
    assert campaign.sender_id is None
    with pytest.raises(drafts.FieldError):
        drafts.save(campaign, changes={"sender": theirs})


def test_drafts_follow_a_change_and_what_was_sent_off_stays(
    owner_client: Client, workspace: Workspace, owner: User, sender: SenderIdentity
) -> None:
    changes = {"name": "A", "sender": sender, **senders.copied(sender)}
    draft = drafts.create(workspace, by=owner, changes=changes)
    sent = drafts.create(workspace, by=owner, changes=changes)
    Campaign.objects.filter(pk=sent.pk).update(state=CampaignState.FINISHED)

    owner_client.post(url("sender", sender.uuid), {"name": "Roastery", "email": "roastery@northlight.example"})

    assert from_of(draft) == ("Roastery", "roastery@northlight.example", "")
    assert from_of(sent) == tuple(SENDER.values())


def test_campaigns_keep_what_a_removed_sender_gave_them(
    owner_client: Client, workspace: Workspace, owner: User, sender: SenderIdentity
) -> None:
    draft = drafts.create(workspace, by=owner, changes={"name": "A", "sender": sender, **senders.copied(sender)})

    owner_client.post(url("sender_remove", sender.uuid))

    assert not SenderIdentity.objects.exists()
    assert from_of(draft) == tuple(SENDER.values())
    entry = AuditEntry.objects.get(action="sender_removed")
    assert (entry.target, entry.actor_id) == ("Northlight Coffee <news@northlight.example>", owner.pk)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"name": " "}, "name"),
        ({"email": "news"}, "email"),
        ({"reply_to": "news@"}, "reply_to"),
        ({}, "name"),  # there is one like it
    ],
)
def test_what_makes_no_sense_is_said_beside_its_field(
    owner_client: Client, sender: SenderIdentity, changes: dict[str, str], field: str
) -> None:
    answer = owner_client.post(url("sender_add"), {**SENDER, **changes})

    assert answer.status_code == 422
    assert list(answer.context["form"].errors) == [field]
    assert SenderIdentity.objects.count() == 1


def test_no_line_of_a_header_hides_in_a_name(workspace: Workspace, owner: User) -> None:
    sender = senders.add(workspace, name="North\r\nBcc: x@x.example\x0b", email="n@x.example", by=owner)

    assert sender.name == "North Bcc: x@x.example"


def test_a_new_campaign_begins_with_a_sender(workspace: Workspace, owner: User, sender: SenderIdentity) -> None:
    assert drafts.defaults(workspace, by=owner, may_write_sender=True)["sender"] == sender
