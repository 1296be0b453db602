"""Header lines: one in, one out, whatever stands in a name or a subject."""

from __future__ import annotations

from email import policy
from email.header import decode_header, make_header
from email.headerregistry import AddressHeader
from email.parser import BytesParser
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.campaigns.rendering import RenderError, compose, headers
from apps.campaigns.rendering.values import clean_line
from tests.campaigns.rendering.conftest import TEXT, frozen_here, make_letter, parse

MANDATORY = ["From", "To", "Subject", "Date", "Message-ID", "List-Unsubscribe", "List-Unsubscribe-Post", "MIME-Version"]
BREAKS = [
    "\r\n",
    "\n",
    "\r",
    "\x0b",
    "\x0c",
    "\x1c",
    "\x1d",
    "\x1e",
    "\x85",
    "\u2028",
    "\u2029",
    "\x00",
    "\r\n\r\n",
    "\x7f",
    "\t",
]
INJECTIONS = [f"Ann{each}Bcc: evil@example.com" for each in BREAKS] + [f"Ann{each}{each} body" for each in BREAKS]
NAMES = [
    "Ann",
    'O\'Brien, "Zed" \\ (x) <y@z.example>',
    "Zoë Müller",
    "Мария Ивановна " * 17,
    "محمد بن سلمان",
    "דוד",
    "\U0001f469\u200d\U0001f680 Ana \U0001f3f3\ufe0f\u200d\U0001f308",
    "a" * 255,
    "ü" * 255,
    "=?utf-8?Q?forged?=",
    "double  space",
    "名前" * 60,
    "a@b.example",
    "Team: all; (nobody)",
    ".",
]


def only_header(line: bytes, name: str) -> Any:
    message = BytesParser(policy=policy.default).parsebytes(line + b"\r\n")
    assert message.keys() == [name]
    assert not message.defects
    return message[name]


@pytest.mark.parametrize("text", INJECTIONS)
@pytest.mark.parametrize(
    "place", ["subject", "preheader", "from_name", "text", "html", "to_name", "list_name", "field", "x"]
)
def test_no_text_makes_a_header(text: str, place: str) -> None:
    content: dict[str, Any] = {"subject": "Hello {{ first_name }}"}
    letter: dict[str, Any] = {"fields": {"first_name": "Ann"}}
    if place in ("subject", "preheader", "from_name"):
        content[place] = text
    elif place == "text":
        content[place] = TEXT % text
    elif place == "field":
        letter["fields"] = {"first_name": text}
    elif place == "x":
        letter["headers"] = {"X-Campaign": text}
    elif place != "html":
        letter[place] = text

    message = parse(compose(frozen_here(**content), make_letter(**letter)).data)

    assert "Bcc" not in message
    assert [name for name in MANDATORY if len(message.get_all(name, [])) != 1] == []
    assert not any(
        ord(c) < 32 or 0x7F <= ord(c) < 0xA0 or c in "\u2028\u2029" for value in message.values() for c in str(value)
    )


@pytest.mark.parametrize("name", NAMES)
def test_a_display_name_arrives_as_it_was(name: str) -> None:
    line = headers.mailbox_line("To", name, "ann@example.org")

    header = only_header(line, "To")
    assert isinstance(header, AddressHeader)
    assert [address.addr_spec for address in header.addresses] == ["ann@example.org"]
    # CPython's own parser keeps the blank between two encoded words of a phrase; decode_header follows RFC 2047 §6.2
    phrase = line.decode().removeprefix("To: ").rpartition("<")[0]
    shown = str(make_header(decode_header(phrase.replace("\r\n ", " ").strip())))
    plain = shown[1:-1].replace('\\"', '"').replace("\\\\", "\\") if shown.startswith('"') else shown
    assert plain == clean_line(name)
    assert max(map(len, line.split(b"\r\n"))) <= 78
    assert line.isascii()


@pytest.mark.parametrize(
    "text", [*NAMES, "word " * 60, "x" * 300, "long-" * 190, "Ends with =", "tab\tand  two spaces"]
)
def test_a_subject_arrives_as_it_was(text: str) -> None:
    line = headers.text_line("Subject", text)

    assert only_header(line, "Subject") == clean_line(text)
    assert max(map(len, line.split(b"\r\n"))) <= 76 or line.startswith(b"Subject: aaaa") is False
    assert max(map(len, line.split(b"\r\n"))) <= 78


@given(st.text(min_size=1, max_size=200))
@settings(max_examples=150, deadline=None)
def test_any_subject_arrives(text: str) -> None:
    expected = clean_line(text)
    if not expected:
        return

    assert only_header(headers.text_line("Subject", text), "Subject") == expected


@given(st.text(min_size=1, max_size=120))
@settings(max_examples=150, deadline=None)
def test_any_name_stays_within_its_header(text: str) -> None:
    header = only_header(headers.mailbox_line("To", text, "ann@example.org"), "To")

    assert [address.addr_spec for address in header.addresses] == ["ann@example.org"]


def test_encoded_words_split_no_character() -> None:
    words = headers.encoded_words("\U0001f469\u200d\U0001f680" * 40, 60)

    assert all(len(word) <= 75 for word in words)
    assert len(words[0]) <= 60


@pytest.mark.parametrize(
    ("address", "written"),
    [
        ("ann@example.org", "ann@example.org"),
        ("a.b+c_d@EXAMPLE.org", "a.b+c_d@EXAMPLE.org"),
        ("ann@пример.example", "ann@xn--e1afmkfd.example"),
        ("ann@bücher.example", "ann@xn--bcher-kva.example"),
        ("ann@straße.example", "ann@xn--strae-oqa.example"),
        ("ann@localhost", "ann@localhost"),
    ],
)
def test_domains_are_written_in_a_labels(address: str, written: str) -> None:
    assert headers.ascii_address(address) == written


