"""The fast way of building a letter gives the bytes that the long way gives, for any template and any recipient."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from apps.campaigns.rendering import Frozen, RenderError, compose, quoted_printable, sample_source
from apps.campaigns.rendering.freezing import build
from apps.smtp.envelope import Envelope, InvalidEnvelopeError
from benchmarks import plain_builder
from core import tokens
from tests.campaigns.rendering.conftest import BASE, BODY, TEXT, frozen_here, make_letter

LINKS = "".join(
    f'<a href="https://example.com/{number}?a=1&amp;b={number}">Read {number}</a>\n' for number in range(17)
)
TEMPLATES: dict[str, dict[str, Any]] = {
    "plain": {},
    "seventeen links": {"html": BODY % (LINKS + "<p>{{ first_name }} in {{ x }}</p>")},
    "no tracking": {"html": BODY % LINKS, "track_clicks": False, "track_opens": False},
    "loops and conditions": {
        "html": BODY
        % (
            "{% for part in x %}<i>{{ loop.index }}{{ part }}</i><a href='https://example.com/l'>l</a>{% endfor %}"
            "{% if first_name %}<b>{{ first_name|upper }}</b>{% else %}.{% endif %}"
        ),
        "text": TEXT % "{% if x %}\n{{ x }}\n{% endif %}\n\n\n{{ first_name|e }}",
    },
    "kept in a name": {
        "html": BODY
        % (
            '{% set button %}<a href="https://example.com/kept">{{ x }}</a>{% endset %}<td>{{ button }}</td>'
            '<td>{{ button }}</td><a href="https://example.com/{{ x }}">{{ x|escape }}</a>'
        )
    },
    "long lines and dots": {"html": BODY % ("<p>" + "." * 300 + "\n.\n..{{ x }}.\n" + "=" * 200 + " \n\t\n</p>")},
    "Cyrillic, as base64": {
        "html": BODY % ("Привет, {{ first_name }}! " * 40 + LINKS),
        "text": TEXT % ("я{{ x }}" * 90),
    },
    "a subject of fields": {"subject": "{{ x }} {{ first_name }} {{ x }}"},
    "an international sender": {
        "from_name": "Łódź, Inc.",
        "from_email": "news@пример.example",
        "reply_to": "a@b.example",
    },
}
FROZEN = {name: frozen_here(**changes) for name, changes in TEMPLATES.items()}
FROZEN["sample"] = build(sample_source(), ()).frozen
NAMES = st.one_of(
    st.text(max_size=60), st.sampled_from(["Ірина", "李小龍", "O'Brien <b>", "a" * 400, "=?utf-8?q?x?=", "."])
)


def built(build: Any, frozen: Frozen, **changes: Any) -> Envelope | str:
    """Return the envelope, or the code of what is wrong."""
    try:
        envelope: Envelope = build(frozen, make_letter(**changes))
    except RenderError as error:
        return error.code
    except TypeError:  # the long way lets Jinja's own errors through
        return "template"
    return envelope


@pytest.mark.parametrize("name", FROZEN)
@given(x=st.one_of(st.text(max_size=200), st.integers(), st.just("word " * 60)), first=NAMES, last=NAMES)
@settings(max_examples=40, deadline=None)
@example(x="\r\n.\r\n", first="\x0b\x85", last="\u2028")
@example(x=" \t", first="", last="")
def test_the_bytes_are_those_of_the_long_way(name: str, x: object, first: str, last: str) -> None:
    fields = {"x": x, "first_name": first, "last_name": last, "email": "ann@example.org"}
    changes = {"fields": fields, "to_name": f"{first} {last}", "list_name": last}

    ours = built(compose, FROZEN[name], **changes)

    assert ours == built(plain_builder.compose, FROZEN[name], **changes)


@pytest.mark.parametrize(
    "public", [f"{BASE}/a/long/path/in/front/of/every/link/of/this/installation", "https://x.example"]
)
def test_addresses_that_do_not_fit_on_one_line(public: str) -> None:
    def moved(url: str) -> str:
        return url.replace(BASE, public)

    letter = make_letter()
    urls = {
        name: moved(getattr(letter, name)) for name in ("open_url", "unsubscribe_url", "view_url", "preferences_url")
    }
    changes = {**urls, "click_urls": lambda links: [moved(url) for url in letter.click_urls(links)]}

    ours = built(compose, FROZEN["seventeen links"], **changes)

    assert isinstance(ours, Envelope)
    assert ours == built(plain_builder.compose, FROZEN["seventeen links"], **changes)


def test_a_letter_without_the_picture() -> None:
    ours = built(compose, FROZEN["sample"], open_url="")

    assert isinstance(ours, Envelope) and b"/o/" not in ours.data
    assert ours == built(plain_builder.compose, FROZEN["sample"], open_url="")


@given(st.sampled_from(["click", "open", "unsubscribe", "view"]), st.integers(0, 2**64 - 1), st.integers(0, 2**16 - 1))
def test_tokens_are_what_they_were(purpose: str, delivery_id: int, part: int) -> None:
    token = tokens.seal(purpose, delivery_id, part)

    assert token == plain_builder.sealed(purpose, delivery_id, part)
    assert tokens.seal_each(purpose, delivery_id, [0, part]) == [tokens.seal(purpose, delivery_id), token]
    assert tokens.open_token(purpose, token) == tokens.Opened(delivery_id, part)


@pytest.mark.parametrize("end", ["\rx\n", "\nx\r\n", "\r", "\n"])
def test_a_bare_line_end_that_slipped_through_is_found(end: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quoted_printable, "encode_value", lambda text: f"{text}{end}")
    frozen = frozen_here(html=BODY % '<a href="https://example.com/1">1</a>')

    assert built(compose, frozen) == "bare_newline"


def test_an_envelope_of_checked_bytes_still_looks_at_its_addresses() -> None:
    with pytest.raises(InvalidEnvelopeError):
        Envelope.of_checked(b"\r\n", mail_from="", rcpt_to="a@b.example>\r\nRCPT TO:<c@d.example", message_id="<1@a>")


def test_slots_in_a_loop_count_as_text() -> None:
    link = '<a href="https://example.com/1">1</a>'
    frozen = frozen_here(
        html=BODY
        % (
            "{% for a in range(1000) %}{% if x %}{% for b in range(10) %}"
            + link
            + "{% endfor %}{% endif %}{% endfor %}"
        )
    )

    assert built(compose, frozen, fields={"x": "1"}) == "budget"
