"""Many suppressions at once: typed in, or the file of another tool."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from apps.accounts.models import AuditEntry, User, Workspace
from apps.contacts.models import ConsentEvent, Contact, Suppression
from apps.contacts.services import suppression, suppression_lists

pytestmark = pytest.mark.django_db
ADD = "/w/northlight/suppressed/add/"


def emails() -> list[str]:
    return list(Suppression.objects.order_by("email").values_list("email", flat=True))


def test_takes_one_address_of_each_line_and_says_what_came_of_it(workspace: Workspace, owner: User) -> None:
    suppression.add(workspace.pk, email="known@x.example", reason="complaint")
    lines = [
        "Email,Reason",
        "a@x.example,bounced",
        'x;"B@x.example";spam',
        "",
        "known@x.example",
        "A@X.example",
        "nobody@",
    ]

    result = suppression_lists.add(workspace, lines, note="from the old tool", by=owner)

    assert (result.added, result.known, result.refused_count) == (2, 1, 1)
    assert result.refused[0][:2] == (7, "nobody@")
    assert emails() == ["A@x.example", "B@x.example", "known@x.example"]
    assert Suppression.objects.get(email="B@x.example").source == "by hand, Ines Marlow: from the old tool"
    assert Suppression.objects.get(email="known@x.example").reason == "complaint"
    assert AuditEntry.objects.get(action="suppressions_added").detail == {"people": 2}


def test_people_of_the_workspace_get_it_into_their_history(
    workspace: Workspace, owner: User, make_contact: Callable[..., Contact]
) -> None:
    ann = make_contact("ann@x.example")

    suppression_lists.add(workspace, ["ANN@x.example", "other@x.example"], note="", by=owner)

    assert list(ConsentEvent.objects.values_list("contact", "kind")) == [(ann.pk, "suppressed")]


def test_refuses_too_many_lines_and_changes_nothing(
    workspace: Workspace, owner: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(suppression_lists, "MAX_LINES", 2)

    with pytest.raises(suppression_lists.SuppressionFileError):
        suppression_lists.add(workspace, ["a@x.example"] * 3, note="", by=owner)

    assert emails() == []


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "windows-1251"])
def test_reads_a_file_in_any_usual_encoding(owner_client: Client, workspace: Workspace, encoding: str) -> None:
    data = "Почта;Причина\nann@x.example;жалоба\n".encode(encoding)

    owner_client.post(ADD, {"file": SimpleUploadedFile("s.csv", data)})

    assert emails() == ["ann@x.example"]


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({}, "Give at least one address, or choose a file."),
        ({"file": b"PK\x03\x04"}, "This is not a CSV file."),
        ({"file": b"a@x.example\n" * 500_000}, "larger than 5 MB"),
    ],
)
def test_says_what_is_wrong(owner_client: Client, values: dict[str, Any], words: str) -> None:
    sent = {name: SimpleUploadedFile("s.csv", data) for name, data in values.items()}

    answer = owner_client.post(ADD, sent)

    assert answer.status_code == 422
    assert words in answer.content.decode()
    assert emails() == []


def test_shows_the_lines_that_hold_no_address(owner_client: Client, workspace: Workspace) -> None:
    page = owner_client.post(ADD, {"emails": "ann@x.example\n<b>nobody@\n"}).content.decode()

    assert "1 line is no address" in page
    assert "&lt;b&gt;nobody@" in page
    assert emails() == ["ann@x.example"]


def test_a_viewer_adds_and_lifts_nothing(colleague: User, workspace: Workspace) -> None:
    made = suppression.add(workspace.pk, email="ann@x.example", reason="manual")
    viewer = Client()
    viewer.force_login(colleague)

    lift = reverse("contacts:suppression_remove", args=["northlight", made.pk])
    assert viewer.post(ADD, {"emails": "b@x.example"}).status_code == 403
    assert viewer.post(lift, {"why": "x"}).status_code == 403
    assert emails() == ["ann@x.example"]


def test_what_stands_on_a_list_by_hand_outlives_the_wish_to_stop(workspace: Workspace, owner: User) -> None:
    suppression.add(workspace.pk, email="a@x.example", reason="unsubscribed", source="link")

    result = suppression_lists.add(workspace, ["a@x.example"], note="asked by phone", by=owner)
    suppression.lift_by_the_person(workspace.pk, email="a@x.example")

    kept = Suppression.objects.get()
    assert (result.added, result.known) == (0, 1)
    assert (kept.reason, kept.source) == ("manual", "by hand, Ines Marlow: asked by phone")
