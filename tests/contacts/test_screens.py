"""The screens of people, lists, imports and suppressions, as a marketer uses them."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from apps.accounts.models import User, Workspace
from apps.contacts import uploads
from apps.contacts.models import Contact, ContactList, ImportJob, Subscription, Suppression
from apps.contacts.services import imports, subscriptions, suppression
from tests.contacts.conftest import Rung

pytestmark = pytest.mark.django_db
MakeContact = Callable[..., Contact]


def url(name: str, **kwargs: Any) -> str:
    return reverse(f"contacts:{name}", kwargs={"workspace_slug": "northlight", **kwargs})


def text(answer: Any) -> str:
    assert answer.status_code in (200, 422), answer.status_code
    return answer.content.decode()


@pytest.fixture
def colleague_client(colleague: User) -> Client:
    client = Client()
    client.force_login(colleague)
    return client


class TestPeople:
    def test_an_empty_workspace_says_what_to_do(self, owner_client: Client) -> None:
        assert "Nobody here yet" in text(owner_client.get(url("list")))

    def test_finds_by_name_and_address(self, owner_client: Client, make_contact: MakeContact) -> None:
        make_contact("ann@x.example", first_name="Ann", last_name="Lee")
        make_contact("bob@y.example", first_name="Bob")

        found = text(owner_client.get(url("list"), {"q": "lee ann"}))

        assert "ann@x.example" in found
        assert "bob@y.example" not in found
        assert "Nobody matches" in text(owner_client.get(url("list"), {"q": "zed"}))

    def test_says_who_can_be_written_to(
        self, owner_client: Client, make_contact: MakeContact, contact_list: ContactList, workspace: Workspace
    ) -> None:
        make_contact("yes@x.example")
        left = make_contact("left@x.example")
        subscriptions.unsubscribe(left.pk, [contact_list.pk], source="link")
        make_contact("stop@x.example")
        suppression.add(workspace.pk, email="stop@x.example", reason="complaint")
        make_contact("none@x.example", subscribed=False)

        page = text(owner_client.get(url("list")))

        assert "4 people." in page
        assert "1 can be written to." in page
        for words in ("No: marked as spam", "No: left", "On no list"):
            assert words in page
        for state, address in (("yes", "yes@"), ("unsubscribed", "left@"), ("suppressed", "stop@")):
            rows = owner_client.get(url("list"), {"state": state, "list": str(contact_list.uuid)}).context["page"]
            assert [person.contact.email for person in rows.people] == [f"{address}x.example"]

    def test_shows_more_by_key_without_gaps_or_doubles(self, owner_client: Client, make_contact: MakeContact) -> None:
        made = [make_contact(f"p{n}@x.example") for n in range(120)]
        seen, address = [], url("list")

        while address:
            context = owner_client.get(address).context
            seen += [person.contact.pk for person in context["page"].people]
            address = url("list") + context["next_url"] if context["next_url"] else ""

        assert seen == [contact.pk for contact in reversed(made)]
        assert context["shown"] == 120

    def test_asks_the_database_as_often_for_many_as_for_few(
        self, owner_client: Client, make_contact: MakeContact
    ) -> None:
        def queries() -> int:
            with CaptureQueriesContext(
                connection,
            ) as counted:
                owner_client.get(url("list"))
            return len(counted)

        make_contact("p@x.example")
        few = queries()
        for n in range(40):
            make_contact(f"p{n}@x.example")

        assert queries() == few

    def test_adds_by_hand_and_leads_to_who_is_there_already(
        self, owner_client: Client, contact_list: ContactList
    ) -> None:
        form = {"email": "ann@x.example", "first_name": "Ann", "lists": [str(contact_list.uuid)]}

        owner_client.post(url("add"), form)
        again = owner_client.post(url("add"), {**form, "email": "ANN@x.example", "first_name": "Other"})

        contact = Contact.objects.get()
        assert (contact.first_name, contact.subscriptions.get().state) == ("Ann", "confirmed")
        assert again.headers["Location"] == url("detail", contact_uuid=contact.uuid)

    def test_says_what_is_wrong_with_an_address(self, owner_client: Client) -> None:
        assert "Not an email address" in text(owner_client.post(url("add"), {"email": "ann@localhost@x"}))
        assert not Contact.objects.exists()

    def test_changes_names_lists_and_suppression(
        self, owner_client: Client, make_contact: MakeContact, contact_list: ContactList, workspace: Workspace
    ) -> None:
        contact = make_contact("ann@x.example", subscribed=False)
        key, chosen = {"contact_uuid": contact.uuid}, {"contact_list": str(contact_list.uuid)}

        owner_client.post(url("edit", **key), {"email": "ann@x.example", "first_name": "Ann", "last_name": "Lee"})
        owner_client.post(url("subscribe", **key), chosen)
        assert Subscription.objects.get().state == "confirmed"
        owner_client.post(url("unsubscribe", **key), chosen)
        owner_client.post(url("subscribe", **key), chosen)
        owner_client.post(url("suppress", **key))

        contact.refresh_from_db()
        assert contact.name == "Ann Lee"
        assert Subscription.objects.get().state == "unsubscribed"
        assert suppression.is_suppressed(workspace.pk, email="ann@x.example")
        assert "Nothing is sent to this address." in text(owner_client.get(url("detail", **key)))

    def test_takes_no_list_of_another_workspace(
        self, owner_client: Client, make_contact: MakeContact, stranger: User
    ) -> None:
        foreign = ContactList.objects.create(workspace=Workspace.objects.get(slug="elsewhere"), name="Theirs")
        contact = make_contact("ann@x.example", subscribed=False)

        owner_client.post(url("subscribe", contact_uuid=contact.uuid), {"contact_list": str(foreign.uuid)})
        added = owner_client.post(url("add"), {"email": "bob@x.example", "lists": [str(foreign.uuid)]})

        assert added.status_code == 422
        assert not Subscription.objects.exists()
        assert "ann@x.example" in text(owner_client.get(url("list"), {"list": str(foreign.uuid)}))

    def test_shows_what_people_typed_as_text_only(self, owner_client: Client, make_contact: MakeContact) -> None:
        evil = '<script>alert(1)</script>"><img src=x onerror=alert(1)>'
        contact = make_contact("ann@x.example", first_name=evil, attributes={evil: evil})

        pages = [owner_client.get(url("list")), owner_client.get(url("detail", contact_uuid=contact.uuid))]

        for page in pages:
            assert "<script>alert" not in text(page)
            assert "<img src=x" not in text(page)

    def test_deletes(self, owner_client: Client, make_contact: MakeContact) -> None:
        contact = make_contact("ann@x.example")

        owner_client.post(url("delete", contact_uuid=contact.uuid), {"typed": "bob@x.example"})
        assert Contact.objects.exists()
        owner_client.post(url("delete", contact_uuid=contact.uuid), {"typed": "Ann@x.example"})
        assert not Contact.objects.exists()

    def test_a_viewer_looks_and_touches_nothing(self, colleague_client: Client, make_contact: MakeContact) -> None:
        contact = make_contact("ann@x.example", first_name="Ann")
        key = {"contact_uuid": contact.uuid}

        assert "Ann" in text(colleague_client.get(url("detail", **key)))
        assert colleague_client.get(url("add")).status_code == 403
        for name in ("edit", "subscribe", "unsubscribe", "suppress", "delete"):
            assert colleague_client.post(url(name, **key), {"first_name": "X"}).status_code == 403
        contact.refresh_from_db()
        assert (contact.first_name, Suppression.objects.count()) == ("Ann", 0)


class TestLists:
    def test_makes_and_renames(self, owner_client: Client, workspace: Workspace) -> None:
        owner_client.post(url("list_add"), {"name": "Events"})
        made = ContactList.objects.get(name="Events")

        owner_client.post(url("list_edit", contactlist_uuid=made.uuid), {"name": "Porto events", "description": "d"})

        assert "Porto events" in text(owner_client.get(url("lists")))

    def test_refuses_a_name_that_is_taken(self, owner_client: Client, contact_list: ContactList) -> None:
        answer = owner_client.post(url("list_add"), {"name": contact_list.name})

        assert "There is a list with this name already." in text(answer)

    def test_counts_people_by_state(self, owner_client: Client, make_contact: MakeContact) -> None:
        make_contact("a@x.example")
        make_contact("b@x.example")

        assert [one.confirmed for one in owner_client.get(url("lists")).context["lists"]] == [2]


class TestSuppressed:
    def test_adds_finds_and_lifts(self, owner_client: Client, workspace: Workspace) -> None:
        owner_client.post(url("suppression_add"), {"emails": "Ann@x.example", "note": "asked by phone"})
        page = text(owner_client.get(url("suppressed"), {"q": "ann"}))
        assert "asked by phone" in page
        assert "Lift" in page

        address = url("suppression_remove", suppression_id=Suppression.objects.get().pk)
        assert "Why" in text(owner_client.get(address))
        assert owner_client.post(address, {"why": ""}).status_code == 422
        owner_client.post(address, {"why": "a new mailbox"})

        assert not Suppression.objects.exists()

    def test_says_why_a_complaint_stays(self, owner_client: Client, workspace: Workspace) -> None:
        made = suppression.add(workspace.pk, email="ann@x.example", reason="complaint")

        address = url("suppression_remove", suppression_id=made.pk)
        assert "This suppression stays." in text(owner_client.get(address))
        answer = owner_client.post(address, {"why": "please"}, follow=True)

        assert "cannot be lifted" in text(answer)
        assert Suppression.objects.count() == 1


FILE = "Имя;E-mail;Город\nНадежда;n@x.example;Пермь\nБез адреса;;\nТимур;t@x.example;=1+1\nПлохой;@x;=cmd|x\n"


class TestImport:
    def upload(self, client: Client, data: bytes = FILE.encode("windows-1251"), name: str = "люди.csv") -> Any:
        return client.post(url("import_new"), {"file": SimpleUploadedFile(name, data)}, follow=True)

    def form(self, contact_list: ContactList | None, **changes: str) -> dict[str, str]:
        return {
            "contact_list": str(contact_list.uuid) if contact_list else "",
            "agreed": "on",
            "consent": "Signed at our stand",
            "column_0": "first_name",
            "column_1": "email",
            "column_2": "attr:город",
            **changes,
        }

    def test_from_file_to_result(
        self, owner_client: Client, contact_list: ContactList, rung: Rung, django_capture_on_commit_callbacks: Any
    ) -> None:
        columns = text(self.upload(owner_client))
        job = ImportJob.objects.get()
        key = {"importjob_uuid": job.uuid}
        assert "Надежда" in columns
        assert "3 recognised" in columns

        owner_client.post(url("import_check", **key), self.form(contact_list))
        looked = text(owner_client.get(url("import_detail", **key)))
        assert "Import 2 people" in looked
        assert "There is no address." in looked
        assert not Contact.objects.exists()

        with django_capture_on_commit_callbacks(execute=True):
            owner_client.post(url("import_start", **key))
        assert rung == [(imports.RUN_TASK, [(job.pk,)])]
        running = text(owner_client.get(url("import_detail", **key)))
        assert 'hx-trigger="poll"' in running
        imports.run_to_end(job)

        polled = owner_client.get(url("import_detail", **key), headers={"HX-Request": "true"})
        assert polled.headers["HX-Refresh"] == "true"
        result = text(owner_client.get(url("import_detail", **key)))
        assert "2 rows we cannot take" in result
        assert "There is no address." in result
        assert Contact.objects.get(email="n@x.example").attributes == {"город": "Пермь"}
        assert job.counts["rows"] == 4
        assert text(owner_client.get(url("imports"))).count("люди.csv") == 1

    def test_makes_the_new_list_only_when_it_starts(self, owner_client: Client, workspace: Workspace) -> None:
        self.upload(owner_client)
        job = ImportJob.objects.get()
        address = url("import_check", importjob_uuid=job.uuid)

        refused = owner_client.post(address, self.form(None, new_list="Fair", column_1="attr:x_y"))
        assert refused.status_code == 422
        refused = owner_client.post(address, self.form(None, new_list="Fair", column_1=""))
        assert "Say which column holds the addresses." in text(refused)
        assert not ContactList.objects.exists()

        owner_client.post(address, self.form(None, new_list="Fair"))
        assert not ContactList.objects.exists()
        owner_client.post(url("import_start", importjob_uuid=job.uuid))
        job.refresh_from_db()
        assert (job.state, ContactList.objects.get()) == ("running", job.contact_list)

    def test_puts_nobody_on_a_list_of_another_workspace(self, owner_client: Client, stranger: User) -> None:
        foreign = ContactList.objects.create(workspace=Workspace.objects.get(slug="elsewhere"), name="Theirs")
        self.upload(owner_client)
        job = ImportJob.objects.get()

        answer = owner_client.post(url("import_check", importjob_uuid=job.uuid), self.form(foreign))

        assert answer.status_code == 422
        job.refresh_from_db()
        assert (job.state, job.contact_list) == ("uploaded", None)

    def test_needs_their_consent(self, owner_client: Client, contact_list: ContactList) -> None:
        self.upload(owner_client)
        form = self.form(contact_list)
        del form["agreed"]

        answer = owner_client.post(url("import_check", importjob_uuid=ImportJob.objects.get().uuid), form)

        assert "Without their consent" in text(answer)
        assert ImportJob.objects.get().state == "uploaded"

    def test_reads_again_as_told(self, owner_client: Client, workspace: Workspace) -> None:
        self.upload(owner_client)
        job = ImportJob.objects.get()

        owner_client.post(
            url("import_read_as", importjob_uuid=job.uuid), {"encoding": "koi8-u", "delimiter": ",", "has_header": ""}
        )

        job.refresh_from_db()
        assert (job.encoding, job.delimiter, job.has_header) == ("koi8-u", ",", False)

    @pytest.mark.parametrize(
        ("data", "words"),
        [(b"PK\x03\x04", "This is not a CSV file."), (b"\n", "The file is empty."), (b"", "empty")],
    )
    def test_says_what_is_wrong_with_a_file(self, owner_client: Client, data: bytes, words: str) -> None:
        assert words in text(self.upload(owner_client, data))
        assert not ImportJob.objects.exists()

    def test_stops_a_file_over_the_cap_while_it_comes(
        self, owner_client: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(uploads, "MAX_BYTES", 100_000)

        answer = self.upload(owner_client, b"email\n" + b"a@x.example\n" * 20_000)

        assert "larger than 100 MB" in text(answer)
        assert not ImportJob.objects.exists()

    def test_gives_refused_rows_that_no_spreadsheet_runs(self, owner_client: Client, contact_list: ContactList) -> None:
        self.upload(owner_client)
        job = imports.run_to_end(imports.start(ImportJob.objects.get(), contact_list=contact_list, consent="yes"))

        answer = owner_client.get(url("import_rejects", importjob_uuid=job.uuid))

        assert answer.headers["Content-Disposition"].startswith("attachment")
        body = b"".join(answer.streaming_content).decode("utf-8-sig")  # type: ignore[attr-defined]
        assert list(csv.reader(io.StringIO(body))) == [
            ["Line", "Why not", "Имя", "E-mail", "Город"],
            ["3", "There is no address.", "Без адреса", "", ""],
            ["5", "There is nothing before the @.", "Плохой", "'@x", "'=cmd|x"],
        ]

    def test_stops(self, owner_client: Client, contact_list: ContactList) -> None:
        self.upload(owner_client)
        job = imports.start(ImportJob.objects.get(), contact_list=contact_list, consent="yes")

        owner_client.post(url("import_cancel", importjob_uuid=job.uuid))

        job.refresh_from_db()
        assert job.state == "cancelled"

    def test_a_viewer_sees_imports_and_starts_none(
        self, owner_client: Client, colleague_client: Client, contact_list: ContactList
    ) -> None:
        self.upload(owner_client)
        job = ImportJob.objects.get()

        assert "люди.csv" in text(colleague_client.get(url("imports")))
        assert colleague_client.get(url("import_new")).status_code == 403
        start = colleague_client.post(url("import_start", importjob_uuid=job.uuid), self.form(contact_list))
        assert start.status_code == 403
        job.refresh_from_db()
        assert job.state == "uploaded"
