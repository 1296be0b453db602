"""The System page: what it says of a healthy, a broken and a hanging installation, and to whom."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from django.db import connection
from django.db.models import F
from django.db.models.functions import Now
from django.test import Client

from apps.accounts.models import AuditEntry, Membership, User, Workspace
from apps.campaigns.models import Campaign, CampaignEntry
from apps.smtp.models import Throttle, Transport
from apps.web import notices, system
from core import incidents, pulses, queues
from core.celery import app
from core.models import Incident, InstanceEpoch, Pulse, WorkerProcess
from settings.celery import QUEUES
from tests.campaigns.conftest import make_campaign, sending
from tests.chaos.conftest import prefix
from tests.conftest import make_user

__all__ = ["make_campaign", "prefix", "sending"]
Sending = Callable[..., Campaign]
PAGE = "/w/northlight/system/"


@pytest.fixture
def crew(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """An installation in which everything runs."""
    for name in ("beat", *(f"canary:{queue}" for queue in QUEUES), "ran:apps.campaigns.tasks.sweep"):
        pulses.beat(name, rung={"sweep": 2.0})
    WorkerProcess.objects.create(
        name="host:boot:1:aa", node="mail@host", queues="campaigns,email", memory_kib=90_000,
        task="apps.campaigns.tasks.send_single_email", task_since=Now(), progress_at=Now(),
    )  # fmt: skip
    WorkerProcess.objects.create(name="host:boot:2:bb", node="default@host", queues="default")
    monkeypatch.setattr(queues, "look", lambda names, **_: {name: queues.Waiting(3, 1.5) for name in names})


@pytest.fixture
def admin_client(workspace: Workspace) -> Client:
    """An admin of the workspace who does not look after the installation."""
    user = make_user("rui@northlight.example", name="Rui Almeida")
    Membership.objects.create(user=user, workspace=workspace, role="admin")
    client = Client()
    client.force_login(user)
    return client


def _silence(node: str, seconds: int) -> None:
    WorkerProcess.objects.filter(node=node).update(seen_at=F("seen_at") - timedelta(seconds=seconds))


def test_a_healthy_installation(crew: None, owner_client: Client, transport: Transport) -> None:
    text = owner_client.get(PAGE).content.decode()

    assert "mail@host" in text and "an email" in text
    assert "3 hints in the broker" in text
    assert "Sweep: lost rings, leases, retries" in text
    assert "No worker listens" not in text and "Beat does not run" not in text


def test_no_worker_for_a_queue_that_holds_work(crew: None, owner_client: Client, sending: Sending) -> None:
    sending(3)
    _silence("mail@host", 82)

    notice = notices.worst(None)
    text = owner_client.get(PAGE).content.decode()

    assert notice is not None and notice.title == "No worker listens to the queue “email”"
    assert "3 emails wait. Nothing is lost" in notice.text
    assert "scripts/start" in notice.command
    assert text.count("No worker listens to the queue “email”") == 1
    assert "gone since" in text


def test_no_worker_and_no_work_is_no_news(crew: None, sending: Sending) -> None:
    campaign = sending(3)
    Campaign.objects.filter(pk=campaign.pk).update(state="paused")
    _silence("mail@host", 82)

    assert notices.worst(None) is None


def test_the_command_is_the_production_scripts_in_production(
    crew: None, sending: Sending, monkeypatch: pytest.MonkeyPatch
) -> None:
    from settings.env import env

    sending(1)
    WorkerProcess.objects.all().delete()
    monkeypatch.setattr(env, "vashsender_env", "production")

    notice = notices.worst(None)

    assert notice is not None and notice.command == "scripts/start_celery_production.sh start"


def test_beat_that_does_not_run_is_said_where_something_is_under_way(crew: None, sending: Sending) -> None:
    sending(1)
    Pulse.objects.filter(name="beat").update(at=Now() - timedelta(minutes=5))

    notice = notices.worst(None)

    assert notice is not None and notice.title == "Beat does not run"


def test_a_restored_database_outweighs_everything_else(crew: None, owner_client: Client, sending: Sending) -> None:
    sending(1)
    WorkerProcess.objects.all().delete()
    InstanceEpoch.objects.update_or_create(
        id=1, defaults={"own_table": 1, "frozen_at": Now(), "frozen_reason": "restored"}
    )

    text = owner_client.get(f"{PAGE}notice/").content.decode()

    assert "Nothing is sent: the database was restored or replaced" in text
    assert "manage.py confirm_restore" in text and "No worker listens" not in text


def test_every_page_asks_for_the_notice_for_admins_only(crew: None, owner_client: Client, colleague: User) -> None:
    viewer = Client()
    viewer.force_login(colleague)

    assert "/system/notice/" in owner_client.get("/w/northlight/campaigns/").content.decode()
    assert "/system/notice/" not in viewer.get("/w/northlight/campaigns/").content.decode()
    assert viewer.get(f"{PAGE}notice/").status_code == 403


def test_a_notice_goes_away_by_itself(crew: None, owner_client: Client, sending: Sending) -> None:
    sending(2)
    WorkerProcess.objects.filter(node="mail@host").update(queues="campaigns")
    before = owner_client.get(f"{PAGE}notice/").content.decode()
    WorkerProcess.objects.filter(node="mail@host").update(queues="campaigns,email")
    after = owner_client.get(f"{PAGE}notice/").content.decode()

    assert "2 emails wait" in before
    assert "emails wait" not in after and "data-live" in after


@pytest.fixture
def hanging_broker(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with socket.create_server(("127.0.0.1", 0), backlog=64) as server:
        monkeypatch.setattr(app.conf, "broker_url", f"redis://127.0.0.1:{server.getsockname()[1]}/0")
        yield


def test_a_broker_that_hangs_costs_its_own_words_only(
    hanging_broker: None, db: None, owner_client: Client, transport: Transport
) -> None:
    begun = time.monotonic()
    text = owner_client.get(PAGE).content.decode()

    assert "broker does not answer" in text and "hints unknown" in text
    # Not a measure of speed: far below any time at which a person would reload.
    assert time.monotonic() - begun < 15 * system.BROKER_SECONDS


def test_the_oldest_hint_tells_its_age(prefix: str, transactional_db: None) -> None:
    app.send_task("core.tasks.canary", args=["email"], queue="email")

    waiting = queues.look(["email", "default"])

    assert waiting["email"].depth == 1
    assert waiting["email"].oldest_seconds is not None and waiting["email"].oldest_seconds < 60
    assert waiting["default"] == queues.Waiting(0, None)


def _make_stuck(campaign: Campaign) -> None:
    with connection.cursor() as cursor:
        cursor.execute("UPDATE campaigns_delivery SET moved_at = now() - interval '40 minutes'")
        cursor.execute("UPDATE campaigns_campaign SET moved_at = now() - interval '40 minutes'")


def test_a_stuck_campaign_is_reset_from_the_page_and_the_deed_is_kept(
    crew: None, owner_client: Client, owner: User, sending: Sending
) -> None:
    campaign = sending(2)
    _make_stuck(campaign)

    assert "Set going again" in owner_client.get(PAGE).content.decode()
    answer = owner_client.post(f"{PAGE}campaigns/{campaign.pk}/reset/", follow=True)

    campaign.refresh_from_db()
    assert (campaign.resets, campaign.state) == (1, "sending")
    assert "was set going again" in answer.content.decode()
    assert AuditEntry.objects.get(action="campaign_reset").actor_id == owner.pk
    assert CampaignEntry.objects.get(kind="reset").by == owner


def test_a_campaign_that_moves_is_not_reset(crew: None, owner_client: Client, sending: Sending) -> None:
    campaign = sending(2)

    owner_client.post(f"{PAGE}campaigns/{campaign.pk}/reset/")

    campaign.refresh_from_db()
    assert campaign.resets == 0
    assert not AuditEntry.objects.filter(action="campaign_reset").exists()


@pytest.fixture
def elsewhere(stranger: User, sending: Sending) -> Workspace:
    """Another workspace with a stuck campaign, an account in trouble and an incident."""
    other = Workspace.objects.get(slug="elsewhere")
    account = Transport.objects.create(workspace=other, name="Their relay", kind="smtp", host="relay.example")
    Throttle.objects.create(
        transport=account, trouble_since=Now(), closed_until=Now() + timedelta(minutes=1), failures=2
    )
    campaign = sending(2)
    Campaign.objects.filter(pk=campaign.pk).update(workspace=other, name="Their secret campaign")
    _make_stuck(campaign)
    incidents.look()
    return other


def test_an_admin_of_one_workspace_sees_nothing_of_another(
    crew: None, elsewhere: Workspace, admin_client: Client
) -> None:
    text = admin_client.get(PAGE).content.decode()

    assert "mail@host" in text
    for theirs in ("Their relay", "Their secret campaign", "hints in the broker", "Check everything now"):
        assert theirs not in text
    assert "Only admins of the installation" in admin_client.get(f"{PAGE}checks/").content.decode()
    assert notices.worst(Workspace.objects.get(slug="northlight")) is None


def test_who_looks_after_the_installation_sees_all_and_resets_only_here(
    crew: None, elsewhere: Workspace, owner_client: Client
) -> None:
    text = owner_client.get(PAGE).content.decode()
    campaign = Campaign.objects.get(name="Their secret campaign")

    assert "Their relay" in text and "Their relay was stopped" in text
    assert "Their secret campaign" in text and "health_check --fix" in text and "Set going again" not in text
    assert owner_client.post(f"{PAGE}campaigns/{campaign.pk}/reset/").status_code == 404


def test_incidents_open_once_close_by_themselves_and_are_told(crew: None, owner_client: Client) -> None:
    _silence("mail@host", 90)
    Pulse.objects.filter(name="canary:email").update(at=Now() - timedelta(minutes=2))
    incidents.look()
    incidents.look()
    during = {(one.kind, one.subject, one.ended_at is None) for one in Incident.objects.all()}
    WorkerProcess.objects.filter(node="mail@host").update(seen_at=Now())
    incidents.look()
    after = {(one.kind, one.subject, one.ended_at is None) for one in Incident.objects.all()}
    text = owner_client.get(PAGE).content.decode()

    assert during == {("worker_gone", "mail@host", True), ("queue_deserted", "email", True)}
    assert after == {("worker_gone", "mail@host", False), ("queue_deserted", "email", False)}
    assert "The worker mail@host went away" in text and "Over since" in text


def test_a_closed_campaign_is_told_with_its_sum(crew: None, owner_client: Client, sending: Sending) -> None:
    campaign = sending(2)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE campaigns_delivery SET state = 'sent'")
    CampaignEntry.objects.create(campaign=campaign, kind="finished")

    assert "2 = 2. It adds up." in owner_client.get(PAGE).content.decode()


def test_every_entry_of_beat_has_words() -> None:
    from core import rounds

    assert set(system.ENTRIES) == set(rounds.schedule())
