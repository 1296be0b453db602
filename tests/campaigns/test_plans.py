"""What every letter and every round asks of the database finds its rows by an index, however many there are."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.accounts.models import Workspace
from apps.campaigns.models import Batch, Campaign, Delivery
from apps.campaigns.services import (
    audience,
    batching,
    claims,
    dispatch,
    grouped_claims,
    grouped_results,
    outcomes,
    sweeps,
)
from apps.campaigns.services.claims import Claimed
from apps.contacts.models import ContactList
from apps.smtp.outcome import Accepted, Deferred, FailureClass, Reply, Stage
from tests.campaigns.conftest import MakeCampaign

PEOPLE = 20_000
GROWING = (
    "campaigns_delivery",
    "campaigns_deliverytry",
    "campaigns_leftout",
    "contacts_contact",
    "contacts_subscription",
    "contacts_suppression",
)
YES = Accepted(Reply(250, "2.0.0", "Taken"))
NOT_NOW = Deferred(Stage.RCPT, Reply(451, "4.7.1", "Later"), FailureClass.TRANSIENT_DEST, counted=True)

pytestmark = pytest.mark.django_db


@pytest.fixture
def large(make_campaign: MakeCampaign, workspace: Workspace, contact_list: ContactList) -> Campaign:
    """Return a campaign that is being sent to so many people that a scan would show; half of it is done."""
    with connection.cursor() as cursor:
        cursor.execute(
            """INSERT INTO contacts_contact (workspace_id, uuid, email, email_normalised, email_hash, first_name,
                                             last_name, attributes, created_at, updated_at)
               SELECT %s, gen_random_uuid(), e, e, sha256(e::bytea), '', '', '{}', now(), now()
               FROM generate_series(1, %s) n CROSS JOIN LATERAL (SELECT 'reader' || n || '@example.com' AS e) x""",
            [workspace.pk, PEOPLE],
        )
        cursor.execute(
            """INSERT INTO contacts_subscription (contact_id, contact_list_id, state, source, created_at, changed_at)
               SELECT id, %s, 'confirmed', '', now(), now() FROM contacts_contact WHERE workspace_id = %s""",
            [contact_list.pk, workspace.pk],
        )
        cursor.execute(
            """INSERT INTO contacts_suppression (workspace_id, email, email_hash, reason, source, created_at)
               SELECT %s, e, sha256(e::bytea), 'manual', '', now()
               FROM generate_series(1, %s) n CROSS JOIN LATERAL (SELECT 'gone' || n || '@example.com' AS e) x""",
            [workspace.pk, PEOPLE],
        )
        cursor.execute("ANALYZE")
    campaign = make_campaign()
    while (made := audience.make_slice(campaign.pk)) and not made.is_last:
        pass
    Campaign.objects.filter(pk=campaign.pk).update(state="sending")
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE campaigns_delivery")
        cursor.execute(
            """UPDATE campaigns_delivery SET state = 'sent', sent_at = now()
               WHERE id IN (SELECT id FROM campaigns_delivery WHERE campaign_id = %s ORDER BY id LIMIT %s)""",
            [campaign.pk, PEOPLE // 2],
        )
        cursor.execute("ANALYZE campaigns_delivery")
    campaign.refresh_from_db()
    return campaign


def scans() -> dict[str, int]:
    """Return how often this transaction has read each growing table from its beginning to its end."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname, seq_scan FROM pg_stat_xact_user_tables WHERE relname = ANY(%s)", [list(GROWING)]
        )
        return dict(cursor.fetchall())


def scanned(act: Callable[[], object]) -> list[str]:
    """Return the tables that were read as a whole, by the server's own count."""
    before = scans()
    act()
    return [table for table, count in scans().items() if count > before.get(table, 0)]


def test_no_hot_statement_reads_a_table_as_a_whole(large: Campaign, make_campaign: MakeCampaign) -> None:
    second = make_campaign(name="second", content=large.content)
    audience.make_slice(second.pk)  # the first plans for tables that were empty a moment ago
    never = Delivery.objects.filter(last_text="never said")

    assert scanned(never.exists) == ["campaigns_delivery"], "a scan is seen"

    found = {**scans_of_letters(large), **scans_of_groups(large), **scans_of_rounds(large)}
    found["slice"] = scanned(lambda: audience.make_slice(second.pk))
    for of_a_thousand in ("slice", "refuse many"):  # there the planner may prefer to read a short list once
        found[of_a_thousand] = [table for table in found[of_a_thousand] if table != "contacts_suppression"]
    assert {name: tables for name, tables in found.items() if tables} == {}


