"""A list as marketers really have it: Windows-1251, semicolons, quotes, a value over two lines, and rows to refuse."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass, field

ROWS = 500
HEAD = ["Эл. почта", "Имя", "Фамилия", "Город", "Заметка"]
NAMES = ["Марта", "Йонас", "Олена", "Анна", "Пётр", "Ирина", "Тарас", "Юлия", "Сергій", "Ганна"]
TOWNS = ["Москва", "Санкт-Петербург", "Київ", "Тбилиси", 'пос. "Красный Яр"', "Львів; Сихів"]

# At every 25th row one of these stands instead of a good address; {n} makes it its own.
BAD = {
    "": "There is no address",
    "   ": "There is no address",
    "reader{n}.orchard.example": "There is no @ sign",
    "@orchard.example": "There is nothing before the @",
    "reader{n}@": "There is nothing after the @",
    "reader{n}@@orchard.example": "There are two @ signs",
    "a{n}@orchard.example, b{n}@orchard.example": "There are two addresses in one field",
    "reader {n}@orchard.example": "There is a space in the address",
}


@dataclass
class Sheet:
    """The file, and what an import must make of it."""

    data: bytes
    good: list[tuple[str, str]] = field(default_factory=list)  # address, first name
    refused: dict[int, str] = field(default_factory=dict)  # line → how its reason begins


def make() -> Sheet:
    """Return a file of 500 rows of which 480 are good, 12 are wrong and 8 name somebody a second time."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=";", quoting=csv.QUOTE_MINIMAL, lineterminator="\r\n")
    writer.writerow(HEAD)
    sheet, line, bad = Sheet(b""), 2, list(BAD.items())
    first_lines: dict[str, int] = {}
    for number in range(1, ROWS + 1):
        begun = text.tell()
        name = NAMES[number % len(NAMES)] if number % 17 else ""
        address = f"reader{number}@orchard.example"
        if number % 25 == 0:
            place = number // 25 - 1
            if place < 12:
                written, reason = bad[place % len(bad)]
                address = written.format(n=number)
                sheet.refused[line] = reason
            else:  # somebody from above, written otherwise
                known = sheet.good[place * 7][0]
                address = known.upper() if place % 2 else f"  {known}"
                sheet.refused[line] = f"Same person as line {first_lines[known]}"
        else:
            sheet.good.append((address, name))
            first_lines[address] = line
        note = "говорит: «кофе»\nи чай" if number % 40 == 1 else ""
        writer.writerow([address, name, f"Читатель-{number}", TOWNS[number % len(TOWNS)], note])
        line += text.getvalue()[begun:].count("\n")
    sheet.data = text.getvalue().encode("windows-1251")
    return sheet
