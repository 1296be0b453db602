"""A request waits for PostgreSQL as long as it may and no longer, and dead connections are dropped."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from django.db import OperationalError, connection, transaction
from django.test import RequestFactory

from core import patience, wsgi


@pytest.fixture
def kept(transactional_db: None) -> Iterator[None]:
    """A connection that lives for ten minutes, as the web server's does."""
    connection.close()
    before = connection.settings_dict["CONN_MAX_AGE"]
    connection.settings_dict["CONN_MAX_AGE"] = 600
    connection.ensure_connection()
    yield
    connection.settings_dict["CONN_MAX_AGE"] = before
    connection.close()


def ask(statement: str) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchone()[0]


def end_backend(pid: int) -> None:
    other = connection.copy()
    try:
        with other.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])
    finally:
        other.close()


def get(path: str) -> int:
    """Ask the web server's own entry point; return the status."""
    said: list[str] = []
    environ = RequestFactory().get(path).environ
    answer: Iterable[bytes] = wsgi.application(environ, lambda status, *_: said.append(status))
    answer.close()  # type: ignore[attr-defined]
    return int(said[0][:3])


def test_a_statement_that_gets_no_answer_ends(kept: None) -> None:
    with pytest.raises(OperationalError), patience.at_most(0.2):
        ask("SELECT pg_sleep(600)")

    assert ask("SELECT 1") == 1


def test_also_on_a_connection_that_is_opened_within(kept: None) -> None:
    connection.close()

    with pytest.raises(OperationalError), patience.at_most(0.2):
        ask("SELECT pg_sleep(600)")


def test_also_within_a_transaction_which_is_abandoned(kept: None) -> None:
    with pytest.raises(OperationalError), patience.at_most(0.3), transaction.atomic():
        ask("CREATE TABLE never_committed (); SELECT pg_sleep(600)")

    assert connection.get_autocommit()
    assert "never_committed" not in connection.introspection.table_names()


def test_the_earlier_end_counts(kept: None) -> None:
    with pytest.raises(OperationalError), patience.at_most(0.2), patience.at_most(600):
        ask("SELECT pg_sleep(600)")


def test_outside_everything_may_take_its_time(kept: None) -> None:
    with patience.at_most(0.2):
        before = ask("SELECT pg_backend_pid()")

    assert ask("SELECT pg_backend_pid() FROM pg_sleep(0.4)") == before


def test_a_database_that_was_restarted_costs_no_page(kept: None) -> None:
    assert get("/readyz") == 200
    before = ask("SELECT pg_backend_pid()")
    end_backend(before)

    assert get("/readyz") == 200
    assert ask("SELECT pg_backend_pid()") != before


def test_a_sound_connection_is_kept_from_request_to_request(kept: None) -> None:
    before = ask("SELECT pg_backend_pid()")

    assert get("/readyz") == 200
    assert ask("SELECT pg_backend_pid()") == before
