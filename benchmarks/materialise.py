"""How long making the letters of a large campaign takes, and what the hot statements cost once they are there.

python -m benchmarks.materialise --letters 1000000
"""

from __future__ import annotations

import argparse
import datetime as dt
import os
import random
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks import gauge, place

TENTHS = 10
DOMAIN = place.DOMAIN
PEOPLE = f"""
INSERT INTO contacts_contact (
  workspace_id, uuid, email, email_normalised, email_hash, first_name, last_name, attributes, created_at, updated_at)
SELECT %(workspace)s, gen_random_uuid(), e.email, e.email, sha256(e.email::bytea), 'Ada', 'Reader ' || n,
       '{{"city": "Leith"}}', now(), now()
FROM generate_series(%(first)s, %(last)s) n CROSS JOIN LATERAL (SELECT 'reader' || n || '@{DOMAIN}' AS email) e
"""
SUBSCRIPTIONS = """
INSERT INTO contacts_subscription (contact_id, contact_list_id, state, source, created_at, changed_at)
SELECT c.id, %(list)s, 'confirmed', '', now(), now() FROM contacts_contact c WHERE c.workspace_id = %(workspace)s
"""


def make_people(letters: int, workspace: Any, contact_list: Any) -> None:
    """Fill the workspace without going through a person's browser, a hundred thousand at a time."""
    from django.db import connection

    values = {"workspace": workspace.pk, "list": contact_list.pk}
    with connection.cursor() as cursor:
        for first in range(1, letters + 1, 100_000):
            cursor.execute(PEOPLE, {**values, "first": first, "last": min(letters, first + 99_999)})
        cursor.execute(SUBSCRIPTIONS, values)
        cursor.execute("VACUUM ANALYZE")


def materialise(campaign: Any, letters: int) -> None:
    """Cut the audience slice by slice as the worker does, and print each tenth's cost and this process's memory."""
    from apps.campaigns.services import audience, lifecycle

    if not lifecycle.begin_preparing(campaign.pk):
        raise SystemExit("The campaign cannot be prepared.")
    print("| letters | seconds | µs per letter in this tenth | memory, MiB |\n|---|---|---|---|")
    begun = before = time.monotonic()
    made, told, is_last = 0, 0, False
    while not is_last:
        piece = audience.make_slice(campaign.pk)
        assert piece is not None
        is_last = piece.is_last
        made = min(letters, made + _slice_size()) if piece.batch_id else made
        if made - told >= letters / TENTHS or is_last:
            now = time.monotonic()
            if made > told:
                each = (now - before) / (made - told) * 1e6
                print(
                    f"| {made} | {now - begun:.1f} | {each:.0f} | {gauge.resident_mib(os.getpid()):.1f} |", flush=True
                )
            before, told = now, made
    seconds = time.monotonic() - begun
    print(f"\n{made} letters in {seconds:.1f} s ({made / seconds:.0f}/s)\n", flush=True)
    lifecycle.begin_sending(campaign.pk)


def _slice_size() -> int:
    from django.conf import settings

    return int(settings.LIMITS.slice_size)


def _timed(name: str, calls: int, act: Callable[[int], object]) -> None:
    took = []
    for number in range(calls):
        begun = time.perf_counter()
        act(number)
        took.append((time.perf_counter() - begun) * 1000)
    p95 = statistics.quantiles(took, n=20)[-1] if len(took) > 1 else took[0]
    print(f"| {name} | {calls} | {statistics.median(took):.2f} | {p95:.2f} | {max(took):.2f} |", flush=True)


