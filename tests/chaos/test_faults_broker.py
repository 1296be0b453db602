"""The broker carries hints only: away, full, flooded or fed with nonsense, it delays and changes nothing."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.conf import settings
from django.test import Client
from redis import Redis

from apps.campaigns.models import Delivery
from apps.campaigns.services import batching
from apps.contacts.models import Subscription
from core import jobs, tokens
from core.celery import app
from settings.limits import SHORT
from tests.chaos.conftest import MANY, Run
from tests.chaos.servers import OwnBroker, own_broker
from tests.workers import wait_until

pytestmark = [pytest.mark.serial, pytest.mark.django_db(transaction=True), pytest.mark.timeout(900)]
Make = Callable[..., Run]


@pytest.fixture
def broker(prefix: str, tmp_path: Path) -> Iterator[OwnBroker]:
    with own_broker(tmp_path / "broker") as server:
        yield server


def test_a_broker_away_for_three_lease_times_costs_nothing(run: Make, broker: OwnBroker) -> None:
    one = run(MANY, REDIS_URL=broker.url)
    one.wait_for_settled(300)

    broker.kill()
    gone = time.monotonic() + 3 * SHORT.lease
    leaving = list(Delivery.objects.filter(state="queued").order_by("-pk")[:20])
    statuses = [unsubscribe(letter) for letter in leaving]
    while time.monotonic() < gone:
        one.group.revive()
        time.sleep(0.2)
    broker.start()

    wait_for_end(one)
    one.check_accounted(explained={"skipped"})
    assert statuses == [200] * 20
    assert one.states() == {"sent": MANY - 20, "skipped": 20}
    assert not {letter.message_id for letter in leaving} & one.accepted().keys()
    assert Subscription.objects.filter(state="unsubscribed").count() == 20


def unsubscribe(letter: Delivery) -> int:
    """The one-click POST of a mail program."""
    token = tokens.seal("unsubscribe", letter.pk)
    return Client().post(f"/u/{token}", {"List-Unsubscribe": "One-Click"}).status_code


def wait_for_end(one: Run) -> None:
    """Wait while a supervisor starts again what a broken broker has ended."""

    def ended() -> bool:
        one.group.revive()
        one.campaign.refresh_from_db()
        return one.campaign.finished_at is not None

    wait_until(ended, seconds=120, what=f"the campaign's end; {one.states()}")


def test_a_full_broker_costs_nothing_and_no_ring_is_an_error(run: Make, broker: OwnBroker) -> None:
    one = run(MANY, REDIS_URL=broker.url)
    one.wait_for_settled(300)
    client = broker.client()
    client.config_set("maxmemory", "1")

    rung = jobs.ring_now(batching.SINGLE, [(1,), (2,)])
    had = one.settled()
    full_until = time.monotonic() + SHORT.lease
    while time.monotonic() < full_until:
        one.group.revive()
        time.sleep(0.2)
    client.config_set("maxmemory", "0")
    client.close()

    assert rung == 0
    assert had < MANY
    wait_for_end(one)
    one.check_accounted()
    assert one.states() == {"sent": MANY}


def test_a_thousand_hints_for_one_letter_send_it_once(run: Make) -> None:
    one = run(40, start=False)
    one.group.start()
    one.wait_for_settled(1)
    letter = Delivery.objects.order_by("-pk").first()
    assert letter

    rung = jobs.ring_now(batching.SINGLE, [(letter.pk,)] * 1000)

    assert rung == 1000
    one.wait_for_end()
    queue = f"{one.prefix}email"
    client = Redis.from_url(settings.REDIS_URL.replace("redis+socket://", "unix://"))
    wait_until(lambda: client.llen(queue) == 0, seconds=120, what="all hints to be looked at")
    client.close()
    one.check_accounted()
    assert one.states() == {"sent": 40}


def test_hints_for_what_does_not_exist_are_ignored(run: Make) -> None:
    one = run(200, concurrency=2)
    one.wait_for_settled(20)
    single = "apps.campaigns.tasks.send_single_email"
    main = one.group.pid("mail")

    with app.producer_or_acquire() as producer:
        for task, args in (
            (single, [999_999_999]),
            (single, ["nonsense"]),
            (single, []),
            (single, [1, 2, 3]),
            ("apps.campaigns.tasks.send_email_batch", [999_999_999]),
            ("apps.campaigns.tasks.send_campaign", [999_999_999]),
            ("apps.campaigns.tasks.no_such_task", [1]),
        ):
            app.send_task(task, args=args, queue="email", producer=producer)

    one.wait_for_end()
    one.check_accounted()
    assert one.states() == {"sent": 200}
    assert one.group.pid("mail") == main and one.group.processes["mail"].poll() is None


def test_garbage_in_the_queue_does_not_stop_the_letters(run: Make) -> None:
    one = run(200, concurrency=2)
    one.wait_for_settled(20)

    client = Redis.from_url(settings.REDIS_URL.replace("redis+socket://", "unix://"))
    for garbage in (b"\xff\xfe not json", b"{}", b"[1, 2]", b'{"body": 1}'):
        client.lpush(f"{one.prefix}email", garbage)
    client.close()

    wait_for_end(one)
    one.check_accounted(ambiguous_at_most=2)
