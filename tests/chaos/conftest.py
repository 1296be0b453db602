"""A campaign on its way through real workers to a real SMTP server, ready to be struck."""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from django.core.cache import cache
from django.db import connection

from apps.accounts.models import Workspace
from apps.campaigns.models import Campaign, ContentVersion, Delivery
from apps.contacts.models import Contact, ContactList, Subscription
from apps.smtp.models import Transport
from core import addresses
from core.celery import app
from tests.campaigns.conftest import HTML, frozen
from tests.fault_server import FaultServer
from tests.workers import Group, ring_elsewhere, wait_until

# So many letters are on their way when something is killed, deployed or restarted.
MANY = 2000


@dataclass
class Run:
    """One campaign, its workers, and the server that counts what arrived."""

    campaign: Campaign
    group: Group
    server: FaultServer
    prefix: str

    def states(self) -> Counter[str]:
        rows = Delivery.objects.filter(campaign=self.campaign).values_list("state", flat=True)
        return Counter(str(state) for state in rows)

    def settled(self) -> int:
        return sum(
            n for state, n in self.states().items() if state not in ("queued", "leased", "sending", "committing")
        )

    def wait_for_settled(self, count: int, *, seconds: float = 120) -> None:
        wait_until(lambda: self.settled() >= count, seconds=seconds, what=f"{count} settled letters")

    def wait_for_end(self, *, seconds: float = 200) -> None:
        def ended() -> bool:
            self.campaign.refresh_from_db()
            return self.campaign.finished_at is not None

        wait_until(ended, seconds=seconds, what=f"the campaign's end; {self.states()}")

    def accepted(self) -> Counter[str]:
        """How often each Message-ID was accepted."""
        return Counter(letter.message_id for letter in self.server.letters)

    def check_accounted(self, *, ambiguous_at_most: int = 0, explained: Collection[str] = ()) -> None:
        """Lost 0, doubled 0; what nobody can know is unconfirmed, and no more of it than stated.

        Args:
            explained: further states that the test itself has brought about.
        """
        letters = list(Delivery.objects.filter(campaign=self.campaign).values_list("message_id", "state"))
        accepted = self.accepted()
        doubled = {message_id: n for message_id, n in accepted.items() if n > 1}
        lost = [m for m, state in letters if state == "sent" and not accepted[m]]
        unexplained = [m for m, state in letters if state not in ("sent", "unconfirmed", *explained)]
        told_unsent = [m for m, state in letters if state not in ("sent", "unconfirmed") and accepted[m]]
        unconfirmed = [m for m, state in letters if state == "unconfirmed"]

        assert (doubled, lost, told_unsent, unexplained) == ({}, [], [], [])
        assert len(unconfirmed) <= ambiguous_at_most
        assert len(letters) == self.campaign.audience_size
        assert set(accepted) <= {m for m, _ in letters}


@pytest.fixture
def prefix() -> Iterator[str]:
    """A broker prefix of the test's own, for the workers and for this process."""
    made = f"vs-{secrets.token_hex(4)}-"
    before = app.conf.broker_transport_options
    app.conf.broker_transport_options = {**before, "global_keyprefix": made}
    ring_elsewhere()
    cache.clear()
    yield made
    app.conf.broker_transport_options = before
    ring_elsewhere()


@pytest.fixture
def people(transactional_db: None, workspace: Workspace, contact_list: ContactList) -> Callable[[int], None]:
    def make(count: int) -> None:
        made = Contact.objects.bulk_create(
            Contact(
                workspace=workspace,
                email=f"reader{n}@example.com",
                email_normalised=f"reader{n}@example.com",
                email_hash=addresses.fingerprint(f"reader{n}@example.com"),
                first_name=f"Reader {n}",
            )
            for n in range(count)
        )
        Subscription.objects.bulk_create(
            Subscription(contact=contact, contact_list=contact_list, state="confirmed") for contact in made
        )

    return make


@pytest.fixture
def run(
    transactional_db: None,
    people: Callable[[int], None],
    workspace: Workspace,
    contact_list: ContactList,
    prefix: str,
    tmp_path: Path,
) -> Iterator[Callable[..., Run]]:
    running: list[Run] = []

    def make(
        letters: int,
        *,
        script: tuple[Any, ...] = (),
        concurrency: int = 4,
        start: bool = True,
        limits: str = "",
        policy: str = "hold",
        **more: Any,
    ) -> Run:
        people(letters)
        server = FaultServer(script, keep_data=False).start()
        transport = Transport.objects.create(
            workspace=workspace, name="Relay", kind="smtp", host="127.0.0.1", port=server.port, tls="none"
        )
        version = frozen()
        content = ContentVersion.objects.create(
            workspace=workspace, content_hash=version.content_hash, frozen=version.to_json(), links=[]
        )
        campaign = Campaign.objects.create(
            workspace=workspace,
            name="November roast",
            subject=version.subject,
            html=HTML,
            from_name=version.from_name,
            from_email=version.from_email,
            transport=transport,
            content=content,
            message_domain="northlight.example",
            audience_list_ids=[contact_list.pk],
            state="scheduled",
            policy=policy,
        )
        with connection.cursor() as cursor:
            cursor.execute("UPDATE campaigns_campaign SET scheduled_at = now()")
        group = Group(prefix, tmp_path / "one", concurrency=concurrency, VASHSENDER_TEST_LIMITS=limits, **more)
        made = Run(campaign, group, server, prefix)
        running.append(made)
        if start:
            group.start()
        return made

    yield make
    for one in running:
        one.group.kill_everything()
        one.server.stop()
    connection.close()


@pytest.fixture
def another_group(prefix: str, tmp_path: Path) -> Iterator[Callable[..., Group]]:
    """Further processes on the same database and broker, as on a second host."""
    made: list[Group] = []

    def make(name: str, **more: Any) -> Group:
        made.append(Group(prefix, tmp_path / name, name=name, **more))
        return made[-1]

    yield make
    for group in made:
        group.kill_everything()
