"""Keeps an uploaded file in the database, and reads it from any byte on."""

from __future__ import annotations

import codecs
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

from django.db import connection
from django.utils.translation import gettext as _

from apps.contacts.csv import charsets, columns, reader
from apps.contacts.models import ImportChunk, ImportJob
from apps.contacts.uploads import MAX_BYTES
from core.errors import EspError

PIECE = 1024 * 1024
MAX_ROWS = 2_000_000
_COPY = "COPY contacts_importchunk (job_id, position, data) FROM STDIN (FORMAT BINARY)"
_NOT_TEXT = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0", b"%PDF", b"\x1f\x8b")


class ImportFileError(EspError):
    """The file cannot be imported; the message says what to do."""

    code = "import_file"


class BinaryFile(Protocol):
    """What an upload must offer."""

    def read(self, size: int = -1, /) -> bytes:
        """Return up to `size` bytes."""


@dataclass
class Stored:
    """What was learned about a file while it was stored."""

    sha256: str = ""
    size_bytes: int = 0
    encoding: str = ""
    lines: int = 0
    _words: list[bytes] = field(default_factory=list)
    _words_size: int = 0

    def learn(self, piece: bytes) -> None:
        """Count the lines of a piece, and keep words that tell character sets apart."""
        self.size_bytes += len(piece)
        self.lines += max(piece.count(b"\n"), piece.count(b"\r"))
        for at in range(0, len(piece), charsets.SAMPLE_BYTES):
            if self._words_size >= charsets.SAMPLE_BYTES:
                return
            part = piece[at : at + charsets.SAMPLE_BYTES]
            if not part.isascii():
                self._words.append(charsets.sample_words(part))
                self._words_size += len(self._words[-1])

    def guess(self) -> str:
        """Return the single-byte character set that fits best."""
        return charsets.guess(b" ".join(self._words))


def store(job: ImportJob, file: BinaryFile) -> Stored:
    """Write the file into pieces of exactly 1 MB and return what it is; UTF-16 is kept as UTF-8.

    Raises:
        ImportFileError: too large, too many rows, empty, or no text.
    """
    stored, digest = Stored(), hashlib.sha256()
    is_utf8: codecs.IncrementalDecoder | None = codecs.getincrementaldecoder("utf-8")()
    start = file.read(PIECE)
    if not start.strip():
        raise ImportFileError(_("The file is empty."), code="empty_file")
    if start.startswith(_NOT_TEXT):
        raise ImportFileError(
            _("This is not a CSV file. In Excel or another tool, choose “Save as” and CSV."), code="not_csv"
        )
    stored.encoding = charsets.from_first_bytes(start)
    received = _received(start, file, digest)
    try:
        with connection.cursor() as cursor, cursor.copy(_COPY) as copy:
            copy.set_types(["int8", "int4", "bytea"])
            for number, piece in enumerate(_pieces(received, stored.encoding)):
                copy.write_row((job.pk, number, piece))
                stored.learn(piece)
                is_utf8 = _still_utf8(is_utf8, piece)
    except UnicodeDecodeError:
        raise ImportFileError(_("The file says it is UTF-16 and is not. Save it as UTF-8."), code="not_csv") from None
    if stored.lines > MAX_ROWS:
        raise ImportFileError(
            _("The file has more than 2,000,000 lines. Split it and import the parts."), code="too_many_rows"
        )
    stored.encoding = stored.encoding or ("utf-8" if is_utf8 and _still_utf8(is_utf8, b"", True) else stored.guess())
    stored.sha256 = digest.hexdigest()
    return stored


def pieces_from(job: ImportJob, position: int) -> Iterator[bytes]:
    """Yield the stored bytes from a position on, at most 1 MB at a time."""
    number, skip = divmod(position, PIECE)
    while True:
        chunk = ImportChunk.objects.filter(job=job, position=number).values_list("data", flat=True).first()
        if chunk is None:
            return
        yield bytes(chunk)[skip:]
        number, skip = number + 1, 0


def records_from(job: ImportJob, *, position: int, line: int) -> Iterator[reader.Record]:
    """Yield the job's records from a position on; Excel's `sep=;` line is none of them."""
    records = reader.read(
        pieces_from(job, position),
        encoding=stored_encoding(job.encoding),
        delimiter=job.delimiter,
        position=position,
        line=line,
    )
    return (one for one in records if not columns.is_excel_hint(one))


def stored_encoding(encoding: str) -> str:
    """Return how the stored bytes are encoded: UTF-16 was turned into UTF-8."""
    return "utf-8" if encoding.startswith(("utf-16", "utf-8")) else encoding


def beginning(job: ImportJob) -> int:
    """Return where the text begins: behind a byte order mark."""
    return len(codecs.BOM_UTF8) if job.encoding == "utf-8-sig" else 0


def sample(job: ImportJob) -> bytes:
    """Return the beginning of the text, to guess the delimiter from."""
    return next(pieces_from(job, beginning(job)), b"")[: 256 * 1024]


def _received(start: bytes, file: BinaryFile, digest: hashlib._Hash) -> Iterator[bytes]:
    size, piece = 0, start
    while piece:
        size += len(piece)
        if size > MAX_BYTES:
            raise too_big()
        digest.update(piece)
        yield piece
        piece = file.read(PIECE)


def too_big() -> ImportFileError:
    """Return the refusal of a file over the cap."""
    return ImportFileError(_("The file is larger than 100 MB. Split it and import the parts."), code="file_too_big")


def _pieces(received: Iterator[bytes], encoding: str) -> Iterator[bytes]:
    """Cut what arrives into pieces of one size; the place of a byte then names its piece."""
    if encoding.startswith("utf-16"):
        received = _utf8(received, encoding)
    waiting = bytearray()
    for part in received:
        waiting += part
        while len(waiting) >= PIECE:
            yield bytes(waiting[:PIECE])
            del waiting[:PIECE]
    if waiting:
        yield bytes(waiting)


def _utf8(received: Iterator[bytes], encoding: str) -> Iterator[bytes]:
    decoder = codecs.getincrementaldecoder(encoding)()
    for part in received:
        yield decoder.decode(part).encode()
    yield decoder.decode(b"", True).encode()


def _still_utf8(
    decoder: codecs.IncrementalDecoder | None, piece: bytes, final: bool = False
) -> codecs.IncrementalDecoder | None:
    if decoder is None:
        return None
    try:
        decoder.decode(piece, final)
    except UnicodeDecodeError:
        return None
    return decoder
