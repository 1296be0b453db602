"""Tables that no spreadsheet can be harmed by (S08), whatever stands in their cells."""

from __future__ import annotations

import csv
import re
import tracemalloc
import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core import spreadsheets
from core.spreadsheets import CsvTables, XlsxTables

PAYLOADS = [
    "=1+1",
    "+1+1",
    "-1+1",
    "@SUM(1)",
    "\t=1+1",
    "\r=1+1",
    "\n=1+1",
    "=cmd|' /C calc'!A0",
    '  =HYPERLINK("https://evil.example")',
    "a;=1+1",
    'x",=1+1',
    "＝1+1",
]
HARMLESS = ["Mara Okafor", "o'neil@orchard.example", "250 2.0.0 OK", "2026-11-20 14:02", "", "a - b", "'quoted'"]


@pytest.mark.parametrize("payload", PAYLOADS)
def test_a_formula_is_text_and_comes_back_as_it_was(payload: str) -> None:
    safe = spreadsheets.guarded(payload)

    assert not safe.lstrip(" ").startswith(("=", "+", "-", "@", "\t", "\r", "\n", "＝"))
    assert not re.search(r"[;,\t|]\s*[=+\-@]", safe.lstrip("'"))
    assert spreadsheets.unguarded(safe) == payload


@pytest.mark.parametrize("text", HARMLESS)
def test_other_texts_stay_as_they_are(text: str) -> None:
    assert spreadsheets.guarded(text) == text


@settings(max_examples=500)
@given(st.text(alphabet="=+-@\t\r\n;,|' a1＝"))
def test_every_text_comes_back(text: str) -> None:
    safe = spreadsheets.guarded(text)

    assert spreadsheets.unguarded(safe) == text
    assert not safe.lstrip(" ").startswith(("=", "+", "-", "@", "\t", "\r"))


def test_csv_has_its_tables_one_below_the_other(tmp_path: Path) -> None:
    tables = CsvTables(tmp_path / "x.csv")
    tables.begin("First", ["Email", "Tries"])
    tables.row(["=1+1", 3])
    tables.begin("=Second", ["What"])
    tables.row(["Олена", None])
    tables.close()

    data = (tmp_path / "x.csv").read_bytes()
    assert data.startswith(b"\xef\xbb\xbf")
    rows = list(csv.reader(data.decode("utf-8-sig").splitlines()))
    assert rows == [["Email", "Tries"], ["'=1+1", "3"], [], ["'=Second"], ["What"], ["Олена", ""]]


def cells(path: Path, sheet: str = "sheet1") -> str:
    with zipfile.ZipFile(path) as book:
        assert book.testzip() is None
        return book.read(f"xl/worksheets/{sheet}.xml").decode()


def test_xlsx_holds_texts_and_numbers_and_no_formula(tmp_path: Path) -> None:
    tables = XlsxTables(tmp_path / "x.xlsx")
    tables.begin("Every/one: [all]", ["Email", "Tries"])
    for payload in [*PAYLOADS, "https://evil.example", "1e9", "\x00\x1b", "x" * 40_000]:
        tables.row([payload, 7])
    tables.close()

    xml = cells(tmp_path / "x.xlsx")
    assert "<f>" not in xml and "<hyperlink" not in xml
    assert "<v>7</v>" in xml
    assert xml.count('t="inlineStr"') == 2 + len(PAYLOADS) + 4
    assert [one.name for one in tmp_path.iterdir()] == ["x.xlsx"]


def test_a_full_sheet_is_followed_by_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spreadsheets, "ROWS_PER_SHEET", 3)
    tables = XlsxTables(tmp_path / "x.xlsx")
    tables.begin("Everyone", ["Email"])
    for number in range(5):
        tables.row([f"p{number}@x.example"])
    tables.close()

    found = "".join(cells(tmp_path / "x.xlsx", f"sheet{number}") for number in (1, 2, 3))
    assert [found.count(f"p{number}@x.example") for number in range(5)] == [1] * 5
    assert found.count("Email") == 3


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_memory_does_not_grow_with_the_rows(tmp_path: Path, kind: str) -> None:
    tables = spreadsheets.FORMATS[kind](tmp_path / f"x.{kind}")
    tables.begin("Everyone", ["Email"])
    for number in range(2_000):
        tables.row([f"reader{number}@orchard.example", "250 2.0.0 OK", number])
    tracemalloc.start()
    for number in range(20_000):
        tables.row([f"reader{number}@orchard.example", "250 2.0.0 OK", number])
    _now, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    tables.abandon()

    assert peak < 1_000_000
