"""People as CSV: no cell acts in a spreadsheet, and the file comes back as it left."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from apps.accounts.models import AuditEntry, User
from apps.contacts.models import Contact, ContactList
from apps.contacts.services import imports
from tests.contacts.conftest import Upload

MakeContact = Callable[..., Contact]
PAYLOADS = [
    "=1+1", "=HYPERLINK(\"http://x.example\",\"a\")", "+1+1", "-2+3", "@SUM(1)", "'=1", "''=1", "|calc", "%0A",
    "=cmd|' /C calc'!A0", "a;=1+1", 'a","=1+1', "+351 912 345 678", "it's", "'quoted'",
]  # fmt: skip


def export(client: Client, **wanted: str) -> list[list[str]]:
    answer: Any = client.post(reverse("contacts:export", args=["northlight"]), wanted)
    assert answer.headers["Content-Disposition"] == 'attachment; filename="northlight-contacts.csv"'
    body = b"".join(answer.streaming_content).decode("utf-8-sig")
    return list(csv.reader(io.StringIO(body)))


@pytest.mark.django_db
class TestExport:
    def test_says_who_they_are_and_where_they_stand(
        self, owner_client: Client, make_contact: MakeContact, contact_list: ContactList
    ) -> None:
        make_contact("ann@x.example", first_name="Ann", attributes={"city": "Porto", "visits": 3})
        make_contact("bob@y.example", subscribed=False)

        head, ann, bob = export(owner_client)

        assert head == [
            "email", "first_name", "last_name", "city", "visits",
            "VashSender lists", "VashSender state", "VashSender consent", "VashSender added",
        ]  # fmt: skip
        assert ann[:7] == ["ann@x.example", "Ann", "", "Porto", "3", "Newsletter", "yes"]
        assert bob[:7] == ["bob@y.example", "", "", "", "", "", "no_list"]

    def test_takes_the_filter_along(self, owner_client: Client, make_contact: MakeContact) -> None:
        for name in ("ann@x.example", "bob@y.example"):
            make_contact(name)

        assert [row[0] for row in export(owner_client, q="y.example")[1:]] == ["bob@y.example"]

    def test_is_whole_over_many_pieces(
        self, owner_client: Client, make_contact: MakeContact, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("apps.contacts.services.exports.CHUNK", 7)
        made = [make_contact(f"p{n}@x.example").email for n in range(30)]

        assert [row[0] for row in export(owner_client)[1:]] == made

    def test_a_file_with_formulas_round_trips_through_an_import(
        self, owner_client: Client, make_contact: MakeContact, upload: Upload
    ) -> None:
        people = [
            make_contact(f"+p{n}@x.example", first_name=payload, attributes={"note": payload, "mail": "m"})
            for n, payload in enumerate(PAYLOADS)
        ]
        rows = export(owner_client)
        assert not [cell for row in rows for cell in row if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]
        answer: Any = owner_client.post(reverse("contacts:export", args=["northlight"]))
        data = b"".join(answer.streaming_content)
        before = list(Contact.objects.order_by("email").values("email", "first_name", "last_name", "attributes"))

        again = imports.run_to_end(imports.start(upload(data)))
        assert (again.counts["unchanged"], again.counts["rejected"]) == (len(people), 0)
        Contact.objects.all().delete()
        afresh = imports.run_to_end(imports.start(upload(data)))

        assert afresh.counts["new"] == len(people)
        assert (
            list(Contact.objects.order_by("email").values("email", "first_name", "last_name", "attributes")) == before
        )

    def test_leaves_a_row_in_the_audit_and_is_not_for_viewers(
        self, owner_client: Client, colleague: User, make_contact: MakeContact
    ) -> None:
        make_contact("ann@x.example")
        viewer = Client()
        viewer.force_login(colleague)

        assert viewer.post(reverse("contacts:export", args=["northlight"])).status_code == 403
        assert not AuditEntry.objects.filter(action="exported").exists()
        export(owner_client)

        entry = AuditEntry.objects.get(action="exported")
        assert (entry.target, entry.detail) == ("contacts.csv", {"people": 1})
