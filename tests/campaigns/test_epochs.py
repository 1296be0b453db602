"""Which database is taken for another one than before."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from apps.campaigns.epochs import SILENCE_SECONDS, Identity, Outside, Reason, Standing, judge
from apps.campaigns.services import outside

HERE = Identity(1000, "7", "00000001")
ROW = Standing(epoch=2, serial=50, identity=HERE, last_delivery_id=900)


def reason(
    row: Standing | None = ROW,
    actual: Identity = HERE,
    *,
    copy: Standing | None = ROW,
    is_original: bool = True,
    highest: int = 900,
    silent: float | None = 5,
) -> Reason | None:
    kept = Outside(copy, is_original) if copy else None
    return judge(row, actual, last_delivery_id=highest, outside=kept, silent_seconds=silent)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, None),
        ({"copy": replace(ROW, serial=49)}, None),
        ({"copy": replace(ROW, epoch=1, serial=999_999)}, None),  # of a host that was away while others confirmed
        ({"copy": None}, None),
        ({"copy": None, "silent": None}, None),  # just migrated
        ({"silent": SILENCE_SECONDS * 100}, None),  # a machine that was off
        ({"copy": None, "silent": SILENCE_SECONDS + 1}, Reason.UNKNOWN),
        ({"row": None}, Reason.BEHIND),
        ({"row": None, "copy": None}, Reason.UNKNOWN),
        ({"actual": replace(HERE, table=2000)}, Reason.RESTORED),
        ({"actual": replace(HERE, system="8")}, Reason.RESTORED),
        ({"actual": replace(HERE, system="", timeline="")}, None),  # a server that does not tell
        ({"row": replace(ROW, identity=replace(HERE, system="", timeline=""))}, None),
        ({"copy": replace(ROW, serial=51)}, Reason.BEHIND),
        ({"copy": replace(ROW, epoch=3, serial=1)}, Reason.BEHIND),
        ({"highest": 899}, Reason.BEHIND),
        ({"actual": replace(HERE, timeline="00000002")}, Reason.TAKEN_OVER),
        ({"actual": replace(HERE, timeline="00000002"), "copy": replace(ROW, serial=51)}, Reason.BEHIND),
        ({"is_original": False}, Reason.COPIED),
    ],
)
def test_judges_by_what_a_restore_changes(given: dict[str, object], expected: Reason | None) -> None:
    assert reason(**given) is expected  # type: ignore[arg-type]


@pytest.fixture
def epoch_file(tmp_path: Path, settings: object) -> Path:
    settings.EPOCH_FILE = tmp_path / "data" / "epoch.json"  # type: ignore[attr-defined]
    return tmp_path / "data" / "epoch.json"


def test_the_copy_is_read_as_it_was_written(epoch_file: Path) -> None:
    outside.write(ROW)

    assert outside.read() == Outside(ROW, is_original=True)
    assert epoch_file.stat().st_mode & 0o777 == 0o600


def test_an_older_word_does_not_replace_a_newer_one(epoch_file: Path) -> None:
    outside.write(ROW)
    outside.write(replace(ROW, serial=49))

    kept = outside.read()
    assert kept is not None and kept.standing.serial == 50


def test_a_copied_file_is_told_from_the_one_that_was_written(epoch_file: Path) -> None:
    outside.write(ROW)
    text = epoch_file.read_text()
    epoch_file.rename(epoch_file.with_suffix(".old"))  # keeps its inode from being given again
    epoch_file.write_text(text)

    kept = outside.read()

    assert kept is not None and not kept.is_original


@pytest.mark.parametrize("text", ["", "{", "[]", '{"standing": {}}', '{"standing": {"epoch": 1}, "inode": 2}'])
def test_a_damaged_copy_is_none(epoch_file: Path, text: str) -> None:
    epoch_file.parent.mkdir()
    epoch_file.write_text(text)

    assert outside.read() is None


def test_a_folder_that_takes_no_file_costs_the_copy_only(epoch_file: Path) -> None:
    epoch_file.parent.write_text("a file where the folder should be")

    outside.write(ROW)

    assert outside.read() is None
