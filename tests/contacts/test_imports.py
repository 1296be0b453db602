"""Imports: every row is accounted for, nobody comes back, and a kill costs nothing."""

from __future__ import annotations

import tracemalloc
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import transaction

from apps.accounts.models import User, Workspace
from apps.contacts.models import Contact, ContactList, ImportChunk, ImportJob, ImportReject, ImportSeen, Subscription
from apps.contacts.services import import_rows, imports, subscriptions, suppression
from core.errors import InvalidTransitionError, NotFoundError
from tests.contacts.conftest import Rung, Upload

pytestmark = pytest.mark.django_db


def five_hundred_rows() -> str:
    """A file as a tool in Moscow writes it: 500 rows, 20 of them bad."""
    bad = [
        "Нет;Адреса;;Пермь",
        "Пусто;;;",
        "Павел;Б;pavel@;Уфа",
        "Мария;В;maria@@lagoa.example;Омск",
        "Два;Адреса;a1@x.example, a2@x.example;Тула",
        "Без;Собаки;nobody.example;Тула",
        "Про;Бел;with space@x.example;Тула",
        "Лишний;Столбец;extra@x.example;Тула;ещё",
        '"Кавычка" в середине;Г;quote@x.example;Уфа',
        "Точки;Д;dots..twice@x.example;Уфа",
    ]
    doubles = [f"Ещё;Раз;PERSON{n}@Orchard.Example;Казань" for n in range(10)]
    good = [f'Надежда;"Орлова; {n}";person{n}@orchard.example;"Нижний ""Н""\r\nНовгород"' for n in range(480)]
    rows = [*good[:240], *bad, *good[240:], *doubles]
    return "\r\n".join(["Имя;Фамилия;E-mail;Город", *rows]) + "\r\n"


def test_brings_a_file_of_500_rows_and_names_the_20_bad_ones(bring: Upload, contact_list: ContactList) -> None:
    job = bring(five_hundred_rows(), encoding="windows-1251")

    assert (job.state, job.encoding, job.delimiter, job.has_header) == ("finished", "windows-1251", ";", True)
    assert job.counts == {
        "rows": 500,
        "new": 480,
        "updated": 0,
        "unchanged": 0,
        "rejected": 20,
        "duplicates_in_file": 10,
        "suppressed": 0,
        "unsubscribed": 0,
    }
    assert contact_list.subscriptions.filter(state="confirmed").count() == 480
    one = Contact.objects.get(email="person7@orchard.example")
    assert (one.first_name, one.last_name) == ("Надежда", "Орлова; 7")
    assert one.attributes == {"город": 'Нижний "Н"\nНовгород'}
    codes = Counter(job.rejects.values_list("code", flat=True))
    assert codes == {
        "missing_address": 2,
        "nothing_after_at": 1,
        "two_at_signs": 1,
        "two_addresses": 1,
        "no_at_sign": 1,
        "space": 1,
        "columns": 1,
        "bad_quote": 1,
        "invalid_address": 1,
        "duplicate": 10,
    }
    first_bad = job.rejects.order_by("line").first()
    assert first_bad is not None
    assert (first_bad.line, first_bad.row[0]) == (1 + 240 * 2 + 1, "Нет")
    double = job.rejects.filter(code="duplicate").order_by("line").first()
    assert double is not None
    assert double.reason == "Same person as line 2, which we keep."


def test_keeps_nothing_of_the_file_behind(bring: Upload) -> None:
    job = bring("email\na@x.example\n")

    assert job.state == "finished"
    assert not ImportChunk.objects.filter(job=job).exists()
    assert not ImportSeen.objects.filter(job=job).exists()


def test_the_same_file_again_changes_nobody(bring: Upload) -> None:
    bring(five_hundred_rows(), encoding="windows-1251")
    before = list(Contact.objects.order_by("pk").values())

    again = bring(five_hundred_rows(), encoding="windows-1251")

    assert (again.counts["new"], again.counts["updated"], again.counts["unchanged"]) == (0, 0, 480)
    assert list(Contact.objects.order_by("pk").values()) == before


