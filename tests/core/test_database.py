"""A worker keeps its database connection from task to task, and notices when it is no good any more."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection, transaction
from django.db.utils import OperationalError, ProgrammingError

from core import database
from core.celery import app


def _backend() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return int(cursor.fetchone()[0])


def _end_backend(pid: int) -> None:
    other = connection.copy()
    try:
        with other.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])
    finally:
        other.close()


@pytest.fixture
def kept(transactional_db: None) -> Iterator[None]:
    """A connection that lives for ten minutes, as a worker's does."""
    connection.close()
    before = connection.settings_dict["CONN_MAX_AGE"]
    connection.settings_dict["CONN_MAX_AGE"] = 600
    connection.ensure_connection()
    yield
    connection.settings_dict["CONN_MAX_AGE"] = before
    connection.close()


def test_a_sound_connection_is_kept(kept: None) -> None:
    before = _backend()

    database.replace_unfit()

    assert _backend() == before


def test_a_connection_whose_server_hung_up_is_replaced_before_it_is_used(kept: None) -> None:
    before = _backend()
    _end_backend(before)

    database.replace_unfit()

    assert _backend() != before


def test_a_connection_of_age_is_replaced(kept: None) -> None:
    before = _backend()
    connection.close_at = 0

    database.replace_unfit()

    assert _backend() != before


def test_a_connection_that_met_a_mere_mistake_is_kept(kept: None) -> None:
    before = _backend()
    with pytest.raises(ProgrammingError), connection.cursor() as cursor:
        cursor.execute("SELECT no_such_column")

    database.replace_unfit()

    assert _backend() == before


def test_a_transaction_that_an_interrupted_task_left_open_is_abandoned(kept: None) -> None:
    transaction.atomic().__enter__()
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE never_committed ()")

    database.replace_unfit()

    assert connection.get_autocommit()
    assert "never_committed" not in connection.introspection.table_names()


def _prepared() -> set[str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT statement FROM pg_prepared_statements")
        return {row[0] for row in cursor.fetchall()}


def test_a_hot_statement_says_what_it_did_and_is_planned_once(kept: None) -> None:
    done = [database.execute("SELECT %(n)s::int + 1", {"n": number}) for number in (1, 2)]

    assert done == [database.Executed(1, (2,)), database.Executed(1, (3,))]
    assert _prepared() == {"SELECT $1::int + 1"}


def test_a_hot_statement_joins_the_open_transaction(kept: None) -> None:
    with transaction.atomic():
        database.execute("CREATE TABLE never_committed ()", ())
        transaction.set_rollback(True)

    assert "never_committed" not in connection.introspection.table_names()


def test_a_hot_statement_raises_what_other_cursors_raise(kept: None) -> None:
    with pytest.raises(ProgrammingError):
        database.execute("SELECT no_such_column", ())
    _end_backend(_backend())
    with pytest.raises(OperationalError):
        database.execute("SELECT 1", ())


def test_celery_leaves_the_connection_to_us() -> None:
    from celery.fixups.django import DjangoWorkerFixup

    assert DjangoWorkerFixup(app).db_reuse_max > 10**9


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", {"connect_timeout": 5, "tcp_user_timeout": 10_000, "keepalives": 1}),
        ("?sslmode=require", {"sslmode": "require", "tcp_user_timeout": 10_000}),
        ("?connect_timeout=2&tcp_user_timeout=4000", {"connect_timeout": 2, "tcp_user_timeout": 4000}),
    ],
)
def test_a_silent_server_is_noticed_and_what_the_url_says_goes_first(query: str, expected: dict[str, Any]) -> None:
    asked = "import json\nfrom settings import base\nprint(json.dumps(base.DATABASES['default']['OPTIONS']))"
    environment = {**os.environ, "DATABASE_URL": f"postgresql://v@db.example.com/v{query}"}
    made = subprocess.run([sys.executable, "-c", asked], env=environment, capture_output=True, text=True, check=True)

    options = json.loads(made.stdout)

    assert {name: options[name] for name in expected} == expected
