"""Tables for spreadsheets, written row by row at constant memory; no cell can act as a formula."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, Protocol

import xlsxwriter

# What a spreadsheet takes for the beginning of a formula: at the beginning of a cell (OWASP: CSV injection), and behind
# what a spreadsheet of another country takes for the end of one. Apostrophes of somebody's own are kept apart.
_AT_START: Final = re.compile(r"^(?=[ ']*[=+\-@\t\r\n|%＝＋－＠])")
_INSIDE: Final = re.compile(r"([;,|\t\r\n])(?=[ ']*[=+\-@＝＋－＠])")
_GUARD_AT_START: Final = re.compile(r"^'(?=[ ']*[=+\-@\t\r\n|%＝＋－＠])")
_GUARD_INSIDE: Final = re.compile(r"([;,|\t\r\n])'(?=[ ']*[=+\-@＝＋－＠])")
ROWS_PER_SHEET: Final = 1_048_576
LONGEST_CELL: Final = 32_767
LONGEST_TITLE: Final = 31

Cell = str | int | None


def guarded(text: str) -> str:
    """Return a text that no spreadsheet takes for a formula."""
    return _AT_START.sub("'", _INSIDE.sub(r"\1'", text))


def unguarded(text: str) -> str:
    """Return the text that `guarded` was given."""
    if "'" not in text:
        return text
    return _GUARD_INSIDE.sub(r"\1", _GUARD_AT_START.sub("", text))


class Tables(Protocol):
    """A file of one or more tables."""

    def begin(self, title: str, head: Sequence[str]) -> None:
        """Begin a table."""

    def row(self, cells: Sequence[Cell]) -> None:
        """Write the next row of the table."""

    def close(self) -> None:
        """Write what is left."""

    def abandon(self) -> None:
        """Let go of a file that nobody wants any more."""


class CsvTables:
    """Tables one below the other; the first has no title, so that a file of one table is plain CSV."""

    def __init__(self, path: Path) -> None:
        # Excel reads UTF-8 only behind a byte order mark.
        self._file = path.open("w", encoding="utf-8-sig", newline="")
        self._writer = csv.writer(self._file, quoting=csv.QUOTE_MINIMAL)
        self._tables = 0

    def begin(self, title: str, head: Sequence[str]) -> None:
        """Begin a table, behind an empty line and its title where it is not the first."""
        if self._tables:
            self._writer.writerow([])
            self._writer.writerow([guarded(title)])
        self._tables += 1
        self.row(head)

    def row(self, cells: Sequence[Cell]) -> None:
        """Write the next row."""
        self._writer.writerow([guarded(cell) if isinstance(cell, str) else cell for cell in cells])

    def close(self) -> None:
        """Write what is left."""
        self._file.close()

    def abandon(self) -> None:
        """Let go of the file."""
        self._file.close()


class XlsxTables:
    """A sheet for each table, and a further one where a table is longer than a sheet."""

    def __init__(self, path: Path) -> None:
        options = {
            "constant_memory": True,
            "tmpdir": str(path.parent),
            "strings_to_formulas": False,
            "strings_to_urls": False,
            "strings_to_numbers": False,
        }
        self._book: Any = xlsxwriter.Workbook(str(path), options)
        self._bold: Any = self._book.add_format({"bold": True})
        self._sheet: Any = None
        self._title, self._head, self._part, self._row = "", list[str](), 1, 0

    def begin(self, title: str, head: Sequence[str]) -> None:
        """Begin a table on a sheet of its own."""
        self._title, self._head, self._part = title, list(head), 1
        self._begin_sheet()

    def row(self, cells: Sequence[Cell]) -> None:
        """Write the next row, on a further sheet where this one is full."""
        if self._row >= ROWS_PER_SHEET:
            self._part += 1
            self._begin_sheet()
        self._write(cells, None)

    def close(self) -> None:
        """Put the file together."""
        self._book.close()

    def abandon(self) -> None:
        """Let go of the sheets; the file is never put together."""
        for sheet in self._book.worksheets():
            sheet.row_data_fh.close()

    def _begin_sheet(self) -> None:
        title = re.sub(r"[\[\]:*?/\\']", " ", self._title).strip() or "Table"
        number = f" ({self._part})" if self._part > 1 else ""
        self._sheet = self._book.add_worksheet(title[: LONGEST_TITLE - len(number)] + number)
        self._sheet.freeze_panes(1, 0)
        self._row = 0
        self._write(self._head, self._bold)

    def _write(self, cells: Sequence[Cell], style: Any) -> None:
        for column, cell in enumerate(cells):
            if isinstance(cell, str):
                self._sheet.write_string(self._row, column, guarded(cell)[:LONGEST_CELL], style)
            elif cell is not None:
                self._sheet.write_number(self._row, column, cell, style)
        self._row += 1


FORMATS: Final[dict[str, type[CsvTables] | type[XlsxTables]]] = {"csv": CsvTables, "xlsx": XlsxTables}