def test_an_empty_cell_erases_nothing_and_a_new_value_updates(bring: Upload) -> None:
    bring("email,first name,city,plan\na@x.example,Ann,Porto,gold\nb@x.example,Bob,Leith,\n")

    job = bring("email,first name,city\nA@X.example,,Lisbon\nb@x.example,,\n")

    assert (job.counts["updated"], job.counts["unchanged"]) == (1, 1)
    ann = Contact.objects.get(email="a@x.example")
    assert (ann.first_name, ann.attributes) == ("Ann", {"city": "Lisbon", "plan": "gold"})


def test_never_revives_anybody_and_counts_them(
    bring: Upload, workspace: Workspace, contact_list: ContactList, make_contact: Callable[..., Contact]
) -> None:
    left, complained = make_contact("left@x.example"), make_contact("spam@x.example")
    subscriptions.unsubscribe(left.pk, [contact_list.pk], source="link")
    suppression.add(workspace.pk, email=complained.email, reason="complaint", source="report")
    suppression.add(workspace.pk, email="new@x.example", reason="hard_bounce")

    job = bring("email\nLEFT@x.example\nspam@x.example\nnew@x.example\nfine@x.example\n")

    assert (job.counts["suppressed"], job.counts["unsubscribed"], job.counts["new"]) == (2, 1, 2)
    assert Subscription.objects.get(contact=left, contact_list=contact_list).state == "unsubscribed"
    assert suppression.is_suppressed(workspace.pk, email="spam@x.example")
    assert suppression.is_suppressed(workspace.pk, email="new@x.example")


def test_does_not_confirm_who_has_yet_to_confirm(
    bring: Upload, contact_list: ContactList, make_contact: Callable[..., Contact]
) -> None:
    waiting = make_contact("wait@x.example", subscribed=False)
    Subscription.objects.create(contact=waiting, contact_list=contact_list, state="unconfirmed")

    bring("email\nwait@x.example\n")

    assert Subscription.objects.get(contact=waiting).state == "unconfirmed"


class Killed(Exception):
    """Stands for a worker that dies in the middle of a chunk."""


def test_a_kill_anywhere_leaves_the_same_result(upload: Upload, monkeypatch: pytest.MonkeyPatch) -> None:
    job = imports.start(upload(five_hundred_rows(), encoding="windows-1251"))
    real_write = import_rows.write
    chunks = 0

    def die_after_writing(*args: Any) -> dict[str, int]:
        counts = real_write(*args)
        if chunks % 2 == 0:
            raise Killed
        return counts

    monkeypatch.setattr(import_rows, "write", die_after_writing)
    more = True
    while more:
        try:
            more = imports.run_chunk(job.pk, rows=37)
        except Killed:
            job.refresh_from_db()
            assert job.counts["rows"] == ImportReject.objects.filter(job=job).count() + Contact.objects.count()
        chunks += 1

    job.refresh_from_db()
    assert job.state == "finished"
    assert (job.counts["rows"], job.counts["new"], job.counts["rejected"]) == (500, 480, 20)
    assert (Contact.objects.count(), job.rejects.count()) == (480, 20)
    assert job.rows_done == job.rows_total == 500


def test_chunk_size_changes_nothing_about_the_result(bring: Upload, upload: Upload) -> None:
    bring(five_hundred_rows(), encoding="windows-1251")
    whole = list(ImportReject.objects.order_by("line").values_list("line", "code", "row"))

    job = imports.start(upload(five_hundred_rows(), encoding="windows-1251"))
    while imports.run_chunk(job.pk, rows=1):
        pass

    assert list(job.rejects.order_by("line").values_list("line", "code", "row")) == whole


