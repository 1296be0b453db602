"""From a record to a person, or to the reason why not."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from django.utils.translation import gettext as _

from apps.contacts.csv import columns
from apps.contacts.csv.reader import MAX_COLUMNS, Record
from core import addresses, spreadsheets

MAX_NAME = 255
MAX_ATTRIBUTE = 2000
_KEPT_CELLS, _KEPT_TEXT = 50, 500
_WITH_NAME = re.compile(r"[^<>]*<([^<>]+)>")


@dataclass(frozen=True, slots=True)
class Person:
    """One row that we take."""

    line: int
    email: str
    normalised: str
    email_hash: bytes
    first_name: str = ""
    last_name: str = ""
    attributes: dict[str, str] = field(default_factory=dict)
    cells: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Reject:
    """One row that we refuse, with the reason in plain words."""

    line: int
    code: str
    reason: str
    cells: list[str]


def from_record(record: Record, mapping: Mapping[int, str], width: int) -> Person | Reject:
    """Return the person of a record, or why there is none.

    Args:
        record: as the reader gave it.
        mapping: column number → email, first_name, last_name, name, attr:KEY, or nothing.
        width: how many columns the file has.
    """
    if record.problem:
        return refuse(record, record.problem)
    if any(cell.strip() for cell in record.cells[width:]):
        return refuse(record, "columns", n=len(record.cells), width=width)
    values = {target: _clean(record.cells[number]) for number, target in mapping.items() if number < len(record.cells)}
    given = _bare_address(values.pop(columns.EMAIL, ""))
    if code := _what_is_wrong(given):
        return refuse(record, code)
    try:
        address = addresses.parse(given)
    except addresses.InvalidAddressError as error:
        return refuse(record, "invalid_address", reason=error.message)
    return _person(record, address, values)


def duplicate(person: Person, *, first_line: int) -> Reject:
    """Return the refusal of a row whose person came before in the same file."""
    reason = _("Same person as line %(line)s, which we keep.") % {"line": first_line}
    return Reject(person.line, "duplicate", reason, kept_cells(person.cells))


def refuse(record: Record, code: str, **values: object) -> Reject:
    """Return the refusal of a record."""
    return Reject(record.line, code, (_reasons()[code] % values)[:300], kept_cells(record.cells))


def kept_cells(cells: list[str]) -> list[str]:
    """Return what is stored of a refused row: enough to find and mend it, never megabytes."""
    return [addresses.CONTROLS.sub("", cell[:_KEPT_TEXT]) for cell in cells[:_KEPT_CELLS]]


def _person(record: Record, address: addresses.Address, values: dict[str, str]) -> Person | Reject:
    attributes = {
        target.removeprefix(columns.ATTRIBUTE): value
        for target, value in values.items()
        if value and target.startswith(columns.ATTRIBUTE)
    }
    first, last = (" ".join(values.get(name, "").split()) for name in (columns.FIRST_NAME, columns.LAST_NAME))
    if whole := values.get(columns.NAME):
        first, _space, last = " ".join(whole.split()).partition(" ")
    if max(len(first), len(last)) > MAX_NAME or any(len(value) > MAX_ATTRIBUTE for value in attributes.values()):
        return refuse(record, "too_long", limit=MAX_ATTRIBUTE, names=MAX_NAME)
    return Person(
        record.line,
        address.email,
        address.normalised,
        addresses.fingerprint(address.normalised),
        first,
        last,
        attributes,
        record.cells,
    )


def _clean(cell: str) -> str:
    # What an export guarded comes back as it was.
    return addresses.CONTROLS.sub("", spreadsheets.unguarded(cell)).strip()


def _bare_address(text: str) -> str:
    if found := _WITH_NAME.fullmatch(text):
        text = found.group(1)
    return text.strip().removeprefix("mailto:")


def _what_is_wrong(address: str) -> str:
    if not address:
        return "missing_address"
    if len(address) > 320:
        return "address_too_long"
    ats = address.count("@")
    if ats > 1:
        return "two_addresses" if re.search(r"@[^@]*[\s,;/|][^@]*@", address) else "two_at_signs"
    if not ats:
        return "no_at_sign"
    if address.startswith("@"):
        return "nothing_before_at"
    if address.endswith("@"):
        return "nothing_after_at"
    return "space" if re.search(r"\s", address) else ""


def _reasons() -> dict[str, str]:
    return {
        "missing_address": _("There is no address."),
        "address_too_long": _("The address is longer than 320 characters."),
        "two_addresses": _("There are two addresses in one field. Give each a row of its own."),
        "two_at_signs": _("There are two @ signs."),
        "no_at_sign": _("There is no @ sign."),
        "nothing_before_at": _("There is nothing before the @."),
        "nothing_after_at": _("There is nothing after the @."),
        "space": _("There is a space in the address."),
        "invalid_address": "%(reason)s",
        "too_long": _("A name is longer than %(names)s or a value longer than %(limit)s characters."),
        "columns": _("This row has %(n)s columns, the file has %(width)s."),
        "undecodable": _("These bytes are not text in the file's character set."),
        "unclosed_quote": _("A quotation mark opens a field here and is never closed."),
        "bad_quote": _("A quotation mark closes a field in the middle of its text."),
        "line_too_long": _("The line is longer than 1 MB."),
        "field_too_long": _("A field is longer than 64 KB."),
        "too_many_columns": _("The row has more than %(max)s columns.") % {"max": MAX_COLUMNS},
    }
