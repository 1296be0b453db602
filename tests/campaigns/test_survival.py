"""A bug costs a round or a line, never the thread, the lines behind it, or a server's yes."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from django.db import IntegrityError, OperationalError, ProgrammingError

from apps.campaigns import housekeeper, pacer
from apps.campaigns.models import Campaign, Delivery
from apps.campaigns.services import claims, outcomes, spool
from apps.smtp.outcome import Accepted, Reply
from core import database
from core.checks import surroundings
from core.health import Context, Status
from tests.campaigns.conftest import letters

Sending = Callable[..., Campaign]


@pytest.fixture(autouse=True)
def folder(settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    settings.SPOOL_DIR = tmp_path / "spool"
    settings.SPOOL_DIR.mkdir()
    monkeypatch.setattr("core.jobs.ring_now", lambda _task, calls: len(calls))
    return tmp_path / "spool"


def rounds(
    thread: housekeeper.Housekeeper | pacer.Pacer, monkeypatch: pytest.MonkeyPatch, failures: list[Exception]
) -> int:
    """Run the thread until it has had so many failures and one good round; return how many rounds it went."""
    gone: list[int] = []

    def round_() -> float:
        gone.append(len(gone))
        if len(gone) <= len(failures):
            raise failures[len(gone) - 1]
        thread.stopping.set()
        return 0.0

    monkeypatch.setattr(thread, "round", round_)
    thread.start()
    thread.join(timeout=30)
    thread.stopping.set()
    return len(gone)


def yes(letter: Delivery) -> outcomes.Result:
    claimed = claims.begin(letter.pk, owner="me")
    assert claimed is not None
    assert claims.mark(claimed)
    return outcomes.interpret(claimed, Accepted(Reply(250, "2.0.0", "queued")), was_marked=True)


def bad_lines(folder: Path) -> list[str]:
    return [line for line in (folder / "results.bad.jsonl").read_text().splitlines() if line]


FAILURES = [ProgrammingError("no such column"), OperationalError("away"), KeyError("surprise")]


def test_the_housekeeper_outlives_what_nobody_foresaw(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    thread = housekeeper.Housekeeper("email")
    wait = thread.stopping.wait
    monkeypatch.setattr(thread.stopping, "wait", lambda _pause: wait(0.01))

    assert rounds(thread, monkeypatch, FAILURES) == 4

    told = [record for record in caplog.records if record.exc_info]
    assert [record.exc_info[0] for record in told if record.exc_info] == [ProgrammingError, KeyError]


def test_the_pacer_outlives_what_nobody_foresaw_and_lets_its_lock_go(monkeypatch: pytest.MonkeyPatch) -> None:
    thread = pacer.Pacer()
    wait = thread.stopping.wait
    released: list[str] = []
    release = thread._release

    def note() -> None:
        released.append("held" if thread._lock else "free")
        release()

    monkeypatch.setattr(thread.stopping, "wait", lambda _pause: wait(0.01))
    monkeypatch.setattr(thread, "_release", note)

    assert rounds(thread, monkeypatch, FAILURES) == 4

    # After each of the two bugs, not while the database is away, and at the end; the next process can have it.
    assert released == ["held", "held", "held"]
    heir = pacer.Pacer()
    assert heir._is_mine()
    heir._release()


def test_a_folder_that_takes_no_lock_does_not_end_the_pacer(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    thread = pacer.Pacer()
    good, waits = settings.SPOOL_DIR, []
    wait = thread.stopping.wait
    settings.SPOOL_DIR = Path("/dev/null/nowhere")

    def second(_pause: float) -> bool:
        waits.append(_pause)
        if len(waits) == 2:
            settings.SPOOL_DIR = good
        return wait(0.01)

    monkeypatch.setattr(thread.stopping, "wait", second)

    assert rounds(thread, monkeypatch, []) == 1


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    "line",
    [
        {"delivery_id": 1, "token": 1, "from_states": [], "state": "sent", "of_a_later_version": 1},
        {"delivery_id": 1},
        {"delivery_id": 1, "token": 1, "from_states": 7, "state": "sent"},
        {"delivery_id": 1, "token": 1, "from_states": ["sending"], "state": "sent", "text": "a\x00b"},
        {"delivery_id": 1, "token": 1, "from_states": ["sending"], "state": "sent", "text": "\ud800"},
        {"delivery_id": 1, "token": 1, "from_states": ["sending"], "state": "sent", "text": {"no": "text"}},
        {"delivery_id": 1, "token": "many", "from_states": ["sending"], "state": "sent"},
        17,
        None,
    ],
)
def test_a_line_that_cannot_be_written_steps_aside(
    sending: Sending, folder: Path, line: Any, caplog: pytest.LogCaptureFixture
) -> None:
    result = yes(letters(sending(1))[0])
    (folder / "results.jsonl").write_text(json.dumps(line) + "\n")
    spool.append(asdict(result))

    assert spool.replay(outcomes.replay) == 1

    assert Delivery.objects.get(pk=result.delivery_id).state == "sent"
    assert not spool.has_lines()
    assert [json.loads(kept) for kept in bad_lines(folder)] == [line]
    assert (folder / "results.bad.jsonl").stat().st_mode & 0o777 == 0o600
    assert [record.levelno for record in caplog.records if "could not be written" in record.message] == [
        logging.CRITICAL
    ]


def test_bytes_that_are_no_text_step_aside(folder: Path) -> None:
    (folder / "results.jsonl").write_bytes(b'{"delivery_id": 1, "\xff\xfe\n\x00\x00\n')
    spool.append({"delivery_id": 2})
    written: list[int] = []

    spool.replay(lambda line: written.append(line["delivery_id"]))

    assert written == [2]
    assert b'{"delivery_id": 1, "\xff\xfe\n' in (folder / "results.bad.jsonl").read_bytes()


def test_while_the_database_is_away_nothing_steps_aside(folder: Path) -> None:
    spool.append({"delivery_id": 1, "suppress_email": "ann@example.com"})
    spool.append({"delivery_id": 2})
    before = (folder / "results.jsonl").read_bytes()

    def write(line: dict[str, Any]) -> None:
        raise IntegrityError("ann@example.com") if line["delivery_id"] == 1 else OperationalError("away")

    for _round in range(3):
        with pytest.raises(database.AWAY):
            spool.replay(write)

    assert (folder / "results.jsonl").read_bytes() == before
    assert not (folder / "results.bad.jsonl").exists()


def test_no_address_of_a_refused_line_is_logged(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    spool.append({"delivery_id": 1, "suppress_email": "ann@example.com"})

    def write(_line: dict[str, Any]) -> None:
        raise IntegrityError("Failing row contains (ann@example.com)")

    assert spool.replay(write) == 0

    assert len(bad_lines(folder)) == 1
    assert "IntegrityError" in caplog.text
    assert "ann@" not in caplog.text


def test_refused_lines_are_a_red_line_of_the_health_check_until_they_are_put_back(folder: Path) -> None:
    assert surroundings.check_spool(Context()).status is Status.OK
    (folder / "results.jsonl").write_text("17\n")
    spool.replay(outcomes.replay)

    found = surroundings.check_spool(Context())

    assert found.status is Status.CRITICAL
    assert str(folder / "results.bad.jsonl") in found.detail
    (folder / "results.bad.jsonl").unlink()
    assert surroundings.check_spool(Context()).status is Status.OK


@pytest.mark.parametrize("error", [ProgrammingError("no such column"), IntegrityError("a constraint")])
def test_a_yes_that_the_database_refuses_is_kept(
    sending: Sending, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    result = yes(letters(sending(1))[0])

    def refuse(_result: outcomes.Result) -> bool:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(outcomes, "write", refuse)
        assert outcomes.record(result, until=time.monotonic() + 60) is True
    assert type(error).__name__ in caplog.text

    spool.replay(outcomes.replay)  # the update is through
    assert Delivery.objects.get(pk=result.delivery_id).state == "sent"


def test_a_yes_that_the_database_itself_refuses_is_kept(sending: Sending, folder: Path) -> None:
    result = outcomes.Result(**{**asdict(yes(letters(sending(1))[0])), "text": "a\x00b"})

    assert outcomes.record(result, until=time.monotonic() + 60) is True

    assert json.loads((folder / "results.jsonl").read_text())["delivery_id"] == result.delivery_id


def test_an_answer_with_nul_in_it_is_written(sending: Sending) -> None:
    (letter,) = letters(sending(1))
    claimed = claims.begin(letter.pk, owner="me")
    assert claimed is not None
    assert claims.mark(claimed)
    answer = Accepted(Reply(200, "2.0\x00.0", "Resend: queued, a\x00b\ud800"))

    outcomes.record(outcomes.interpret(claimed, answer, was_marked=True), until=time.monotonic())

    letter.refresh_from_db()
    assert (letter.state, letter.last_text) == ("sent", "Resend: queued, a b")
    assert not spool.has_lines()


def test_a_child_says_goodbye_to_the_servers_whatever_the_database_says(monkeypatch: pytest.MonkeyPatch) -> None:
    closed: list[bool] = []

    def refuse() -> None:
        raise ProgrammingError

    thread = housekeeper.Housekeeper("email")
    monkeypatch.setattr(thread, "sign_off", refuse)
    monkeypatch.setattr(housekeeper, "_current", thread)
    monkeypatch.setattr(housekeeper.connections, "close_all", lambda: closed.append(True))

    housekeeper.stop()

    assert closed == [True]