def test_rings_again_when_the_turn_is_over(
    upload: Upload,
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
    rung: Rung,
    django_capture_on_commit_callbacks: Any,
) -> None:
    monkeypatch.setattr(imports, "CHUNK_ROWS", 1)
    settings.LIMITS = type("Short", (), {"import_turn": 0, "import_patience": 60})()
    with django_capture_on_commit_callbacks(execute=True):
        job = imports.start(upload("email\na@x.example\nb@x.example\n"))

    with django_capture_on_commit_callbacks(execute=True):
        imports.run(job.pk)

    job.refresh_from_db()
    assert job.state == "running"
    assert rung == [(imports.RUN_TASK, [(job.pk,)])] * 2


def test_the_sweep_rings_only_for_imports_that_stand_still(
    upload: Upload, rung: Rung, django_capture_on_commit_callbacks: Any
) -> None:
    still, moving = (imports.start(upload(f"email\n{name}@x.example\n")) for name in "ab")
    ImportJob.objects.filter(pk=still.pk).update(moved_at="2026-01-01T00:00:00Z")

    with django_capture_on_commit_callbacks(execute=True):
        assert imports.sweep() == 1

    assert rung == [(imports.RUN_TASK, [(still.pk,)])]
    assert moving.state == "running"


def test_the_sweep_drops_files_that_nobody_started(upload: Upload) -> None:
    old, fresh = upload("email\na@x.example\n"), upload("email\nb@x.example\n")
    ImportJob.objects.filter(pk=old.pk).update(created_at="2026-01-01T00:00:00Z")

    imports.sweep()

    old.refresh_from_db()
    assert old.state == "cancelled"
    assert list(ImportChunk.objects.values_list("job_id", flat=True)) == [fresh.pk]


def test_cancel_stops_behind_the_chunk_in_hand(upload: Upload) -> None:
    job = imports.start(upload("email\na@x.example\nb@x.example\nc@x.example\n"))
    imports.run_chunk(job.pk, rows=1)

    imports.cancel(job)

    assert not imports.run_chunk(job.pk)
    job.refresh_from_db()
    assert (job.state, Contact.objects.count()) == ("cancelled", 1)
    with pytest.raises(InvalidTransitionError):
        imports.cancel(job)


def test_starts_once(upload: Upload) -> None:
    job = upload("email\na@x.example\n")
    imports.start(job)

    with pytest.raises(InvalidTransitionError):
        imports.start(job)


def test_fails_with_a_sentence_when_its_list_is_deleted(upload: Upload, contact_list: ContactList) -> None:
    job = imports.start(upload("email\na@x.example\n"))
    contact_list.delete()

    imports.run_to_end(job)

    assert (job.state, job.error) == ("failed", "The list was deleted while the import ran.")
    assert not Contact.objects.exists()


@pytest.mark.parametrize(
    ("options", "code"),
    [({"consent": ""}, "no_consent"), ({"contact_list": None}, "no_list")],
)
def test_refuses_to_start_without_list_and_consent(upload: Upload, options: dict[str, Any], code: str) -> None:
    job = upload("email\na@x.example\n", **options)

    with pytest.raises(imports.ImportMappingError) as refused:
        imports.start(job)

    assert refused.value.code == code
    job.refresh_from_db()
    assert job.state == "uploaded"


def test_refuses_a_list_of_another_workspace(upload: Upload, stranger: User) -> None:
    elsewhere = Workspace.objects.get(slug="elsewhere")
    foreign = ContactList.objects.create(workspace=elsewhere, name="Theirs")

    with pytest.raises(NotFoundError):
        upload("email\na@x.example\n", contact_list=foreign)
    with pytest.raises(NotFoundError):
        imports.start(upload("email\na@x.example\n"), contact_list=foreign)


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "empty_file"),
        (b"\n\n  \n", "empty_file"),
        (b"PK\x03\x04rest", "not_csv"),
        (b"a@x.example\n" * 2_000_001, "too_many_rows"),
        (b"x" * (100 * 1024 * 1024 + 1), "file_too_big"),
    ],
)
def test_refuses_files_it_cannot_take_and_keeps_nothing(upload: Upload, data: bytes, code: str) -> None:
    with pytest.raises(imports.ImportFileError) as refused, transaction.atomic():
        upload(data)

    assert refused.value.code == code
    assert not ImportJob.objects.exists()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "windows-1251", "koi8-r"])
