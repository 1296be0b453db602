"""What needs somebody is said on the home page, with where it is mended; what is in order is not."""

from __future__ import annotations

import datetime as dt

import pytest
from django.test import Client
from django.utils import timezone

from apps.accounts.models import User, Workspace
from apps.campaigns.models import Campaign, ContentVersion, Delivery
from apps.contacts.models import ImportJob, ImportReject
from apps.smtp.models import Throttle, Transport
from apps.web import attention

pytestmark = pytest.mark.django_db


def facts(workspace: Workspace, *, role: str = "owner") -> list[str]:
    return [need.fact for need in attention.of(workspace, role=role)]


@pytest.fixture
def campaign(workspace: Workspace, transport: Transport) -> Campaign:
    return Campaign.objects.create(
        workspace=workspace, name="Autumn", transport=transport, state="finished", started_at=timezone.now()
    )


def letter(campaign: Campaign, transport: Transport, **fields: object) -> None:
    workspace = campaign.workspace
    content = ContentVersion.objects.create(workspace=workspace, content_hash="x", frozen={})
    Delivery.objects.create(
        workspace=workspace, campaign=campaign, content=content, transport=transport, email="a@x.example",
        email_hash=b"h" * 32, expires_at="2040-01-01T00:00:00Z", **fields,
    )  # fmt: skip


def test_nothing_needs_anybody_in_a_healthy_workspace(
    workspace: Workspace, campaign: Campaign, transport: Transport, owner_client: Client
) -> None:
    letter(campaign, transport, state="sent")

    assert facts(workspace) == []
    assert "Needs you" not in owner_client.get("/w/northlight/").content.decode()


def test_an_account_that_refuses_our_password(workspace: Workspace, campaign: Campaign, owner_client: Client) -> None:
    account = Transport.objects.create(workspace=workspace, name="Receipts", kind="smtp", host="smtp.example.com")
    Throttle.objects.create(
        transport=account, closed_until="2040-01-01T00:00:00Z", trouble_since=timezone.now(),
        trouble_stage="auth", trouble_text="535 5.7.8 no",
    )  # fmt: skip
    letter(campaign, account, state="queued", attempts=1)

    (need,) = attention.of(workspace, role="owner")

    assert need.fact.startswith("Receipts refuses our password since ")
    assert need.consequence == "535 5.7.8 no. Nothing is lost. 1 email waits for it."
    assert owner_client.get(need.url).status_code == 200


@pytest.mark.parametrize(("state", "said"), [("stalled", "has come to a stop"), ("failed", "could not be sent")])
def test_a_campaign_that_does_not_go_on(workspace: Workspace, campaign: Campaign, state: str, said: str) -> None:
    Campaign.objects.update(state=state)

    assert facts(workspace) == [f"“Autumn” {said}"]


def test_a_campaign_that_missed_its_time_asks(workspace: Workspace, transport: Transport, owner_client: Client) -> None:
    for name, ago in (("Open day", 5), ("Just now", 0), ("Black Friday", -24)):
        Campaign.objects.create(
            workspace=workspace, name=name, transport=transport, state="scheduled", is_appointed=True,
            scheduled_at=timezone.now() - dt.timedelta(hours=ago),
        )  # fmt: skip

    assert facts(workspace) == ["“Open day” missed its time"]
    assert "Say what now" in owner_client.get("/w/northlight/").content.decode()


def test_unconfirmed_emails_lead_to_themselves(
    workspace: Workspace, campaign: Campaign, transport: Transport, owner_client: Client
) -> None:
    letter(campaign, transport, state="unconfirmed")

    (need,) = attention.of(workspace, role="owner")

    assert need.fact == "1 email of “Autumn” may or may not have arrived"
    assert "a@x.example" in owner_client.get(need.url).content.decode()


def test_an_import_that_left_rows_out_and_one_that_broke_off(workspace: Workspace, owner_client: Client) -> None:
    made = {"workspace": workspace, "size_bytes": 1, "encoding": "utf-8", "delimiter": ","}
    job = ImportJob.objects.create(**made, file_name="fair.csv", state="finished")
    ImportReject.objects.create(job=job, line=2, code="no_at", reason="There is no @ sign")
    ImportJob.objects.create(**made, file_name="fine.csv", state="finished")
    ImportJob.objects.create(**made, file_name="torn.csv", state="failed", error="The file ends too early.")
    long_ago = timezone.now() - dt.timedelta(days=8)
    ImportJob.objects.create(**made, file_name="old.csv", state="failed", moved_at=long_ago)

    assert facts(workspace) == ["The import “torn.csv” broke off", "The import “fair.csv” left 1 row out"]


def test_another_workspaces_trouble_is_not_ours(workspace: Workspace, campaign: Campaign, stranger: User) -> None:
    Campaign.objects.update(state="stalled", workspace=Workspace.objects.get(slug="elsewhere"))

    assert facts(workspace) == []
