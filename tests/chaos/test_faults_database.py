"""The database may refuse any statement at any moment, or be restarted: no letter is lost, doubled or guessed about."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator

import psycopg
import pytest
from django.db import connection

from apps.campaigns.models import Delivery
from tests.chaos.conftest import MANY, Run
from tests.chaos.drilling import drilled
from tests.workers import database_url

pytestmark = [pytest.mark.serial, pytest.mark.django_db(transaction=True), pytest.mark.timeout(900)]
Make = Callable[..., Run]

# Serialization failure, deadlock, statement timeout: each ends one statement and leaves the connection alone.
_STRIKE = """
CREATE FUNCTION strike() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF random() < 0.04 THEN
    RAISE EXCEPTION 'struck by the test'
      USING ERRCODE = (ARRAY['40001', '40P01', '57014'])[1 + floor(random() * 3)::int];
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER strike BEFORE UPDATE ON campaigns_delivery FOR EACH STATEMENT EXECUTE FUNCTION strike();
"""


@pytest.fixture
def struck_statements(transactional_db: None) -> Iterator[None]:
    with connection.cursor() as cursor:
        cursor.execute(_STRIKE)
    yield
    with connection.cursor() as cursor:
        cursor.execute("DROP TRIGGER strike ON campaigns_delivery; DROP FUNCTION strike()")


def test_deadlocks_timeouts_and_serialization_failures_are_tried_again(run: Make, struck_statements: None) -> None:
    one = run(300)

    one.wait_for_end(seconds=120)

    one.check_accounted()
    assert one.states() == {"sent": 300}
    assert one.group.log().count("struck by the test") > 0


def test_cut_connections_and_cancelled_statements_are_survived(run: Make) -> None:
    one = run(400)
    one.wait_for_settled(20)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        (spared,) = cursor.fetchone()
    over = threading.Event()
    struck: list[str] = []
    rival = threading.Thread(target=harass, args=(database_url(), spared, over, struck))
    rival.start()

    try:
        one.wait_for_settled(300)
    finally:
        over.set()
        rival.join(10)

    one.wait_for_end()
    one.check_accounted()
    assert {"pg_cancel_backend", "pg_terminate_backend"} == set(struck)
    assert one.states() == {"sent": 400}
    assert Delivery.objects.filter(reason="crashed").count() == 0


def harass(url: str, spared: int, over: threading.Event, struck: list[str]) -> None:
    """Cancel what one backend of the workers is doing, or cut its connection, a few times a second."""
    dice = random.Random(1)
    with psycopg.connect(url, autocommit=True) as rival:
        while not over.wait(0.2):
            how = dice.choice(["pg_cancel_backend", "pg_terminate_backend"])
            hit = rival.execute(
                f"""SELECT {how}(pid) FROM pg_stat_activity WHERE datname = current_database()
                    AND application_name = 'vashsender' AND pid <> %s ORDER BY random() LIMIT 1""",
                [spared],
            )
            struck += [how] * hit.rowcount


def test_a_restarted_database_leaves_nothing_unconfirmed_while_the_processes_live() -> None:
    told = drilled(f"--letters={MANY}", "--kills=0", "--restart-database=4", "--seed=11")

    assert told["states"] == {"sent": MANY}
    assert (told["lost"], told["doubled"], told["unconfirmed"], told["stuck"]) == (0, 0, 0, 0)
    assert told["accounted"] is True
