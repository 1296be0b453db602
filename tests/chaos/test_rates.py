"""Limits hold across real worker processes, measured by the server that receives."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.db import connection

from apps.campaigns.models import Batch, Campaign, Delivery
from apps.smtp.models import Transport
from tests.chaos.conftest import Run
from tests.fault_server import FaultServer
from tests.workers import Group, wait_until

pytestmark = [pytest.mark.serial, pytest.mark.django_db(transaction=True)]
Make = Callable[..., Run]

# A letter may be late on its way from its turn to the server's clock, and the next one in time: so many seconds.
LATE = 1.0


@pytest.fixture
def second_group(tmp_path: Path, prefix: str) -> Iterator[Callable[[], Group]]:
    """Another host's worth of mail workers, on the same database and broker."""
    groups: list[Group] = []

    def make() -> Group:
        groups.append(Group(prefix, tmp_path / "two", name="two").start("mail"))
        return groups[-1]

    yield make
    for group in groups:
        group.stop()


def arrivals(server: FaultServer) -> list[float]:
    return sorted(letter.at for letter in server.letters)


def most_within(moments: list[float], seconds: float) -> int:
    return max(sum(first <= moment < first + seconds for moment in moments) for first in moments)


def per_minute(moments: list[float]) -> float:
    """Return the rate between the first and the last letter."""
    return (len(moments) - 1) * 60 / (moments[-1] - moments[0])


def test_two_a_second_hold_across_all_processes(run: Make, second_group: Callable[[], Group]) -> None:
    one = run(40, start=False)
    Transport.objects.update(per_second=2)
    second_group()
    one.group.start()

    one.wait_for_end()

    moments = arrivals(one.server)
    one.check_accounted()
    assert most_within(moments, 5) <= 2 * (5 + LATE)
    assert 0.95 * 120 <= per_minute(moments) <= 1.01 * 120


def test_six_accounts_each_keep_their_own_rate(run: Make, second_group: Callable[[], Group]) -> None:
    rates = {1: "per_second", 2: "per_second", 4: "per_second", 8: "per_second", 30: "per_minute", 90: "per_minute"}
    one = run(1, start=False)
    first = one.campaign
    servers: dict[int, FaultServer] = {}
    try:
        for limit, unit in rates.items():
            servers[limit] = FaultServer(keep_data=False).start()
            made = Transport.objects.create(
                workspace=first.workspace, name=f"{limit}", kind="smtp", host="127.0.0.1", tls="none",
                port=servers[limit].port, **{unit: limit},
            )  # fmt: skip
            _campaign(first, made, letters=limit * (66 if unit == "per_second" else 1) + 4)
        Transport.objects.filter(pk=first.transport_id).update(is_active=False)
        second_group()
        one.group.start()

        moments = {}
        for limit, unit in rates.items():
            wanted = limit * (60 if unit == "per_second" else 1)
            wait_for(servers[limit], wanted + 1)
            moments[limit] = arrivals(servers[limit])[: wanted + 1]
    finally:
        for server in servers.values():
            server.stop()

    measured = {limit: per_minute(found) for limit, found in moments.items()}
    print({limit: round(found, 1) for limit, found in measured.items()})
    for limit, unit in rates.items():
        wanted = limit * (60 if unit == "per_second" else 1)
        assert 0.95 * wanted <= measured[limit] <= 1.05 * wanted, measured
        assert most_within(moments[limit], 10) <= wanted / 6 * (1 + LATE / 10) + 1


def wait_for(server: FaultServer, letters: int) -> None:
    wait_until(lambda: len(server.letters) >= letters, seconds=120, what=f"{letters} letters")


def _campaign(like: Campaign, account: Transport, *, letters: int) -> None:
    """A campaign that is being sent, its letters made as the audience makes them."""
    campaign = Campaign.objects.create(
        workspace=like.workspace, name=account.name, subject=like.subject, html=like.html, from_name=like.from_name,
        from_email=like.from_email, transport=account, content=like.content, message_domain=like.message_domain,
        audience_list_ids=like.audience_list_ids, state="sending", audience_size=letters,
    )  # fmt: skip
    batch = Batch.objects.create(campaign=campaign, number=1, size=letters)
    with connection.cursor() as cursor:
        cursor.execute(
            """INSERT INTO contacts_contact (workspace_id, uuid, email, email_normalised, email_hash, first_name,
                   last_name, attributes, created_at)
               SELECT %(workspace)s, gen_random_uuid(), e, e, sha256(e::bytea), '', '', '{}', now()
               FROM (SELECT format('r%%s-%%s@example.com', %(account)s, n) AS e
                     FROM generate_series(1, %(letters)s) n) x""",
            {"workspace": like.workspace_id, "account": account.pk, "letters": letters},
        )
        cursor.execute(
            """INSERT INTO campaigns_delivery (workspace_id, kind, campaign_id, contact_id, batch_id, content_id,
                   transport_id, uuid, message_id, email, email_hash, mx_group, priority, policy, state, reason, token,
                   owner, expires_at, attempts, ambiguous_count, crash_count, last_stage, last_enhanced, last_text,
                   failure)
               SELECT %(workspace)s, 'campaign', %(campaign)s, c.id, %(batch)s, %(content)s, %(account)s,
                      gen_random_uuid(), format('<%%s@northlight.example>', c.id), c.email, c.email_hash, '', 5, 'hold',
                      'queued', '', 0, '', now() + interval '1 day', 0, 0, 0, '', '', '', ''
               FROM contacts_contact c WHERE c.email LIKE format('r%%s-%%%%', %(account)s)""",
            {
                "workspace": like.workspace_id, "campaign": campaign.pk, "batch": batch.pk,
                "content": like.content_id, "account": account.pk,
            },
        )  # fmt: skip
    assert Delivery.objects.filter(campaign=campaign).count() == letters
