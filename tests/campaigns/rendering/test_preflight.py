"""What stops a campaign is found before it is sent, in words its author can act on."""

from __future__ import annotations

from typing import Any

import pytest

from apps.campaigns.rendering import Finding, findings, freezing, preflight, sample_source, with_footer
from tests.campaigns.rendering.conftest import BODY, make_source

ADDRESS = "1 Harbour Road, Leith"
GOOD: dict[str, Any] = {"html": BODY % f"<p>Hello</p><p>{ADDRESS}</p>", "preheader": "What is new"}


@pytest.fixture(autouse=True)
def freeze_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """The child process has tests of its own; here it would only cost time."""
    monkeypatch.setattr(preflight.sandbox, "build", lambda source: freezing.build(source, ()))


def found(**changes: Any) -> dict[str, Finding]:
    return {finding.code: finding for finding in findings(make_source(**{**GOOD, **changes}))}


def test_finds_nothing_in_an_honest_letter() -> None:
    assert found() == {}
    assert findings(sample_source(), known_fields=["city", "products"]) == []


@pytest.mark.parametrize(
    ("changes", "code", "level", "count"),
    [
        ({"subject": "  "}, "empty_subject", "blocks", 0),
        ({"subject": "x" * 999}, "subject_too_long", "blocks", 0),
        ({"preheader": ""}, "no_preheader", "warns", 0),
        ({"from_name": ""}, "no_sender_name", "warns", 0),
        ({"from_name": "{{ first_name }}"}, "placeholder_in_sender", "blocks", 0),
        ({"from_email": "nobody"}, "bad_sender", "blocks", 0),
        ({"from_email": f"a@{'x' * 60}.{'y' * 60}.{'z' * 60}.{'w' * 31}.com"}, "bad_sender", "blocks", 0),
        ({"reply_to": "a@b, c@d"}, "bad_sender", "blocks", 0),
        ({"html": ""}, "empty_body", "blocks", 0),
        ({"html": f"<p>{ADDRESS}</p>{{{{ unsubscribe_url }}}}"}, "missing_unsubscribe", "blocks", 1),
        ({"text": "Hello"}, "missing_unsubscribe", "blocks", 1),
        ({"html": f"<p>{ADDRESS}</p>", "text": "Hello"}, "missing_unsubscribe", "blocks", 2),
        ({"postal_address": ""}, "no_postal_address", "blocks", 0),
        ({"postal_address": "2 Other Street"}, "missing_postal_address", "blocks", 0),
        ({"subject": "Hi *|FNAME|*"}, "unresolved_placeholder", "blocks", 1),
        ({"preheader": "Hi %%first name%% [FNAME]"}, "unresolved_placeholder", "blocks", 2),
        ({"subject": "Hi {{ first_name"}, "syntax", "blocks", 0),
        ({"subject": "Hi {{ first_name|nosuch }}"}, "unknown_filter", "blocks", 0),
        ({"subject": "{% include 'x' %}"}, "not_allowed", "blocks", 0),
        ({"subject": "{{ 1 / n }}"}, "sample_failed", "blocks", 0),
        ({"html": GOOD["html"] + "<script>x</script><form></form>"}, "active_content", "blocks", 2),
        ({"html": GOOD["html"] + "<p onclick='x()'>x</p><svg/onload=x>"}, "active_content", "blocks", 2),
        ({"html": GOOD["html"] + '<a href="javascript:x">x</a>'}, "forbidden_link", "blocks", 0),
        ({"html": GOOD["html"] + "<p>" + "x" * 110_000 + "</p>"}, "html_too_large", "warns", 107),
        ({"html": GOOD["html"] + '<img src="https://a.example/x.png">'}, "images_without_alt", "warns", 1),
        ({"html": GOOD["html"] + '<img alt="" src="http://a.example/x.png">'}, "insecure_images", "warns", 1),
        ({"html": GOOD["html"] + '<a href="shop/x">x</a>'}, "relative_links", "warns", 1),
        ({"html": GOOD["html"] + '<a href="https://bit.ly/x">x</a>'}, "doubtful_links", "warns", 1),
        ({"html": GOOD["html"] + '<a href="http://8.8.8.8/">x</a>'}, "doubtful_links", "warns", 1),
        ({"html": GOOD["html"] + '<a href="http://10.0.0.1/">x</a>'}, "local_links", "warns", 1),
        ({"html": GOOD["html"] + '<a href="http://localhost:8000/">x</a>'}, "local_links", "warns", 1),
        ({"html": GOOD["html"] + '<a href="http://[::1]/">x</a><a href="//nas.local">'}, "local_links", "warns", 2),
        ({"html": GOOD["html"] + '<a href="https://intranet/">x</a>'}, "local_links", "warns", 1),
        ({"html": GOOD["html"] + '<a href="https:/example.com/x">x</a>'}, "broken_links", "blocks", 1),
        ({"html": GOOD["html"] + '<a href="http://https://example.com">x</a>'}, "broken_links", "blocks", 1),
        ({"html": GOOD["html"] + '<a href="https://exam ple.com/">x</a>'}, "broken_links", "blocks", 1),
        ({"html": GOOD["html"] + '<a href="htp://example.com/">x</a>'}, "forbidden_link", "blocks", 0),
    ],
)  # fmt: skip
def test_finds(changes: dict[str, str], code: str, level: str, count: int) -> None:
    finding = found(**changes)[code]

    assert (finding.level, finding.count) == (level, count)
    assert "%(" not in finding.message and len(finding.message) > 20


