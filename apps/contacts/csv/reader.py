"""A CSV reader that streams, knows the byte and line of every record, and goes on behind a broken one."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

MAX_FIELD = 64 * 1024
MAX_LINE_BYTES = 1024 * 1024
MAX_COLUMNS = 200


@dataclass(frozen=True, slots=True)
class Record:
    """One record: where it begins (line, from 1), where the next one begins, and its cells or what is wrong.

    `end` is a byte position and `end_line` the number of lines before it, so reading can go on exactly there.
    """

    line: int
    end: int
    end_line: int
    cells: list[str]
    problem: str = ""


@dataclass(frozen=True, slots=True)
class _Line:
    number: int
    data: bytes  # with its line end; cut when it is too long
    end: int
    is_too_long: bool = False


class _Quoted:
    """Takes the lines of one record that holds quotation marks; linear in their length."""

    def __init__(self, delimiter: str) -> None:
        self.delimiter = delimiter
        self.cells: list[str] = []
        self.open: list[str] | None = None  # pieces of the quoted cell that no mark has closed yet
        self.open_size = 0

    def take(self, body: str) -> str:
        """Read one line; return "done", "more" when a cell goes on in the next line, or "bad"."""
        at = 0
        while True:
            if self.open is None:
                start = _after_spaces(body, at)
                if body[start : start + 1] != '"':
                    found = body.find(self.delimiter, at)
                    self.cells.append(body[at:found] if found >= 0 else body[at:])
                    if found < 0:
                        return "done"
                    at = found + 1
                    continue
                self.open, self.open_size, at = [], 0, start + 1
            at = self._quoted(body, at)
            if at < 0:
                return "more"
            at = _after_spaces(body, at)
            if at == len(body):
                return "done"
            if body[at] != self.delimiter:
                return "bad"
            at += 1

    def end_of_line(self) -> None:
        """Keep the line end that stands within the open cell."""
        if self.open is not None:
            self.open.append("\n")
            self.open_size += 1

    def _quoted(self, body: str, at: int) -> int:
        """Read on in the open cell; return the place behind its closing mark, or -1."""
        assert self.open is not None
        while True:
            mark = body.find('"', at)
            if mark < 0:
                self.open.append(body[at:])
                self.open_size += len(body) - at
                return -1
            self.open.append(body[at:mark])
            self.open_size += mark - at + 1
            if body[mark + 1 : mark + 2] != '"':
                self.cells.append("".join(self.open))
                self.open = None
                return mark + 1
            self.open.append('"')
            at = mark + 2


def _after_spaces(body: str, at: int) -> int:
    while body[at : at + 1] == " ":
        at += 1
    return at


def read(
    pieces: Iterable[bytes], *, encoding: str, delimiter: str, position: int = 0, line: int = 0
) -> Iterator[Record]:
    """Yield the records of a file from a place on; blank ones are passed over.

    Args:
        pieces: the file's bytes from `position` on, in an encoding whose ASCII bytes mean ASCII.
        encoding: how to decode a record; one that does not decode is a problem of its own.
        delimiter: one character.
        position: the byte where the first piece begins.
        line: how many lines there are before it.
    """
    reader = _Reader(_lines(pieces, position, line), encoding, delimiter)
    while (record := reader.next_record()) is not None:
        if record.problem or any(cell and not cell.isspace() for cell in record.cells):
            yield record


class _Reader:
    def __init__(self, lines: Iterator[_Line], encoding: str, delimiter: str) -> None:
        self.lines = lines
        self.waiting: deque[_Line] = deque()  # read ahead for a mark that was never closed: read again, as records
        self.encoding = encoding
        self.delimiter = delimiter

    def next_record(self) -> Record | None:
        first = self._next_line()
        if first is None:
            return None
        if first.is_too_long:
            return _problem(first, "line_too_long", first.data[:200].decode(self.encoding, errors="replace"))
        try:
            if b'"' in first.data:
                return self._with_marks(first)
            cells = _body(first.data).decode(self.encoding).split(self.delimiter)
        except UnicodeDecodeError:
            return _problem(first, "undecodable", _body(first.data).decode(self.encoding, errors="replace"))
        return _checked(first, first, cells)

    def _next_line(self) -> _Line | None:
        return self.waiting.popleft() if self.waiting else next(self.lines, None)

    def _with_marks(self, first: _Line) -> Record:
        """Take lines until every mark is closed; on any problem only the first line is refused."""
        quoted, taken, problem = _Quoted(self.delimiter), [first], ""
        while not problem:
            try:
                found = quoted.take(_body(taken[-1].data).decode(self.encoding))
            except UnicodeDecodeError:
                problem = "undecodable"
                break
            if found == "done":
                return _checked(first, taken[-1], quoted.cells)
            quoted.end_of_line()
            following = self._next_line() if found == "more" and quoted.open_size <= MAX_FIELD else None
            if following is not None:
                taken.append(following)
            if following is None or following.is_too_long:
                problem = "bad_quote" if found == "bad" else "unclosed_quote"
        self.waiting.extendleft(reversed(taken[1:]))
        return _problem(first, problem, _body(first.data).decode(self.encoding, errors="replace"))


def _checked(first: _Line, last: _Line, cells: list[str]) -> Record:
    if len(cells) > MAX_COLUMNS:
        return Record(first.number, last.end, last.number, cells[:MAX_COLUMNS], "too_many_columns")
    if len(last.data) > MAX_FIELD and any(len(cell) > MAX_FIELD for cell in cells):
        return Record(first.number, last.end, last.number, [cell[:200] for cell in cells], "field_too_long")
    return Record(first.number, last.end, last.number, cells)


def _problem(line: _Line, code: str, text: str) -> Record:
    return Record(line.number, line.end, line.number, [text], code)


def _body(data: bytes) -> bytes:
    return data.rstrip(b"\r\n") if data[-1:] in (b"\n", b"\r") else data


def _lines(pieces: Iterable[bytes], position: int, number: int) -> Iterator[_Line]:
    """Cut the stream at LF, CR LF or CR; of an endless line only the beginning is kept."""
    rest, lost = b"", 0
    for piece in pieces:
        cut = (rest + piece).splitlines(keepends=True)
        # A CR at the end may be half of a CR LF.
        rest = cut.pop() if cut and not cut[-1].endswith(b"\n") else b""
        for data in cut:
            number, position = number + 1, position + len(data) + lost
            yield _Line(number, data, position, bool(lost) or len(data) > MAX_LINE_BYTES)
            lost = 0
        if len(rest) > MAX_LINE_BYTES:
            keep = 1 if rest.endswith(b"\r") else 0
            lost += len(rest) - 200 - keep
            rest = rest[:200] + rest[len(rest) - keep :]
    if rest:
        for data in rest.splitlines(keepends=True):
            number, position = number + 1, position + len(data) + lost
            yield _Line(number, data, position, bool(lost) or len(data) > MAX_LINE_BYTES)
            lost = 0
