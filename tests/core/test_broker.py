"""A channel whose connection was let go says that the connection is lost, in words that Celery survives."""

from __future__ import annotations

import pytest
from kombu import Connection

from core import broker
from core.celery import app


def test_a_message_cannot_be_given_back_over_a_closed_line_and_the_worker_is_told_so() -> None:
    broker.outlive()
    with Connection("redis://127.0.0.1:1/0") as connection:
        transport = connection.transport
        errors = transport.connection_errors
        channel = transport.Channel.__new__(transport.Channel)
        channel.__dict__.update(connection=transport, closed=True, _pool=None, _async_pool=None)
        transport.client = None

        with pytest.raises(errors, match="is closed"):
            _ = channel.pool


def test_an_open_line_is_as_it_was() -> None:
    with app.connection_for_write() as connection:
        channel = connection.default_channel

        assert channel.client.ping()
