"""A letter is the same bytes on every attempt, arrives as written, and is about one person only."""

from __future__ import annotations

import datetime as dt
import quopri
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from django.utils.safestring import mark_safe
from hypothesis import example, given, settings
from hypothesis import strategies as st

from apps.campaigns.rendering import Frozen, RenderError, assertions, compose, preview, quoted_printable
from apps.campaigns.rendering.values import clean_text
from tests.campaigns.rendering.conftest import BODY, TEXT, body, frozen_here, make_letter, parse, url

FIELD = frozen_here(html=BODY % '<p title="{{ x }}">[{{ x }}]</p>', text=TEXT % "[{{ x }}]", subject="[{{ x }}]")
BASE64_FIELD = frozen_here(html=BODY % ("<p>[{{ x }}]</p>" + "Привет " * 200), text=TEXT % ("[{{ x }}]" + "я" * 500))
SMUGGLING = [
    "\r\n.\r\n",
    "\n.\n",
    "\r.\r",
    "\n.\r\n",
    "\r\n.\r",
    "\r\n.\r\nMAIL FROM:<a@b.example>\r\n",
    "\n.\nDATA\n",
    ".",
    "..",
    "\n..\n.",
]


def between(text: str) -> str:
    return text[text.index("[") + 1 : text.rindex("]")]


def expected(**changes: Any) -> assertions.Expected:
    letter = make_letter()
    values = assertions.Expected(
        message_id=letter.message_id,
        is_bulk=True,
        allow_http_loopback=False,
        unsubscribe_url=letter.unsubscribe_url,
        own_urls=(letter.unsubscribe_url, letter.view_url, letter.preferences_url, letter.open_url),
    )
    return replace(values, **changes)


def test_the_same_letter_is_the_same_bytes() -> None:
    frozen = frozen_here()

    assert compose(frozen, make_letter()).data == compose(Frozen.from_json(frozen.to_json()), make_letter()).data


def test_an_envelope_carries_one_recipient_and_its_return_path() -> None:
    letter = make_letter(to_email="ann@пример.example")

    envelope = compose(frozen_here(), letter)

    assert (envelope.mail_from, envelope.rcpt_to) == (letter.mail_from, "ann@xn--e1afmkfd.example")
    assert envelope.message_id == "<d7@northlight.example>"


def test_a_sender_with_a_domain_outside_ascii() -> None:
    letter = make_letter(mail_from="b+x@пример.example", list_id="list-1.пример.example")

    envelope = compose(frozen_here(from_email="news@пример.example"), letter)

    assert envelope.mail_from == "b+x@xn--e1afmkfd.example"
    assert b"From: Northlight <news@xn--e1afmkfd.example>\r\n" in envelope.data
    assert b"List-Id: News <list-1.xn--e1afmkfd.example>\r\n" in envelope.data


def test_the_structure_is_text_first() -> None:
    parts = list(parse(compose(frozen_here(), make_letter()).data).iter_parts())

    assert [part.get_content_type() for part in parts] == ["text/plain", "text/html"]
    assert [part.get_content_charset() for part in parts] == ["utf-8", "utf-8"]


@given(st.text(max_size=300))
@settings(max_examples=200, deadline=None)
def test_any_field_arrives_literally(text: str) -> None:
    for frozen in (FIELD, BASE64_FIELD):
        data = compose(frozen, make_letter(fields={"x": text})).data

        assert between(body(data, "plain")) == collapsed(clean_text(text))
        shown = body(data, "html")
        for mark, entity in (("&#34;", '"'), ("&#39;", "'"), ("&lt;", "<"), ("&gt;", ">"), ("&amp;", "&")):
            shown = shown.replace(mark, entity)
        assert f"[{clean_text(text)}]" in shown


def collapsed(text: str) -> str:
    while "\n\n\n" in text:
        text = text.replace("\n\n\n", "\n\n")
    return text


@given(st.text(max_size=400), st.text(alphabet=". =\n\ta", max_size=200))
@settings(max_examples=200, deadline=None)
@example("0000\xa0\xa0\xa0\xa0\xa0𐀀𐀀𐀀", "aaaa \n")
def test_quoted_printable_is_what_it_was(first: str, second: str) -> None:
    content = clean_text(first + second).encode("utf-8", "replace")

    encoded = quoted_printable.encode(content)

    assert quopri.decodestring(encoded).replace(b"\r\n", b"\n") == content
    lines = encoded.split(b"\r\n")
    assert max(map(len, lines)) <= 76
    assert not any(line.startswith(b".") for line in lines)


