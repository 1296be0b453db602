"""The reader of CSV files: exact lines and bytes, whatever the file does."""

import csv
import io
import itertools

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from apps.contacts.csv import reader
from apps.contacts.csv.reader import Record, read

CELL = st.text(
    alphabet=st.one_of(
        st.sampled_from(list('ab",;\n\r\t| é€имя')), st.characters(codec="utf-8", exclude_characters="\0")
    ),
    max_size=12,
)
ROWS = st.lists(st.lists(CELL, min_size=1, max_size=5), max_size=12)


def pieces(data: bytes, size: int) -> list[bytes]:
    return [data[at : at + size] for at in range(0, len(data), size)]


def records(data: bytes, size: int = 1 << 20, **options: object) -> list[Record]:
    return list(read(pieces(data, size), **{"encoding": "utf-8", "delimiter": ",", **options}))  # type: ignore[arg-type]


def written(rows: list[list[str]], end: str = "\r\n") -> str:
    out = io.StringIO()
    csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator=end).writerows(rows)
    return out.getvalue()


def not_blank(rows: list[list[str]]) -> list[list[str]]:
    return [row for row in rows if any(cell and not cell.isspace() for cell in row)]


def one_newline(cell: str) -> str:
    return cell.replace("\r\n", "\n").replace("\r", "\n")


@given(ROWS, st.sampled_from(["\r\n", "\n", "\r"]), st.integers(1, 40))
@example([["a", 'say "hi"\n\nthere'], ["b", ""]], "\r\n", 1)
def test_reads_back_what_a_writer_wrote(rows: list[list[str]], end: str, size: int) -> None:
    found = records(written(rows, end).encode(), size)

    assert [record.problem for record in found] == [""] * len(found)
    assert [record.cells for record in found] == [[one_newline(c) for c in row] for row in not_blank(rows)]


@given(st.binary(max_size=400), st.integers(1, 50))
def test_any_bytes_end_in_records_that_move_forward(data: bytes, size: int) -> None:
    found = records(data, size)

    assert all(a.end < b.end and a.end_line < b.line for a, b in itertools.pairwise(found))
    assert all(record.line <= record.end_line and record.end <= len(data) for record in found)


@given(st.one_of(st.binary(max_size=300), ROWS.map(lambda rows: written(rows).encode())), st.integers(1, 50))
def test_goes_on_at_any_record_exactly_as_if_never_stopped(data: bytes, size: int) -> None:
    whole = records(data)

    for number, record in enumerate(whole):
        rest = records(data[record.end :], size, position=record.end, line=record.end_line)
        assert rest == whole[number + 1 :]


def test_knows_the_line_of_a_record_behind_quoted_line_ends() -> None:
    found = records(b'a,"1\r\n2\r\n3",x\r\n\r\nb,c,d\r\n')

    assert [(record.line, record.end_line, record.end) for record in found] == [(1, 3, 15), (5, 5, 24)]
    assert found[0].cells == ["a", "1\n2\n3", "x"]


def test_refuses_the_line_of_an_unclosed_mark_and_reads_on_behind_it() -> None:
    found = records(b'a,1\n"b,2\nc,3\nd,4')

    assert [(record.line, record.problem) for record in found] == [(1, ""), (2, "unclosed_quote"), (3, ""), (4, "")]
    assert found[2].cells == ["c", "3"]


def test_refuses_text_behind_a_closing_mark() -> None:
    found = records(b'"Tom" Smith,a@x.example\n"Ann" ,b@x.example\n')

    assert found[0].problem == "bad_quote"
    assert found[1].cells == ["Ann", "b@x.example"]


def test_keeps_a_mark_inside_a_bare_cell() -> None:
    assert records(b'O"Brien,5" pipe,\n')[0].cells == ['O"Brien', '5" pipe', ""]


def test_refuses_bytes_that_are_no_text_and_reads_on() -> None:
    found = records('"ok\n\xff",a\nимя,b\n'.encode("latin-1", errors="ignore") + "имя,b\n".encode())

    assert found[0].problem == "undecodable"
    assert found[-1].cells == ["имя", "b"]


def test_passes_over_an_endless_line_without_keeping_it() -> None:
    def endless() -> object:
        yield b"a,1\n"
        for _ in range(64):
            yield b"x" * (1 << 20)
        yield b"\nb,2\n"

    found = list(read(endless(), encoding="utf-8", delimiter=","))  # type: ignore[arg-type]

    assert [(record.line, record.problem) for record in found] == [(1, ""), (2, "line_too_long"), (3, "")]
    assert found[1].end == 4 + (64 << 20) + 1
    assert len(found[1].cells[0]) == 200


def test_refuses_too_many_columns_and_too_long_fields() -> None:
    found = records(b"," * 200 + b"x\n" + b"y" * (reader.MAX_FIELD + 1) + b",z\nb,2\n")

    assert [record.problem for record in found] == ["too_many_columns", "field_too_long", ""]


@pytest.mark.parametrize(
    "data",
    [
        b'"' + b'""\n' * 300_000,
        b'"",' * 300_000,
        b'"" ,' * 250_000,
        b'"a\n' + b"b\n" * 400_000,
        (b'"' + b"a" * 60_000 + b"\n") * 15,
        b'"x" ' * 250_000,
        b'" ' + b" , " * 300_000,
    ],
)
@pytest.mark.timeout(60)  # a quadratic reader needs minutes
def test_hostile_marks_cost_no_more_than_their_length(data: bytes) -> None:
    assert records(data)[-1].end <= len(data)
