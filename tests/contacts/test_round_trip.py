"""What an export guarded against spreadsheets comes back by an import as it was (S08)."""

from __future__ import annotations

import pytest

from apps.contacts.csv import people
from apps.contacts.csv.reader import Record
from core import spreadsheets


@pytest.mark.parametrize("name", ["=1+1", "@home", "-Ella", "+49 170", "a;=1", "O'Neil", "'quoted'"])
def test_a_guarded_name_comes_back(name: str) -> None:
    record = Record(1, 0, 1, ["a@orchard.example", spreadsheets.guarded(name)])

    taken = people.from_record(record, {0: "email", 1: "first_name"}, 2)

    assert isinstance(taken, people.Person)
    assert taken.first_name == name