def hot_statements(campaign: Any, samples: int) -> None:
    """Time what every letter and every round asks of the database."""
    from apps.campaigns.models import Batch, Delivery
    from apps.campaigns.services import batching, claims, outcomes, sweeps
    from apps.smtp.outcome import Accepted, Reply

    ids = list(Delivery.objects.filter(campaign=campaign).values_list("pk", flat=True)[: 10 * samples])
    chosen = random.Random(5).sample(ids, min(samples, len(ids)))
    last = Delivery.objects.filter(campaign=campaign).order_by("-pk").values_list("pk", flat=True)[: samples // 2]
    chosen = [*chosen[: samples // 2], *last]
    batches = list(Batch.objects.filter(campaign=campaign).order_by("number").values_list("pk", flat=True))
    held: list[Any] = []

    def begin(number: int) -> None:
        claimed = claims.begin(chosen[number], owner="benchmark")
        assert claimed is not None
        held.append(claimed)

    def record(number: int) -> None:
        outcome = Accepted(Reply(250, "2.0.0", "Taken"))
        assert outcomes.write(outcomes.interpret(held[number], outcome, was_marked=True))

    print("| statement | calls | median, ms | p95, ms | most, ms |\n|---|---|---|---|---|")
    _timed("claim (`claims.begin`)", len(chosen), begin)
    _timed("marker (`claims.mark`)", len(chosen), lambda number: claims.mark(held[number]))
    _timed("result (`outcomes.write`)", len(chosen), record)
    _timed("admit a batch", min(20, len(batches)), lambda number: batching.admit(batches[number]))
    _timed("next batches", 20, lambda _number: batching.next_batches(campaign.pk))
    _timed("a whole sweep", 5, lambda _number: sweeps.sweep())


def table_report() -> None:
    """Print how large the table and its indexes are, and which share of updates stayed within their page."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_force_next_flush()")
        cursor.execute(
            """SELECT pg_size_pretty(pg_relation_size(relid)), pg_size_pretty(pg_indexes_size(relid)), n_live_tup,
                      n_dead_tup, n_tup_upd, n_tup_hot_upd
               FROM pg_stat_user_tables WHERE relname = 'campaigns_delivery'"""
        )
        heap, indexes, live, dead, updated, hot = cursor.fetchone()
        print(
            f"\nTable {heap}, indexes {indexes}, {live} rows and {dead} dead ones; {updated} updates, "
            f"{hot / updated if updated else 0:.0%} within their page."
        )
        cursor.execute(
            """SELECT indexrelname, pg_size_pretty(pg_relation_size(indexrelid)), idx_scan FROM pg_stat_user_indexes
               WHERE relname = 'campaigns_delivery' ORDER BY pg_relation_size(indexrelid) DESC"""
        )
        print("\n| index | size | scans |\n|---|---|---|")
        for name, size, scans in cursor.fetchall():
            print(f"| `{name}` | {size} | {scans} |")


@contextmanager
def _stage(options: argparse.Namespace) -> Iterator[Any]:
    host, port = options.smtp or ("127.0.0.1", 25)
    with place.made(smtp_host=host, scratch=options.scratch):
        from benchmarks import letters

        world = letters.make_world(0, host=host, port=port)
        begun = time.monotonic()
        make_people(options.letters, world.workspace, world.everybody)
        print(f"{options.letters} people made in {time.monotonic() - begun:.1f} s\n", flush=True)
        campaign = letters.make_campaign(world, "large", to=world.everybody)
        from apps.campaigns.services import lifecycle

        lifecycle.schedule(campaign, by=world.owner)
        yield campaign


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Return the options."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.materialise", description=__doc__)
    parser.add_argument("--letters", type=int, default=200_000)
    parser.add_argument("--samples", type=int, default=2_000, help="claims that are timed")
    parser.add_argument(
        "--smtp", type=place.address, metavar="HOST:PORT", help="the account's server (nothing is sent)"
    )
    parser.add_argument("--scratch", type=Path, help="a folder on the disk to measure on")
    return parser.parse_args(arguments)


def main() -> None:
    """Measure and print."""
    options = parse()
    print(f"{dt.date.today()} · {gauge.commit()} · {gauge.model()}\n")
    with _stage(options) as campaign:
        materialise(campaign, options.letters)
        hot_statements(campaign, options.samples)
        table_report()


if __name__ == "__main__":
    main()
