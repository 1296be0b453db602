"""What is worth asking about later leaves exactly one row: who, what, from where."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from apps.accounts.models import AuditEntry, User, Workspace
from apps.campaigns.models import Campaign
from apps.campaigns.services import drafts
from apps.contacts.models import Contact, ContactList, ImportChunk, ImportJob, Suppression
from apps.contacts.services import suppression
from apps.smtp.models import Transport
from apps.smtp.services import accounts
from apps.smtp.services.accounts import Server
from apps.smtp.throttle import Limits
from core.secretbox import Secret

pytestmark = pytest.mark.django_db
FROM = "203.0.113.9"
MakeContact = Callable[..., Contact]


@pytest.fixture
def client(owner: User) -> Client:
    client = Client(REMOTE_ADDR=FROM)
    client.force_login(owner)
    return client


def rows(owner: User) -> list[tuple[str, str]]:
    """Return what was done since signing in, and check who did it from where."""
    found = AuditEntry.objects.exclude(action="signed_in").order_by("pk")
    assert {(one.actor_id, one.actor_name, one.ip) for one in found} <= {(owner.pk, owner.email, FROM)}
    return [(one.action, one.target) for one in found]


@pytest.fixture
def campaign(
    workspace: Workspace, owner: User, transport: Transport, contact_list: ContactList, make_contact: MakeContact
) -> Campaign:
    make_contact("p@x.example")
    changes = {"name": "Spring", "subject": "Hi", "from_name": "N", "from_email": "n@x.example", "transport": transport}
    campaign = drafts.create(workspace, by=owner, changes=changes)
    drafts.save_audience(campaign, lists=[contact_list], excluded=[])
    drafts.save(campaign, changes={"html": "<p>Hello</p>", "text": "Hello"})
    drafts.add_footer(campaign)
    return campaign


def post(client: Client, route: str, *args: Any, **values: Any) -> None:
    answer = client.post(reverse(route, args=["northlight", *args]), values)
    assert answer.status_code in (200, 302), answer.content


def test_sending_pausing_and_cancelling(client: Client, owner: User, campaign: Campaign) -> None:
    post(client, "campaigns:send", campaign.pk, when="now")
    Campaign.objects.filter(pk=campaign.pk).update(state="sending", started_at="2026-01-01T00:00:00Z")
    for deed in ("pause", "resume", "cancel"):
        post(client, f"campaigns:{deed}", campaign.pk)

    assert rows(owner) == [
        ("campaign_sent", "Spring"),
        ("campaign_paused", "Spring"),
        ("campaign_resumed", "Spring"),
        ("campaign_cancelled", "Spring"),
    ]


def test_deleting_a_draft(client: Client, owner: User, campaign: Campaign) -> None:
    post(client, "campaigns:delete", campaign.pk)

    assert rows(owner) == [("campaign_deleted", "Spring")]


def test_deleting_a_person_keeps_no_address(client: Client, owner: User, make_contact: MakeContact) -> None:
    contact = make_contact("claire@orchard.example")

    post(client, "contacts:delete", contact.uuid, typed="claire@orchard.example")

    assert rows(owner) == [("contact_deleted", "c…e@orchard.example")]


def test_lifting_a_suppression_and_failing_to(client: Client, owner: User, workspace: Workspace) -> None:
    lifted = suppression.add(workspace.pk, email="claire@orchard.example", reason=Suppression.Reason.MANUAL)
    stays = suppression.add(workspace.pk, email="s@x.example", reason=Suppression.Reason.COMPLAINT)

    post(client, "contacts:suppression_remove", lifted.pk, why="they asked")
    post(client, "contacts:suppression_remove", stays.pk, why="they asked")

    assert rows(owner) == [("suppression_lifted", "c…e@orchard.example")]


def test_starting_an_import(client: Client, owner: User, contact_list: ContactList) -> None:
    job = ImportJob.objects.create(
        workspace=contact_list.workspace, file_name="p.csv", file_sha256="f" * 64, size_bytes=20, encoding="utf-8",
        delimiter=",", columns=[{"name": "email", "sample": "", "suggested": "email"}],
    )  # fmt: skip

    ImportChunk.objects.create(job=job, position=0, data=b"email\np@x.example\n")

    post(
        client, "contacts:import_check", job.uuid, column_0="email", contact_list=contact_list.uuid, agreed="on",
        consent="at the fair",
    )  # fmt: skip
    post(client, "contacts:import_start", job.uuid)

    assert rows(owner) == [("import_started", "p.csv")]
    assert AuditEntry.objects.get(action="import_started").detail == {"sha256": "f" * 64}


def test_a_secret_leaves_a_row_and_never_itself(workspace: Workspace, owner: User) -> None:
    server = Server(host="smtp.example.com", port=587, tls="starttls", username="u")
    with_password = replace(server, password=Secret("hunter2"))
    transport = accounts.add_smtp(workspace, name="Own server", server=with_password, limits=Limits())
    accounts.change_smtp(transport, name="Renamed", server=server, limits=Limits())
    newer = replace(server, password=Secret("hunter3"))
    accounts.change_smtp(transport, name="Renamed", server=newer, limits=Limits())
    accounts.switch(transport, on=False)
    accounts.delete(transport)

    found = AuditEntry.objects.order_by("pk").values_list("action", flat=True)
    assert list(found) == [
        "account_added", "secret_changed", "account_changed", "account_changed", "secret_changed",
        "account_switched", "account_deleted",
    ]  # fmt: skip
    assert "hunter" not in str(list(AuditEntry.objects.values()))
