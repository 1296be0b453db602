"""Each thing `health_check` looks at is broken once: that line alone turns red or amber, and says the remedy."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from typing import Any

import psycopg
import pytest
from django.conf import LazySettings
from django.db import connection
from django.db.models.functions import Now

from apps.accounts.models import Workspace
from apps.campaigns.models import Campaign
from apps.smtp.models import Transport
from apps.smtp.services import signing_keys
from core import health, pulses, queues
from core.checks import services, surroundings
from core.health import Context, Report, Status
from core.models import InstanceEpoch, Pulse, WorkerProcess
from tests.campaigns.conftest import make_campaign, sending
from tests.core import test_health
from tests.core.test_health import a_pending_migration, healthy, old, silence
from tests.workers import database_url

__all__ = ["healthy", "make_campaign", "sending"]
pytestmark = pytest.mark.django_db(transaction=True)


class Breaker:
    """How to break each thing, by the id of the line that shows it."""

    def __init__(self, settings: LazySettings, patch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
        self.settings, self.patch, self.request = settings, patch, request

    def settings_(self) -> None:
        self.settings.SECRET_KEY = "short"

    def encryption_keys(self) -> None:
        self.settings.ENCRYPTION_KEYS = ["not-a-key"]

    def disk(self) -> None:
        test_health._disk(1)(self.settings, self.patch)

    def database(self) -> None:
        self.patch.setattr(services, "_OLDEST_POSTGRES", 99_00_00)

    def transactions(self) -> AbstractContextManager[None]:
        @contextmanager
        def held() -> Iterator[None]:
            with psycopg.connect(database_url()) as rival:
                rival.execute("SELECT 1")
                yield

        self.patch.setattr(services, "_LONG_SECONDS", -60)  # as if a minute had passed
        return held()

    def migrations(self) -> AbstractContextManager[None]:
        return a_pending_migration()

    def broker(self) -> None:
        facts = {"used_memory": 1, "maxmemory": 100, "maxmemory_policy": "allkeys-lru"}
        self.patch.setattr(queues, "redis_facts", lambda _url: facts)

    def clock(self) -> None:
        self.patch.setattr(services, "_SKEW_SECONDS", -1)

    def canary_campaigns(self) -> None:
        old("canary:campaigns", 300)

    def canary_email(self) -> None:
        old("canary:email", 300)

    def canary_default(self) -> None:
        old("canary:default", 300)

    def beat(self) -> None:
        old("beat", 60)

    def rounds(self) -> None:
        pulses.beat("ran:apps.campaigns.tasks.sweep")
        old("ran:apps.campaigns.tasks.sweep", 600)

    def queues(self) -> None:
        WorkerProcess.objects.filter(name="rest").update(queues="")

    def pools(self) -> None:
        WorkerProcess.objects.create(name="gone", queues="email")
        silence("gone", 90)

    def spool(self) -> None:
        self.settings.SPOOL_DIR.mkdir()
        kept = self.settings.SPOOL_DIR / "results.jsonl"
        kept.write_text("{}\n")
        os.utime(kept, (0, 0))

    def backup(self) -> None:
        self.settings.SPOOL_DIR.mkdir()
        self.settings.BACKUP_DIR = self.settings.SPOOL_DIR

    def public_url(self) -> None:
        def refuse(_url: str) -> Any:
            raise ConnectionRefusedError

        self.patch.setattr(surroundings, "_fetch", refuse)

    def accounts(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
        workspace = Workspace.objects.create(name="Northlight", slug="north")
        Transport.objects.create(
            workspace=workspace, name="Relay", kind="smtp", host="127.0.0.1", port=port, tls="none"
        )

    def signing_keys(self) -> None:
        workspace = Workspace.objects.create(name="Northlight", slug="north")
        key = signing_keys.make(workspace, domain="northlight.example", algorithm="rsa-sha256", by=None)
        signing_keys.activate(key, by=None, unseen=True)

    def stuck(self) -> None:
        self._sending(moved="40 minutes")

    def accounts_open(self) -> None:
        self._sending(moved="1 second")
        with connection.cursor() as cursor:
            cursor.execute("UPDATE campaigns_delivery SET state = 'sent', reason = '', sent_at = now()")
            cursor.execute("UPDATE campaigns_campaign SET audience_size = coalesce(audience_size, 0) + 1")

    def deliveries(self) -> None:
        self._sending(moved="1 second")
        with connection.cursor() as cursor:
            cursor.execute(
                """UPDATE campaigns_delivery
                   SET state = 'committing', attempt_deadline = now() - interval '5 minutes'"""
            )

    def restore(self) -> None:
        InstanceEpoch.objects.update_or_create(
            id=1, defaults={"own_table": 1, "frozen_at": Now(), "frozen_reason": "restored"}
        )

    def _sending(self, *, moved: str) -> None:
        make: Callable[..., Campaign] = self.request.getfixturevalue("sending")
        campaign = make(1)
        Transport.objects.filter(pk=campaign.transport_id).update(kind="provider", provider="test")
        with connection.cursor() as cursor:
            cursor.execute(f"UPDATE campaigns_delivery SET moved_at = now() - interval '{moved}'")
            cursor.execute(f"UPDATE campaigns_campaign SET moved_at = now() - interval '{moved}'")


def _name(id: str) -> str:
    return {"settings": "settings_"}.get(id, id.replace("-", "_"))


def _all() -> dict[str, Report]:
    return {report.id: report for report in health.run(Context(), budget_seconds=25)}


def test_every_line_has_its_way_to_be_broken() -> None:
    assert {_name(id) for id in health.ids()} == {name for name in vars(Breaker) if not name.startswith("_")}


def test_nothing_is_red_where_nothing_is_broken(healthy: None) -> None:
    assert {id for id, report in _all().items() if report.status is not Status.OK} == set()


@pytest.mark.parametrize("id", health.ids())
def test_breaking_one_thing_turns_its_line_alone(
    healthy: None,
    settings: LazySettings,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
    id: str,
) -> None:
    breaker = Breaker(settings, monkeypatch, request)
    with ExitStack() as stack:
        stack.enter_context(getattr(breaker, _name(id))() or nullcontext())
        reports = _all()

    assert {one for one, report in reports.items() if report.status is not Status.OK} == {id}
    assert reports[id].status in (Status.WARNING, Status.CRITICAL)
    assert len(reports[id].hint) > 10
    assert Pulse.objects.exists()


def test_every_line_is_explained() -> None:
    from django.conf import settings

    page = (settings.BASE_DIR / "docs/operations/health_check.md").read_text()

    assert [id for id in health.ids() if f"### {id}\n" not in page] == []