@pytest.mark.parametrize(
    ("address", "code"),
    [
        ("анна@example.org", "needs_smtputf8"),
        ("b@y>\r\nRCPT TO:<evil@example.com", "bad_address"),
        ("b@y.example>\r\nDATA", "bad_address"),
        ("a@b@c.example", "bad_address"),
        ("a,b@c.example", "bad_address"),
        ("a b@c.example", "bad_address"),
        ("a..b@c.example", "bad_address"),
        ("<a@c.example>", "bad_address"),
        ('"a b"@c.example', "bad_address"),
        ("a@c.example\n", "bad_address"),
        ("a@-c.example", "bad_address"),
        ("a@c..example", "bad_address"),
        ("a" * 65 + "@c.example", "bad_address"),
        ("@c.example", "bad_address"),
        ("a@", "bad_address"),
        ("", "bad_address"),
        ("a\x00@c.example", "bad_address"),
    ],
)
def test_an_address_that_could_say_more_is_refused(address: str, code: str) -> None:
    with pytest.raises(RenderError) as refused:
        compose(frozen_here(), make_letter(to_email=address))

    assert refused.value.code == code


@pytest.mark.parametrize("path", ["", "/" + "x" * 400])
def test_list_unsubscribe_is_one_plain_line(path: str) -> None:
    letter = make_letter()
    address = letter.unsubscribe_url + path

    data = compose(frozen_here(), make_letter(unsubscribe_url=address)).data

    assert (
        b"\r\nList-Unsubscribe: <" + address.encode() + b">\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"
        in data
    )
    assert max(map(len, data.split(b"\r\n"))) <= 998


@pytest.mark.parametrize(
    ("address", "is_allowed", "code"),
    [
        ("http://mail.example.com/u/x", True, "bad_list_unsubscribe"),
        ("http://127.0.0.1:8000/u/x", False, "bad_list_unsubscribe"),
        ("http://127.0.0.1.evil.example/u/x", True, "bad_list_unsubscribe"),
        ("https://a.example/>, <mailto:x@y.example", True, "missing_unsubscribe_url"),
        ("https://a.example/ x", True, "missing_unsubscribe_url"),
        ("https://a.example/ü", True, "missing_unsubscribe_url"),
        ("https://a.example/<x>", True, "bad_list_unsubscribe"),
        ("javascript:x", True, "bad_list_unsubscribe"),
        ("", True, "missing_unsubscribe_url"),
        ("https://a.example/" + "x" * 1000, True, "long_line"),
    ],
)
def test_an_unsubscribe_address_that_no_client_would_take_is_refused(address: str, is_allowed: bool, code: str) -> None:
    with pytest.raises(RenderError) as refused:
        compose(frozen_here(), make_letter(unsubscribe_url=address, allow_http_loopback=is_allowed))

    assert refused.value.code == code


@pytest.mark.parametrize("host", ["127.0.0.1:8000", "localhost:8000", "[::1]:8000", "localhost"])
def test_the_local_inbox_may_have_http_on_loopback(host: str) -> None:
    address = make_letter().unsubscribe_url.replace("https://mail.example.com", f"http://{host}")

    data = compose(frozen_here(), make_letter(unsubscribe_url=address, allow_http_loopback=True)).data

    assert parse(data)["List-Unsubscribe"] == f"<{address}>"


@pytest.mark.parametrize(
    "name",
    ["Bcc", "To", "From", "Sender", "Return-Path", "Received", "DKIM-Signature", "Content-Type", "X-A: b\r\nBcc",
     "X A", "X-", "Xx", "List-Unsubscribe", "Subject", "X-Auto-Response-Suppress"],
)  # fmt: skip
def test_a_header_outside_the_allow_list_is_refused(name: str) -> None:
    with pytest.raises(RenderError) as refused:
        compose(frozen_here(), make_letter(headers={name: "x"}))

    assert refused.value.code == "bad_header"


def test_a_letter_names_its_list_and_its_campaign() -> None:
    message = parse(
        compose(frozen_here(from_name="Zoë", reply_to="help@пример.example"), make_letter(list_name="Nová")).data
    )

    assert str(message["List-Id"]) == "Nová <news.northlight.example>"
    assert message["Feedback-ID"] == "1:2:campaign:northlight"
    assert message["Reply-To"] == "help@xn--e1afmkfd.example"
    assert message["From"] == "Zoë <news@northlight.example>"
    assert message["Date"] == "Fri, 20 Nov 2026 12:00:00 +0000"
    assert message["Message-ID"] == "<d7@northlight.example>"


def test_a_letter_that_is_not_bulk_says_nothing_of_lists() -> None:
    letter = make_letter(is_bulk=False, unsubscribe_url="", list_id="", feedback_id="")

    message = parse(compose(frozen_here(), letter).data)

    assert [name for name in message if name.lower().startswith(("list-", "precedence", "feedback"))] == []


@pytest.mark.parametrize("subject", ["{{ nobody }}", "{{ first_name }}"])
def test_an_empty_subject_fails_the_letter(subject: str) -> None:
    with pytest.raises(RenderError) as refused:
        compose(frozen_here(subject=subject), make_letter(fields={"first_name": " \x0b "}))

    assert refused.value.code == "empty_subject"