def test_words_that_only_look_active_are_left_alone() -> None:
    assert (
        found(html=GOOD["html"] + '<img src="https://a.example/x.png" alt="Buy one = get two on us"><p>% on %</p>')
        == {}
    )


def test_names_the_line() -> None:
    message = found(html=GOOD["html"] + "\n\n{% if first_name %}")["syntax"].message

    assert message.startswith("HTML, line 3:")


def test_names_fields_that_nobody_has() -> None:
    source = make_source(**{**GOOD, "subject": "{{ first_name }} {{ citty }} {% set own = 1 %}{{ own }}"})

    (finding,) = findings(source, known_fields=["city"])

    assert (finding.code, finding.level, finding.count) == ("unknown_field", "warns", 1)
    assert "citty" in finding.message


def test_what_stops_comes_first() -> None:
    levels = [finding.level for finding in findings(make_source(preheader="", subject=""))]

    assert levels == sorted(levels)
    assert "warns" in levels


def test_the_footer_puts_in_what_is_missing_once() -> None:
    html, text = with_footer("<html><body><p>Hi</p></body></html>", "Hi\n", "1 Harbour Road\nLeith & Co")

    assert html.index("Leith &amp; Co") < html.index('<a href="{{ unsubscribe_url }}"') < html.index("</body>")
    assert text == "Hi\n\n-- \n1 Harbour Road\nLeith & Co\nUnsubscribe: {{ unsubscribe_url }}\n"
    assert with_footer(html, text, "1 Harbour Road\nLeith & Co") == (html, text)


def test_the_footer_leaves_an_empty_text_to_be_made() -> None:
    html, text = with_footer("<p>Hi</p>", "", "1 Harbour Road")

    assert text == ""
    assert found(html=html, postal_address="1 Harbour Road") == {}


def test_an_address_is_never_a_template() -> None:
    html, text = with_footer("<p>Hi</p>", "Hi", "{{ 7*7 }} <b>Street</b>")

    assert "{{ 7*7 }}" not in html + text
    assert "&lt;b&gt;" in html


def test_sees_an_address_broken_into_lines() -> None:
    assert found(html=BODY % "<p>1 Harbour<br>Road,&nbsp;<b>LEITH</b></p>") == {}