def scans_of_letters(campaign: Campaign) -> dict[str, list[str]]:
    """Carry letters through every statement of their own, more often than the server plans with the values at hand."""
    waiting = Delivery.objects.filter(campaign=campaign, state="queued").order_by("pk")
    *several, one, another = waiting.values_list("pk", flat=True)[:9]
    found: dict[str, list[str]] = {}
    held: list[Claimed] = []

    def step(name: str, act: Callable[[], Any]) -> None:
        found[name] = [*found.get(name, []), *scanned(act)]

    for pk in several:
        step("begin", partial(begin, pk, held))
        step("mark", partial(claims.mark, held[-1]))
        step("sent", partial(outcomes.write, outcomes.interpret(held[-1], YES, was_marked=True)))
    step("begin", partial(begin, one, held))
    step("deferred", partial(outcomes.write, outcomes.interpret(held[-1], NOT_NOW, was_marked=False)))
    step("refused", partial(claims.settle_refused, another))
    step("given back", partial(claims.give_back, another, owner="somebody"))
    step("unrung", partial(claims.unring, another))
    step("leases", partial(claims.renew_leases, "somebody"))
    return found


def scans_of_groups(campaign: Campaign) -> dict[str, list[str]]:
    """Carry groups of letters as the inline mode does, also more often than that."""
    batch_id, account_id = Batch.objects.filter(campaign=campaign).order_by("number").last().pk, campaign.transport_id
    found: dict[str, list[str]] = {}
    for _round in range(7):
        held: list[Claimed] = []
        steps: dict[str, Callable[[], object]] = {
            "accounts": partial(grouped_claims.accounts, batch_id),
            "begin many": lambda held=held: held.extend(
                grouped_claims.begin(batch_id, account_id, owner="many", count=50)
            ),
            "mark many": lambda held=held: grouped_claims.mark(held),
            "sent many": lambda held=held: grouped_results.write_sent(
                [outcomes.interpret(one, YES, was_marked=True) for one in held]
            ),
            "sent and mark many": partial(sent_and_mark, batch_id, account_id),
            "give back many": partial(grouped_claims.give_back, "many"),
            "refuse many": partial(grouped_claims.settle_refused, batch_id),
        }
        for name, act in steps.items():
            found[name] = [*found.get(name, []), *scanned(act)]
        assert len(held) == 50
    return found


def sent_and_mark(batch_id: int, account_id: int) -> None:
    first, second = (grouped_claims.begin(batch_id, account_id, owner="many", count=20) for _ in range(2))
    grouped_claims.mark(first)
    results = [outcomes.interpret(one, YES, was_marked=True) for one in first]
    late, marked = grouped_results.write_sent_and_mark(results, second)
    assert (late, len(marked)) == ([], 20)
    grouped_results.write_sent([outcomes.interpret(one, YES, was_marked=True) for one in second])


def begin(delivery_id: int, held: list[Claimed]) -> None:
    claimed = claims.begin(delivery_id, owner="somebody")
    assert claimed is not None
    held.append(claimed)


def scans_of_rounds(campaign: Campaign) -> dict[str, list[str]]:
    """Look for work as workers and sweeps do."""
    batches = list(Batch.objects.filter(campaign=campaign).order_by("number").values_list("pk", flat=True))
    return {
        "admit": scanned(lambda: batching.admit(batches[-1])),
        "admit a finished one": scanned(lambda: batching.admit(batches[0])),
        "next batches": scanned(lambda: batching.next_batches(campaign.pk)),
        "ring batches": scanned(lambda: dispatch.ring_batches(campaign.pk)),
        "sweep": scanned(sweeps.sweep),
    }


def test_the_planner_hears_of_a_large_campaign_at_once(make_campaign: MakeCampaign) -> None:
    large, small = (make_campaign(audience_size=size, content=None) for size in (audience.LARGE, audience.LARGE - 1))
    with CaptureQueriesContext(connection) as asked:
        audience.tell_planner(small.pk)
        audience.tell_planner(large.pk)

    assert [query["sql"] for query in asked if "ANALYZE" in query["sql"]] == ["ANALYZE campaigns_delivery"]