def test_reads_every_usual_encoding(bring: Upload, encoding: str) -> None:
    job = bring("Почта\tИмя\nn@x.example\tНадежда\nt@x.example\tТимур\n", encoding=encoding)

    assert job.counts["new"] == 2
    assert Contact.objects.get(email="n@x.example").first_name == "Надежда"


def test_cleans_control_characters_and_takes_idn(bring: Upload) -> None:
    job = bring("email,name\n\x00a@x.example,An\x0bn\x00 Lee\nmail@пример.example,\x1b[31mRed\n")

    assert job.counts["new"] == 2
    ann = Contact.objects.get(email="a@x.example")
    assert (ann.first_name, ann.last_name) == ("Ann", "Lee")
    assert Contact.objects.filter(email="mail@xn--e1afmkfd.example", first_name="[31mRed").exists()


def test_reads_a_file_without_head_and_with_an_excel_hint(bring: Upload) -> None:
    bare = bring("1;a@x.example\n2;b@x.example\n")
    hinted = bring("sep=;\nE-mail;Name\nc@x.example;Cleo\n")

    assert (bare.has_header, bare.counts["new"]) == (False, 2)
    assert (hinted.counts["rows"], hinted.counts["new"]) == (1, 1)


def test_reads_again_as_told(upload: Upload) -> None:
    job = upload("Имя;Почта\nНадежда;n@x.example\n", encoding="koi8-r")

    job = imports.read_as(job, encoding="cp866", delimiter=";", has_header=False)

    assert (job.encoding, job.has_header, len(imports.preview(job).rows)) == ("cp866", False, 2)
    with pytest.raises(imports.ImportFileError):
        imports.read_as(job, encoding="rot13", delimiter=";", has_header=True)


def test_previews_the_first_rows_and_the_mapping(upload: Upload) -> None:
    job = upload("E-mail,First name,City\n" + "".join(f"p{n}@x.example,P{n},Porto\n" for n in range(9)))

    shown = imports.preview(job)

    assert shown.mapping == {0: "email", 1: "first_name", 2: "attr:city"}
    assert [row[0] for row in shown.rows] == [f"p{n}@x.example" for n in range(5)]


def test_memory_stays_flat_over_many_rows(upload: Upload, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = 6000
    monkeypatch.setattr(imports.run_chunk, "__kwdefaults__", {"rows": 500})
    job = imports.start(upload("email,name\n" + "".join(f"p{n}@x.example,Person {n}\n" for n in range(rows))))
    imports.run_chunk(job.pk)
    tracemalloc.start()
    imports.run_chunk(job.pk)
    _, one_chunk = tracemalloc.get_traced_memory()
    tracemalloc.reset_peak()

    imports.run_to_end(job)
    _, all_chunks = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert job.counts["new"] == rows
    assert all_chunks < one_chunk * 1.5


class Endless:
    """A file of 1 GB in one line."""

    def __init__(self) -> None:
        self.left: Iterator[bytes] = (b"y" * (1 << 20) for _ in range(1024))
        self.given = 0

    def read(self, size: int = -1, /) -> bytes:
        self.given += 1
        return next(self.left, b"")


def test_stops_reading_at_the_cap(workspace: Workspace) -> None:
    endless = Endless()

    with pytest.raises(imports.ImportFileError), transaction.atomic():
        imports.upload(workspace, endless, file_name="bomb.csv", contact_list=None, by=None)

    assert endless.given <= 102
