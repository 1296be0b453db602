"""Invariants that belong to no single module."""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection

from apps.campaigns import tasks
from apps.campaigns.models import Campaign, Delivery
from apps.campaigns.services import dispatch
from apps.smtp.models import Transport
from core.celery import app
from tests.campaigns.conftest import letters
from tests.fault_server import FaultServer

Sending = Callable[..., Campaign]


@pytest.mark.django_db(transaction=True)
def test_no_transaction_is_open_while_a_letter_travels(sending: Sending, monkeypatch: pytest.MonkeyPatch) -> None:
    campaign = sending(1)
    seen: list[bool] = []
    carry = dispatch.post_office.carry

    def watched(*args: Any, **named: Any) -> Any:
        seen.append(connection.in_atomic_block)
        return carry(*args, **named)

    monkeypatch.setattr(dispatch.post_office, "carry", watched)
    with FaultServer() as server:
        transport = Transport.objects.create(
            workspace=campaign.workspace, name="Relay", kind="smtp", host="127.0.0.1", port=server.port, tls="none"
        )
        Delivery.objects.update(transport=transport)

        dispatch.send_single(letters(campaign)[0].pk, started=time.monotonic())

        assert seen == [False]
        assert server.recipients() == ["reader0@example.com"]
    assert [letter.state for letter in letters(campaign)] == ["sent"]


def test_tasks_take_ids_only() -> None:
    app.loader.import_default_modules()
    ours = {name: task for name, task in app.tasks.items() if name.startswith(("apps.", "core."))}
    assert len(ours) >= 6

    for name, task in ours.items():
        for parameter in inspect.signature(task.run).parameters.values():
            assert parameter.name.endswith("_id") or parameter.name == "queue", (name, parameter.name)


def test_no_task_waits_in_the_broker() -> None:
    source = inspect.getsource(tasks) + inspect.getsource(dispatch)

    assert "countdown" not in source
    assert "eta=" not in source