@pytest.mark.parametrize("payload", SMUGGLING)
def test_nothing_ends_the_letter_early(payload: str) -> None:
    data = compose(FIELD, make_letter(fields={"x": f"a{payload}b"})).data
    beginning = compose(FIELD, make_letter(fields={"x": payload})).data

    for each in (data, beginning):
        assert b"\n." not in each
        assert each.count(b"\r\n") == each.count(b"\n") == each.count(b"\r")
        assert each.isascii()


@pytest.mark.parametrize("line", ["x" * 5000, "я" * 5000, ("word " * 2000), "=" * 3000, "." * 3000, " " * 3000 + "x"])
def test_long_lines_are_broken_and_come_back_whole(line: str) -> None:
    data = compose(frozen_here(html=BODY % f"<p>{line}</p>", text=TEXT % f"[{line}]"), make_letter()).data

    assert max(map(len, data.partition(b"\r\n\r\n")[2].split(b"\r\n"))) <= 76
    assert between(body(data, "plain")) == line
    assert line in body(data)


@pytest.mark.parametrize(
    "name", ["{{7*7}}", "{% for i in x %}", "{# c #}", "{{ unsubscribe_url }}", "{{ ''.__class__ }}"]
)
def test_what_a_contact_is_called_is_never_a_template(name: str) -> None:
    frozen = frozen_here(
        subject="Hello {{ first_name }}", text=TEXT % "Hello {{ first_name }}", preheader="{{ first_name }}"
    )

    data = compose(frozen, make_letter(fields={"first_name": name}, to_name=name)).data

    assert parse(data)["Subject"] == f"Hello {name}"
    assert f"Hello {name}\n" in body(data, "plain")
    assert f"Hello {name.replace(chr(39), '&#39;')}</p>" in body(data)
    assert parse(data)["To"].addresses[0].display_name == name


def test_fields_of_many_kinds_and_none() -> None:
    frozen = frozen_here(
        subject='{{ first_name or "friend" }} {{ last_name|default("Reader", true) }}{{ nobody }}{{ nobody.at.all }}',
        html=BODY
        % "{{ n }}|{{ price }}|{{ day }}|{{ day.year }}|{{ day|date('%d.%m.%Y') }}|{{ vip }}|{{ tags|join(', ') }}"
        "|{{ address.city }}|{{ address.items }}|{{ none }}|{{ (n or 0) * 2 + 1 }}|{{ 'a' ~ n }}|{{ price|round(1) }}",
    )
    fields = {
        "first_name": None,
        "n": 3,
        "price": 2.25,
        "day": dt.date(2026, 3, 1),
        "vip": True,
        "tags": ["a", "<b>"],
        "address": {"city": "Łódź", "items": "7"},
        "none": None,
        "cost": Decimal("1.10"),
        "_c0": "never seen",
        "not a name": "never seen",
    }

    data = compose(frozen, make_letter(fields=fields)).data

    assert parse(data)["Subject"] == "friend Reader"
    assert "3|2.25|2026-03-01|2026|01.03.2026|True|a, &lt;b&gt;|Łódź|7||7|a3|2.2 " in body(data)


def test_a_field_that_calls_itself_safe_is_escaped_all_the_same() -> None:
    assert "&lt;b&gt;" in body(compose(FIELD, make_letter(fields={"x": mark_safe("<b>")})).data)


def test_only_plain_values_are_let_in() -> None:
    class Contact:
        password = "argon2$secret"

    for value in (Contact(), Contact, print, object(), {"x": Contact()}, {1, 2}, b"bytes"):
        with pytest.raises(RenderError) as refused:
            compose(FIELD, make_letter(fields={"x": value}))

        assert refused.value.code == "field_type"


def test_one_bad_contact_fails_alone() -> None:
    frozen = frozen_here(html=BODY % "{% for i in range(n) %}{{ i }} {% endfor %}")

    with pytest.raises(RenderError) as refused:
        compose(frozen, make_letter(1, fields={"n": 5_000_000}))

    assert refused.value.code == "loop_too_long"
    assert "0 1 2 " in body(compose(frozen, make_letter(2, fields={"n": 3})).data)


def test_a_letter_leads_to_nobody_else() -> None:
    stolen = url("unsubscribe", 8)

    for fields in ({"x": stolen}, {"x": f"see {stolen}."}, {"x": stolen.replace("/u/", "/v/")}):
        with pytest.raises(RenderError) as refused:
            compose(FIELD, make_letter(7, fields=fields))

        assert refused.value.code == "foreign_token"
    assert url("unsubscribe", 7) in body(compose(FIELD, make_letter(7, fields={"x": url("unsubscribe", 7)})).data)


def test_a_batch_mixes_up_nobody() -> None:
    frozen = frozen_here(html=BODY % '<a href="https://a.example/">{{ first_name }}</a>')

    letters = {n: compose(frozen, make_letter(n, fields={"first_name": f"Name{n}"})).data for n in range(1, 40)}

    for number, data in letters.items():
        assert f"Name{number}<" in body(data)
        assert url("click", number) in body(data) and url("unsubscribe", number) in body(data, "plain")


