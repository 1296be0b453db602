"""A worker keeps its database connection from task to task, and notices when it is no good any more."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.db import connection, transaction
from django.db.utils import ProgrammingError

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


def test_celery_leaves_the_connection_to_us() -> None:
    from celery.fixups.django import DjangoWorkerFixup

    assert DjangoWorkerFixup(app).db_reuse_max > 10**9
