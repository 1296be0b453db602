"""What the columns of a file are: which character parts them, whether they have a head, and what each becomes."""

from __future__ import annotations

import itertools
import keyword
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from apps.contacts.csv import reader
from core import addresses

SNIFFED = 30  # records
DELIMITERS = ",;\t|"
EMAIL, FIRST_NAME, LAST_NAME, NAME = "email", "first_name", "last_name", "name"
FIELDS = (EMAIL, FIRST_NAME, LAST_NAME, NAME)
ATTRIBUTE = "attr:"
# Columns of our own export that say what we know about a person's standing; an import leaves them out.
OURS = "VashSender "

_ADDRESS = re.compile(r"\s*<?[^@\s,;|<>\"]{1,64}@[^@\s,;|<>\"]{1,255}>?\s*")
_KEY = re.compile(r"[^\W\d]\w{0,39}")
_RESERVED = {*FIELDS, "true", "false", "none", "if", "else", "for", "in", "is", "not", "and", "or", "set", "block"}

_NAMES: dict[str, tuple[str, ...]] = {
    EMAIL: (
        "email", "e mail", "mail", "email address", "e mail address", "emailaddress", "mail address", "адрес email",
        "email адрес", "e mail адрес", "почта", "эл почта", "электронная почта", "адрес электронной почты", "имейл",
        "емейл", "пошта", "ел пошта", "електронна пошта", "адреса електронної пошти", "електронна адреса", "имэйл",
    ),
    FIRST_NAME: (
        "first name", "firstname", "first", "given name", "givenname", "forename", "fname", "имя", "ім я", "імя",
        "имя контакта", "ім’я",
    ),
    LAST_NAME: (
        "last name", "lastname", "last", "surname", "family name", "familyname", "lname", "фамилия", "прізвище",
    ),
    NAME: (
        "name", "full name", "fullname", "contact name", "contact", "фио", "ф и о", "имя и фамилия", "фамилия и имя",
        "фамилия имя", "имя фамилия", "піб", "п і б", "ім я та прізвище", "прізвище та ім я",
    ),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Column:
    """A column as the file has it, one of its values, and what we would make of it ("" leaves it out)."""

    name: str
    sample: str
    suggested: str


def sniff_delimiter(sample: bytes, *, encoding: str) -> str:
    """Return the character that parts the columns at a file's beginning; a comma where there is one column only."""

    def score(delimiter: str) -> tuple[int, float]:
        found = list(itertools.islice(reader.read([sample], encoding=encoding, delimiter=delimiter), SNIFFED))
        rows = [record.cells for record in found if not record.problem and not is_excel_hint(record)]
        if not rows:
            return 0, 0.0
        addresses_found = sum(any(_ADDRESS.fullmatch(cell) for cell in cells) for cells in rows)
        width, times = Counter(map(len, rows)).most_common(1)[0]
        return addresses_found, (width if width > 1 else 0) * (times / len(found)) ** 2

    return max(DELIMITERS, key=score)


def is_excel_hint(record: reader.Record) -> bool:
    """Return whether this is Excel's first line `sep=;`, which is no row."""
    return record.line == 1 and record.cells[0].lower().startswith("sep=")


def has_header(first: Sequence[str]) -> bool:
    """Return whether the first record names the columns: it holds no address."""
    return not any(_ADDRESS.fullmatch(cell) for cell in first)


def describe(rows: Sequence[Sequence[str]], *, header: bool) -> list[Column]:
    """Return the columns of a file's first records, with a suggestion for each."""
    width = max((len(row) for row in rows), default=0)
    body = rows[1:] if header else rows
    names = [_shown(cell) for cell in rows[0]] if header and rows else []
    names += [""] * (width - len(names))
    suggested = _suggest(names, body)
    return [
        Column(name or f"{number + 1}", _sample(body, number), suggested[number]) for number, name in enumerate(names)
    ]


def is_attribute(target: str) -> bool:
    """Return whether a mapping's target names an attribute."""
    return target.startswith(ATTRIBUTE) and _KEY.fullmatch(target.removeprefix(ATTRIBUTE)) is not None


def attribute_key(name: str) -> str:
    """Return a head as a name that templates can use; empty when nothing is left of it."""
    key = re.sub(r"\W+", "_", name.casefold()).strip("_")[:36]
    if not key:
        return ""
    if key[0].isdigit():
        key = f"f_{key}"
    return f"{key}_2" if key in _RESERVED or keyword.iskeyword(key) else key


def heads(columns: Sequence[Column]) -> list[str]:
    """Return a name for each column that tells it from the others, whatever order they come in."""
    times: Counter[str] = Counter()
    named = []
    for column in columns:
        name = column.name.casefold()
        times[name] += 1
        named.append(f"{name}#{times[name]}")
    return named


def problem_with(mapping: Mapping[int, str], width: int) -> str:
    """Return the code of what is wrong with a mapping of column numbers to targets, or nothing."""
    targets = [target for target in mapping.values() if target]
    if any(number not in range(width) for number in mapping):
        return "unknown_column"
    if any(target not in FIELDS and not is_attribute(target) for target in targets):
        return "unknown_target"
    if EMAIL not in targets:
        return "no_email_column"
    if len(set(targets)) < len(targets) or (NAME in targets and {FIRST_NAME, LAST_NAME} & set(targets)):
        return "target_twice"
    return ""


def _suggest(names: Sequence[str], body: Sequence[Sequence[str]]) -> list[str]:
    suggested = ["" if name.startswith(OURS) else _by_name(name) for name in names]
    hits = [sum(bool(_ADDRESS.fullmatch(row[n])) for row in body if n < len(row)) for n in range(len(names))]
    if EMAIL not in suggested and any(hits):
        suggested[hits.index(max(hits))] = EMAIL
    named = {target for target in suggested if target in FIELDS}
    taken: set[str] = set()
    for number, target in enumerate(suggested):
        if target == NAME and named & {FIRST_NAME, LAST_NAME}:
            target = ""
        if not target or target in taken:
            key = "" if names[number].startswith(OURS) else attribute_key(names[number])
            target = ATTRIBUTE + key if key and ATTRIBUTE + key not in taken else ""
        suggested[number] = target
        taken.add(target)
    return suggested


def _by_name(name: str) -> str:
    plain = " ".join(re.sub(r"[\W_]+", " ", name.casefold()).split())
    return next((target for target, known in _NAMES.items() if plain in known), "")


def _sample(body: Iterable[Sequence[str]], number: int) -> str:
    return next((shown for row in body if number < len(row) and (shown := _shown(row[number]))), "")


def _shown(cell: str) -> str:
    return " ".join(addresses.CONTROLS.sub("", cell).split())[:120]