@pytest.mark.parametrize(
    "changes",
    [
        {"html": "<p>No way out</p>"},
        {"text": "No way out"},
        {"html": '{% if x %}<a href="{{ unsubscribe_url }}">x</a>{% endif %}'},
    ],
)  # fmt: skip
def test_a_letter_without_its_way_out_is_not_built(changes: dict[str, str]) -> None:
    with pytest.raises(RenderError) as refused:
        compose(frozen_here(**changes), make_letter())

    assert refused.value.code == "missing_unsubscribe_link"


@pytest.mark.parametrize(
    ("before", "after", "code"),
    [
        (b"\r\nTo: ", b"\r\nTo: x@example.com\r\nTo: ", "bad_header"),
        (b"\r\nTo: Ann Lee <", b"\r\nTo: evil@example.com, Ann Lee <", "bad_header"),
        (b"From: ", b"Bcc: x@example.com\r\nFrom: ", "bad_header"),
        (b"From: ", b"From: x@example.com\r\nFrom: ", "bad_header"),
        (b"\r\nDate: ", b"\r\nDate: x\r\nDate: ", "bad_header"),
        (b"\r\nDate: ", b"\r\nX-Date: ", "bad_header"),
        (b"\r\nSubject: ", b"\r\nSubject: a\x0bb", "control_character"),
        (b"\r\nSubject: ", b"\r\nSubject: a\tb", "bad_header"),
        (b"\r\nSubject: ", b"\r\nSubject: \r\n\r\n", "bad_header"),
        (b"Message-ID: <d7", b"Message-ID: <d8", "bad_message_id"),
        (b"<https://mail", b"<http://mail", "bad_list_unsubscribe"),
        (b"List-Unsubscribe: <", b"List-Unsubscribe:\r\n <", "bad_header"),
        (b"List-Unsubscribe: <", b"List-Unsubscribe: =?utf-8?q?<", "bad_list_unsubscribe"),
        (b"One-Click", b"Two-Clicks", "bad_header"),
        (b"--\r\n", b"--\r\n\n", "bare_newline"),
        (b"--\r\n", b"--\r\n\r", "bare_newline"),
        (b"--\r\n", b"--\r\nx", "bad_structure"),
        (b"\r\nSubject: ", b"\r\nSubject: " + b"x" * 1000, "long_line"),
        (b"Hello", b"Hell\xc3\xb6", "not_ascii"),
        (b"text/plain", b"text/html", "bad_structure"),
    ],
)
def test_what_breaks_a_rule_of_the_wire_does_not_leave(before: bytes, after: bytes, code: str) -> None:
    data = compose(frozen_here(track_clicks=False), make_letter()).data
    assertions.check(data, expected())

    with pytest.raises(RenderError) as refused:
        assertions.check(data.replace(before, after), expected())

    assert refused.value.code == code


def test_the_message_id_is_the_rows() -> None:
    assert (
        parse(compose(frozen_here(), make_letter(message_id="d9@northlight.example")).data)["Message-ID"]
        == "<d9@northlight.example>"
    )
    for bad in ("", "x", "<a@b>\r\nBcc: x", "<a b@c>", "<a@b><c@d>"):
        with pytest.raises(RenderError) as refused:
            compose(frozen_here(), make_letter(message_id=bad))

        assert refused.value.code == "bad_message_id"


def test_text_encoded_beforehand_reads_like_text_encoded_as_a_whole() -> None:
    html = (
        "{% set greeting %}Hi = {{ first_name }}{% endset %}.dot\n.{{ dots }}\n<p>{{ greeting }}</p>{% for x in xs %}"
        '<a href="{{ x }}">é={{ loop.index }}{{ x|upper }}</a>\n{% else %}none{% endfor %}'
        "{% if a %} trailing {% endif %}  \n"
    )
    frozen = frozen_here(html=BODY % html, track_clicks=False, track_opens=False)
    letter = make_letter(
        fields={"first_name": "Zoë & <co>", "dots": "...", "xs": ["https://é.example/?a=b&c", "javascript:1"]}
    )

    shown = preview(frozen, letter.fields, urls={"unsubscribe_url": letter.unsubscribe_url}).html

    assert body(compose(frozen, letter).data).rstrip("\n") == shown.rstrip("\n")


def test_many_versions_share_one_process() -> None:
    versions = [frozen_here(subject=f"Number {n}") for n in range(70)]

    for _round in range(2):
        assert [str(parse(compose(each, make_letter()).data)["Subject"]) for each in versions[::23]] == [
            f"Number {n}" for n in range(0, 70, 23)
        ]
