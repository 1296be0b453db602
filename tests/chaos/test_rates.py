"""Limits hold across real worker processes, measured by the server that receives."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.db import connection

from apps.campaigns.models import Batch, Campaign, Delivery
from apps.smtp.models import Transport
from apps.smtp.providers import catalogue
from apps.smtp.services import accounts
from apps.smtp.services.accounts import ProviderAccount
from tests.chaos.conftest import Run
from tests.fault_server import FaultServer
from tests.provider_server import Answer, ProviderServer
from tests.workers import Group, wait_until

pytestmark = [pytest.mark.serial, pytest.mark.alone, pytest.mark.django_db(transaction=True)]
Make = Callable[..., Run]

# A letter may be late on its way from its turn to the server's clock, and the next one in time: so many seconds.
LATE = 1.0
# The test of six accounts ends after so many seconds of sending, whatever it measured.
LONGEST = 75


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
    one = run(24, start=False)
    Transport.objects.update(per_second=2)
    second_group()
    one.group.start()

    one.wait_for_end()

    moments = arrivals(one.server)
    one.check_accounted()
    assert most_within(moments, 5) <= 2 * (5 + LATE)
    # What is lost while the machine stands still is the next test's matter, which looks at more than a few seconds.
    assert len(moments) - 1 <= 2 * (moments[-1] - moments[0] + LATE)
    assert per_minute(moments) >= 0.8 * 120


def test_resends_two_requests_a_second_hold_across_all_processes(
    run: Make, second_group: Callable[[], Group], monkeypatch: pytest.MonkeyPatch
) -> None:
    with ProviderServer(usual=lambda request: Answer(200, {"id": "id"})) as resend:
        monkeypatch.setenv("VASHSENDER_TEST_PROVIDER_URLS", f"resend={resend.url}")
        one = run(30, start=False)
        account = accounts.add_provider(
            one.campaign.workspace, name="Resend", account=ProviderAccount("resend", {"api_key": "re_x"}),
            limits=catalogue.PROVIDERS["resend"].limits,
        )  # fmt: skip
        Campaign.objects.filter(pk=one.campaign.pk).update(transport=account)
        one.group.environment["VASHSENDER_TEST_PROVIDER_URLS"] = f"resend={resend.url}"
        second_group()
        one.group.start()

        one.wait_for_end()

        moments = [request.at for request in resend.requests]
        people = {request.json["to"][0] for request in resend.requests}
    assert one.states() == {"sent": 30}
    assert (len(people), len(moments)) == (30, 30)
    assert most_within(moments, 5) <= 2 * (5 + LATE)
    assert len(moments) - 1 <= 2 * (moments[-1] - moments[0] + LATE)


def test_six_accounts_each_keep_their_own_rate(run: Make, second_group: Callable[[], Group]) -> None:
    per_second, per_minute = (1, 2, 4, 8), (30, 90)
    one = run(1, start=False)
    first = one.campaign
    accounts: dict[int, FaultServer] = {}
    try:
        for limit in (*per_second, *per_minute):
            unit, a_minute = ("per_second", limit * 60) if limit in per_second else ("per_minute", limit)
            accounts[a_minute] = FaultServer(keep_data=False).start()
            made = Transport.objects.create(
                workspace=first.workspace, name=f"{limit}", kind="smtp", host="127.0.0.1", tls="none",
                port=accounts[a_minute].port, **{unit: limit},
            )  # fmt: skip
            _campaign(first, made, letters=a_minute * LONGEST // 60 + 4)
        Transport.objects.filter(campaigns=first).update(is_active=False)
        second_group()
        one.group.start()
        wait_until(lambda: all(map(arrivals, accounts.values())), what="the first letters")
        begun = time.monotonic()
        # A minute is measured, and a second one begins meanwhile: when the machine stood still, the test looks on.
        wait_until(lambda: _is_enough(accounts, time.monotonic() - begun), seconds=LONGEST + 30, what="a minute")
    finally:
        for server in accounts.values():
            server.stop()

    found = {a_minute: minutes(arrivals(server), a_minute) for a_minute, server in accounts.items()}
    print({a_minute: [round(rate, 1) for rate in (min(rates), max(rates))] for a_minute, rates in found.items()})
    for a_minute, server in accounts.items():
        assert 0.95 * a_minute <= max(found[a_minute]) <= 1.05 * a_minute, found
        assert most_within(arrivals(server), 10) <= a_minute / 6 * (1 + LATE / 10) + 1


def _is_enough(accounts: dict[int, FaultServer], seconds: float) -> bool:
    measured = {a_minute: minutes(arrivals(server), a_minute) for a_minute, server in accounts.items()}
    is_measured = all(rates and max(rates) >= 0.95 * a_minute for a_minute, rates in measured.items())
    return is_measured or seconds >= LONGEST


def minutes(moments: list[float], letters: int) -> list[float]:
    """Return the rate, per minute, of every run of as many letters as a minute allows."""
    return [letters * 60 / (later - earlier) for earlier, later in zip(moments, moments[letters:], strict=False)]


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
