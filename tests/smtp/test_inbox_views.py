"""The local inbox's page: a workspace sees its own letters, and a letter can do nothing wherever it is opened."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from email.message import EmailMessage

import pytest
from django.test import Client

from apps.accounts.models import Membership, User, Workspace
from apps.smtp.inbox import letters
from apps.smtp.models import InboxLetter

pytestmark = pytest.mark.django_db

POLICY = (
    "sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none'; img-src 'self' https: data:; "
    "style-src 'unsafe-inline'"
)
HTML = (
    "<!doctype html><html><head><title>x</title></head><body><h1>Marta, the Kenyan is in</h1>"
    '<script>alert(1)</script><img src=x onerror="alert(2)"><a href="http://testserver/c/t">Shop</a></body></html>'
)
Keep = Callable[..., InboxLetter]


def written(*, subject: str = "The Kenyan is in", text: str | None = "Plain words", html: str | None = HTML) -> bytes:
    message = EmailMessage()
    message["From"] = "Northlight Coffee <hello@northlight.example>"
    message["To"] = "marta@orchard.example"
    message["Subject"] = subject
    message["Message-ID"] = f"<{uuid.uuid4()}@northlight.example>"
    message["List-Unsubscribe"] = "<http://testserver/u/token>"
    message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    if text is not None:
        message.set_content(text)
        if html is not None:
            message.add_alternative(html, subtype="html")
    elif html is not None:
        message.set_content(html, subtype="html")
    return message.as_bytes()


@pytest.fixture
def keep(workspace: Workspace) -> Keep:
    def _keep(recipient: str = "marta@orchard.example", *, data: bytes | None = None, **fields: object) -> InboxLetter:
        data = written() if data is None else data
        values = {
            "workspace": workspace,
            "mail_from": "bounce@northlight.example",
            "message_id": f"<{uuid.uuid4()}@northlight.example>",
            "subject": "The Kenyan is in",
            "size": len(data),
        }
        return InboxLetter.objects.create(recipient=recipient, data=data, **{**values, **fields})

    return _keep


def path(letter: InboxLetter, rest: str = "", *, slug: str = "northlight", box: str = "inbox") -> str:
    return f"/w/{slug}/{box}/{letter.pk}/{rest}"


def test_an_empty_inbox_says_what_it_is(owner_client: Client) -> None:
    page = owner_client.get("/w/northlight/inbox/")

    assert page.status_code == 200
    assert "Nothing has arrived yet" in page.text
    assert "Local inbox: nobody outside receives this" in page.text


def test_letters_are_listed_newest_first_and_found(owner_client: Client, keep: Keep) -> None:
    keep("marta@orchard.example", subject="Marta, hello")
    keep("jonas@nord.example", subject="Олена, привіт", message_id="<one@northlight.example>")

    every = owner_client.get("/w/northlight/inbox/").text
    assert every.index("jonas@nord.example") < every.index("marta@orchard.example")
    assert "2 emails caught here" in every
    assert "Each has its own Message-ID" in every
    for query in ("JONAS", "привіт", "one@northlight"):
        found = owner_client.get("/w/northlight/inbox/", {"q": query}).text
        assert "jonas@nord.example" in found
        assert "marta@orchard.example" not in found
    assert "No email here has “nobody\x26#x27;”" in owner_client.get("/w/northlight/inbox/", {"q": "nobody'"}).text


def test_show_more_walks_through_all_letters_once(owner_client: Client, keep: Keep) -> None:
    for number in range(65):
        keep(f"reader{number}@orchard.example", data=b"Subject: x\r\n\r\nx")

    seen: list[str] = []
    url = "/w/northlight/inbox/"
    while url:
        context = owner_client.get(url).context
        seen += [letter.recipient for letter, _ in context["rows"]]
        url = context["next_url"]

    assert seen == [f"reader{number}@orchard.example" for number in reversed(range(65))]


def test_a_doubled_message_id_is_said(owner_client: Client, keep: Keep) -> None:
    for _ in range(2):
        keep(message_id="<same@northlight.example>")

    text = owner_client.get("/w/northlight/inbox/").text

    assert "1 email carries a Message-ID that an earlier one has" in text
    assert "none is doubled" not in text


def test_the_number_of_queries_does_not_grow(
    owner_client: Client, keep: Keep, django_assert_max_num_queries: Callable[..., object]
) -> None:
    for number in range(20):
        keep(f"reader{number}@orchard.example")

    with django_assert_max_num_queries(9):  # type: ignore[attr-defined]
        owner_client.get("/w/northlight/inbox/")


def test_the_html_is_served_as_it_is_under_a_policy_that_runs_nothing(owner_client: Client, keep: Keep) -> None:
    reply = owner_client.get(path(keep(), "html/"))

    assert reply.status_code == 200
    assert reply["Content-Type"] == "text/html; charset=utf-8"
    assert reply["Content-Security-Policy"] == POLICY
    assert reply["X-Content-Type-Options"] == "nosniff"
    assert reply["X-Frame-Options"] == "SAMEORIGIN"
    assert reply["Referrer-Policy"] == "no-referrer"
    assert "no-store" in reply["Cache-Control"]
    assert reply.text.replace('<base target="_blank">', "").strip() == HTML
    assert reply.text.index("<head>") < reply.text.index('<base target="_blank">') < reply.text.index("<title>")


def test_the_page_around_a_letter_never_holds_its_html(owner_client: Client, keep: Keep) -> None:
    letter = keep(data=written(text="<script>alert(3)</script>"), subject="<img src=x onerror=alert(4)>")

    for part in ("seen", "text", "headers", "source"):
        page = owner_client.get(path(letter), {"part": part})
        assert page.status_code == 200
        assert "<script>alert" not in page.text
        assert "<img src=x" not in page.text
        assert "script-src 'self'" in page["Content-Security-Policy"]
    seen = owner_client.get(path(letter)).text
    assert 'sandbox="allow-popups allow-popups-to-escape-sandbox"' in seen
    assert f'src="{path(letter, "html/")}"' in seen


def test_text_headers_and_source_are_shown(owner_client: Client, keep: Keep) -> None:
    letter = keep()

    assert "Plain words" in owner_client.get(path(letter), {"part": "text"}).text
    headers = owner_client.get(path(letter), {"part": "headers"}).text
    assert "List-Unsubscribe-Post" in headers
    assert "bounce@northlight.example" in headers
    assert "Content-Type: multipart/alternative" in owner_client.get(path(letter), {"part": "source"}).text
    facts = owner_client.get(path(letter)).text
    assert "One-click unsubscribe" in facts and "No one-click" not in facts
    assert "Text part" in facts and "No text part" not in facts


def test_the_source_is_the_bytes_as_plain_text(owner_client: Client, keep: Keep) -> None:
    letter = keep(data=b"Subject: x\r\n\r\n<script>alert(1)</script>\xff")

    reply = owner_client.get(path(letter, "source/"))

    assert reply.content == b"Subject: x\r\n\r\n<script>alert(1)</script>\xff"
    assert reply["Content-Type"] == "text/plain; charset=utf-8"
    assert reply["X-Content-Type-Options"] == "nosniff"
    assert reply["Content-Security-Policy"] == POLICY


def test_a_removed_body_is_said_and_its_row_stays(owner_client: Client, keep: Keep) -> None:
    letter = keep(message_id="<kept@northlight.example>")
    InboxLetter.objects.update(data=None)

    page = owner_client.get(path(letter)).text

    assert "The body was removed to make room" in page
    assert "&lt;kept@northlight.example&gt;" in page
    assert "<iframe" not in page
    assert owner_client.get(path(letter, "html/")).status_code == 404
    assert owner_client.get(path(letter, "source/")).status_code == 404


def test_a_letter_without_html_shows_its_text(owner_client: Client, keep: Keep) -> None:
    letter = keep(data=written(html=None))

    page = owner_client.get(path(letter)).text

    assert "<iframe" not in page
    assert "Plain words" in page
    assert owner_client.get(path(letter, "html/")).status_code == 404


def test_a_viewer_may_look(client: Client, colleague: User, keep: Keep) -> None:
    client.force_login(colleague)

    assert client.get(path(keep(), "html/")).status_code == 200
    assert client.get("/w/northlight/system-inbox/").status_code == 403


@pytest.mark.parametrize("rest", ["", "html/", "source/"])
def test_a_stranger_finds_nothing(stranger_client: Client, client: Client, keep: Keep, rest: str) -> None:
    letter = keep()

    assert stranger_client.get(path(letter, rest)).status_code == 404
    assert stranger_client.get(path(letter, rest, slug="elsewhere")).status_code == 404
    assert client.get(path(letter, rest)).status_code == 302
    assert stranger_client.post(path(letter, rest)).status_code in (404, 405)


def test_another_workspaces_letters_are_in_no_list(stranger_client: Client, keep: Keep) -> None:
    keep("marta@orchard.example")

    page = stranger_client.get("/w/elsewhere/inbox/").text

    assert "marta@orchard.example" not in page
    assert "Nothing has arrived yet" in page


@pytest.mark.parametrize("rest", ["", "html/", "source/"])
def test_sign_in_letters_are_for_instance_admins(
    owner_client: Client, client: Client, workspace: Workspace, stranger_client: Client, keep: Keep, rest: str
) -> None:
    theirs = keep("ines@northlight.example", workspace=None, subject="Reset your password")
    admin = User.objects.create_user("paul@northlight.example", "correct horse battery")
    Membership.objects.create(user=admin, workspace=workspace, role="admin")
    client.force_login(admin)

    assert owner_client.get(path(theirs, rest, box="system-inbox")).status_code == 200
    assert owner_client.get(path(theirs, rest)).status_code == 404, "not among the workspace's own"
    assert client.get(path(theirs, rest, box="system-inbox")).status_code == 404, "admin of a workspace only"
    assert stranger_client.get(path(theirs, rest, slug="elsewhere", box="system-inbox")).status_code == 404
    assert owner_client.get(path(keep(), rest, box="system-inbox")).status_code == 404


def test_the_two_boxes_do_not_mix(owner_client: Client, keep: Keep) -> None:
    keep("marta@orchard.example")
    keep("ines@northlight.example", workspace=None, subject="Reset your password")

    system = owner_client.get("/w/northlight/system-inbox/").text
    own = owner_client.get("/w/northlight/inbox/").text

    assert "Reset your password" in system and "marta@orchard.example" not in system
    assert "Reset your password" not in own and "marta@orchard.example" in own


def test_looking_changes_nothing(owner_client: Client, keep: Keep) -> None:
    letter = keep()
    before = list(InboxLetter.objects.values_list())

    for rest in ("", "?part=source", "html/", "source/"):
        owner_client.get(path(letter, rest))

    assert list(InboxLetter.objects.values_list()) == before


BROKEN = {
    "nothing": b"",
    "no headers": b"\r\n\r\nbody",
    "a charset nobody knows": b"Content-Type: text/html; charset=klingon-8\r\n\r\n<p>Qapla\xff",
    "a charset that is no name": b'Content-Type: text/html; charset="\x00"\r\n\r\n<p>x',
    "bad base64": b"Content-Type: text/html\r\nContent-Transfer-Encoding: base64\r\n\r\n!!!=\xff",
    "a boundary that never comes": b"Content-Type: multipart/alternative; boundary=x\r\n\r\n--y\r\n\r\nhello",
    "raw 8-bit headers": "Subject: Привіт\r\nFrom: Олена\r\n\r\nтіло".encode("cp1251"),
    "a broken encoded word": b"Subject: =?utf-8?b?!!!?= =?klingon?q?x?=\r\n\r\nx",
    "a broken content type": b"Content-Type: text/html;;;==\r\n\r\n<p>x",
    "a broken date and address": b"From: <<<>>>@@\r\nDate: yesterday\r\nTo: (\r\n\r\nx",
    "parts within parts": b"".join(
        b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n) for n in range(2000)
    ),
    "zero bytes": b"Subject: a\x00b\r\n\r\nx\x00y",
}


@pytest.mark.parametrize("data", BROKEN.values(), ids=BROKEN)
def test_a_broken_letter_breaks_no_page(owner_client: Client, keep: Keep, data: bytes) -> None:
    letter = keep(data=data)

    for part in ("seen", "text", "headers", "source"):
        assert owner_client.get(path(letter), {"part": part}).status_code == 200
    assert owner_client.get(path(letter, "html/")).status_code in (200, 404)
    assert owner_client.get(path(letter, "source/")).content == data


def test_encoded_parts_and_headers_are_read() -> None:
    data = (
        b"Subject: =?windows-1251?B?z/Do4uXy?=\r\nContent-Type: text/plain; charset=windows-1251\r\n"
        b"Content-Transfer-Encoding: quoted-printable\r\n\r\n=CF=F0=E8=E2=E5=F2\r\n"
    )

    opened = letters.take_apart(data)

    assert opened.header("subject") == "Привет"
    assert opened.text == "Привет\n"
    assert opened.html is None


def test_an_attachment_is_named_and_not_shown() -> None:
    message = EmailMessage()
    message.set_content("see the file")
    message.add_attachment(b"<script>1</script>", maintype="text", subtype="html", filename="счёт.html")

    opened = letters.take_apart(message.as_bytes())

    assert opened.html is None
    assert [(file.name, file.size_bytes) for file in opened.attachments] == [("счёт.html", 18)]


@pytest.mark.parametrize(
    ("html", "shown"),
    [
        ("<p>x", '<base target="_blank"><p>x'),
        ("<!DOCTYPE html><p>x", '<!DOCTYPE html><base target="_blank"><p>x'),
        ("<html><HEAD lang=en><b>", '<html><HEAD lang=en><base target="_blank"><b>'),
        ("<header>x</header>", '<base target="_blank"><header>x</header>'),
    ],
)
def test_links_open_above_the_frame(html: str, shown: str) -> None:
    assert letters.for_frame(html) == shown
