"""Freezing happens once, elsewhere, and gives the same version wherever it is done."""

from __future__ import annotations

import multiprocessing
from collections.abc import Mapping
from typing import Any

import pytest

from apps.campaigns.rendering import (
    ContentError,
    Frozen,
    Source,
    compose,
    findings,
    freeze,
    freezing,
    preview,
    sample_source,
    sandbox,
)
from tests.campaigns.rendering.conftest import BODY, body, make_letter, make_source, parse


def test_the_child_makes_what_this_process_would_make() -> None:
    source = sample_source()

    assert freeze(source) == freezing.build(source, ()).frozen


def test_a_version_comes_back_from_json() -> None:
    frozen = freeze(sample_source())

    assert Frozen.from_json(frozen.to_json()) == frozen


def test_every_change_is_another_version() -> None:
    changes: list[Mapping[str, Any]] = [
        {}, {"subject": "B"}, {"preheader": "B"}, {"html": BODY % "B"}, {"text": "B"}, {"from_name": "B"},
        {"from_email": "b@example.com"}, {"reply_to": "b@example.com"}, {"track_opens": False},
    ]  # fmt: skip

    hashes = [freezing.build(make_source(**change), ()).frozen.content_hash for change in changes]

    assert len(set(hashes)) == len(changes)
    assert freezing.build(make_source(), ()).frozen.content_hash == hashes[0]


def test_samples_are_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    source = make_source(subject="{{ 10 // ((visits or 1) - 3) }}")

    freeze(source, samples=[{"visits": 4}])
    with pytest.raises(ContentError) as refused:
        freeze(source, samples=[{"visits": 4}, {"visits": 3}])

    assert refused.value.code == "sample_failed"
    assert "division" in refused.value.message


def test_a_sample_that_is_not_plain_is_refused() -> None:
    with pytest.raises(ContentError) as refused:
        freeze(make_source(), samples=[{"contact": object()}])

    assert refused.value.code == "field_type"


def test_controls_in_the_content_are_gone() -> None:
    frozen = freezing.build(
        make_source(
            subject="A\x0bB\r\nC",
            from_name="N\x00\u2028ame",
            html=BODY % "x\x0b\x00y\r\nz",
            text="a\x0c\rb {{ unsubscribe_url }}",
        ),
        (),
    ).frozen

    assert frozen.subject == "AB C"
    assert frozen.from_name == "Name"
    assert "xy\nz" in frozen.html
    assert frozen.text == "a\nb {{ unsubscribe_url }}"


def _freeze_in_a_daemon(source: Source, answer: Any) -> None:
    answer.put(freeze(source).content_hash)


def test_a_daemonic_process_may_freeze() -> None:
    """Celery's children are daemonic and may not start children of multiprocessing's kind."""
    context = multiprocessing.get_context("fork")
    answer: Any = context.Queue()
    source = make_source(subject="From a daemon")
    worker = context.Process(target=_freeze_in_a_daemon, args=(source, answer), daemon=True)
    worker.start()

    content_hash = answer.get(timeout=60)

    worker.join(timeout=60)
    assert content_hash == freezing.build(source, ()).frozen.content_hash


def test_a_child_that_dies_is_an_error_and_not_a_hang(monkeypatch: pytest.MonkeyPatch) -> None:
    for start in ("raise SystemExit(3)  # {memory} {root}", "import os; os.kill(os.getpid(), 9)  # {memory} {root}"):
        monkeypatch.setattr(sandbox, "_START", start)

        with pytest.raises(ContentError) as refused:
            freeze(make_source(subject=f"Never {len(start)}"))

        assert refused.value.code == "too_heavy"


def test_a_child_that_never_answers_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox, "_START", "import time; time.sleep(600)  # {memory} {root}")
    monkeypatch.setattr(sandbox, "WALL_SECONDS", 0.5)

    with pytest.raises(ContentError) as refused:
        freeze(make_source(subject="Never at all"))

    assert refused.value.code == "too_heavy"


def test_findings_and_freezing_share_one_child(monkeypatch: pytest.MonkeyPatch) -> None:
    source = make_source(subject="Asked twice")
    asked: list[object] = []
    real = sandbox._ask

    def ask(request: Mapping[str, object]) -> object:
        asked.append(request)
        return real(request)

    monkeypatch.setattr(sandbox, "_ask", ask)

    findings(source)
    freeze(source)

    assert len(asked) == 1


def test_messages_speak_the_readers_language() -> None:
    from django.utils import translation

    with translation.override("en"), pytest.raises(ContentError) as refused:
        freeze(make_source(html=BODY % "{% if %}"))

    assert refused.value.message.startswith("HTML, line 1: a placeholder is written wrongly")


def test_the_sample_letter_is_complete_and_small() -> None:
    source = sample_source(
        from_email="news@brand.example", postal_address="5 Quay <East>", site_url="https://brand.example/"
    )
    frozen = freeze(source)

    data = compose(frozen, make_letter(fields={"email": "ann@example.org", "first_name": "Ann", "city": "Oslo"})).data
    nameless = preview(frozen, {"email": "x@example.org"})

    assert parse(data)["Subject"] == "Ann, your first letter has arrived"
    assert nameless.subject == "Hello, your first letter has arrived"
    assert "Good to meet you, Ann" in body(data) and "alone in Oslo" in body(data)
    assert "Good to meet you<" in nameless.html and "alone: your" in nameless.html
    assert "5 Quay &lt;East&gt;" in body(data) and "5 Quay <East>" in body(data, "plain")
    assert len(frozen.links) == 7 and len(data) < 30_000
    assert "prefers-color-scheme: dark" in body(data)
    assert "Picked for you" not in body(data)
    assert max(map(len, data.partition(b"\r\n\r\n")[2].split(b"\r\n"))) <= 76
