"""Files made to hurt: each ends in a plain sentence or counted refusals, and in little memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from apps.contacts.services import import_files
from tests.workers import ROOT, database_url

pytestmark = pytest.mark.django_db(transaction=True)
MEGABYTES = 300  # of the whole process, Django and all

# A process of its own: what it needed at most is then its own figure.
CHILD = """
import itertools, json, pathlib, sys
import django
django.setup()
from django.db import transaction
from apps.accounts.models import Workspace
from apps.contacts.models import Contact, ContactList, ImportReject
from apps.contacts.services import imports
from core import jobs
from core.errors import EspError

MB = 1 << 20
jobs.ring_now = lambda task, calls: len(calls)

class Endless:
    def __init__(self, pieces):
        self.pieces = iter(pieces)
    def read(self, size=-1):
        return next(self.pieces, b"")

HEAD = b"email,name\\n"
BOMBS = {
    "one endless line": lambda: itertools.chain([HEAD], (b"y" * MB for _ in range(70))),
    "a gigabyte": lambda: (b"y" * MB for _ in range(1024)),
    "a million columns": lambda: itertools.chain([HEAD], (b"," * MB for _ in range(10)), [b"\\na@x.example,Ann\\n"]),
    "nested quotes": lambda: itertools.chain([HEAD], (b'"' * MB for _ in range(40))),
    "a quote on every line": lambda: itertools.chain([HEAD], (b'"a\\n' * 20000 for _ in range(2))),
    "long fields": lambda: itertools.chain([HEAD], (b"a@x.example," + b"z" * 70000 + b"\\n" for _ in range(600))),
    "nothing but nul": lambda: itertools.chain([HEAD], (b"\\0" * MB for _ in range(30))),
    "xlsx": lambda: [b"PK\\x03\\x04" + b"x" * MB],
    "gzip": lambda: [b"\\x1f\\x8b" + b"x" * MB],
    "entities": lambda: [b'<!DOCTYPE lolz [<!ENTITY lol "lol">' + b"&lol;" * 100000],
}

def import_it(workspace, pieces):
    news = ContactList.objects.create(workspace=workspace, name="News")
    try:
        job = imports.upload(workspace, Endless(pieces), file_name="../../x.csv", contact_list=news, by=None)
        imports.check(job, mapping={0: "email"}, contact_list=news, consent="yes")
        job = imports.run_to_end(job)
        job = imports.run_to_end(imports.start(job))
    except EspError as error:
        return {"refused": error.message}
    return {"state": job.state, "name": job.file_name, "counts": job.counts}

with transaction.atomic():
    found = import_it(Workspace.objects.create(name="Bomb", slug="bomb"), BOMBS[sys.argv[1]]())
    transaction.set_rollback(True)
status = pathlib.Path("/proc/self/status").read_text()  # ru_maxrss would also count the parent it was forked from
print(json.dumps({**found, "megabytes": int(status.partition("VmHWM:")[2].split()[0]) // 1024}))
"""


@pytest.mark.parametrize(
    ("bomb", "ends"),
    [
        ("one endless line", {"new": 0, "rejected": 1}),
        ("a gigabyte", "larger than 100 MB"),
        ("a million columns", {"new": 1, "rejected": 1}),
        ("nested quotes", {"new": 0, "rejected": 1}),
        ("a quote on every line", {"new": 0}),
        ("long fields", {"new": 0, "rejected": 600}),
        ("nothing but nul", {"new": 0}),
        ("xlsx", "This is not a CSV file."),
        ("gzip", "This is not a CSV file."),
        ("entities", {"new": 0}),
    ],
)
def test_a_bomb_ends_in_words_and_in_little_memory(bomb: str, ends: str | dict[str, int]) -> None:
    environment = {**os.environ, "DATABASE_URL": database_url(), "DJANGO_SETTINGS_MODULE": "settings.test"}

    done = subprocess.run(
        [sys.executable, "-c", CHILD, bomb], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=240
    )

    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["megabytes"] < MEGABYTES, found
    if isinstance(ends, str):
        assert ends in found["refused"]
    else:
        assert (found["state"], found["name"]) == ("finished", "x.csv")
        assert {name: found["counts"][name] for name in ends} == ends
        counts = found["counts"]
        assert counts["rows"] == counts["new"] + counts["updated"] + counts["unchanged"] + counts["rejected"]


@pytest.mark.parametrize("start", [b"PK\x03\x04", b"\xd0\xcf\x11\xe0", b"%PDF", b"\x1f\x8b"])
def test_archives_and_sheets_are_never_opened(start: bytes) -> None:
    assert start in import_files._NOT_TEXT
