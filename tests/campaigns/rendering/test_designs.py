"""Each built-in design is a letter that could leave as it is: whole, small, readable by night, with a way out."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.campaigns import rendering
from apps.campaigns.rendering import designs, freezing
from apps.campaigns.rendering.designs import DESIGNS, Design
from tests.campaigns.rendering.conftest import make_letter, parse

ADDRESS = "Rua do Almada 112\n4050 Porto"
SIX = ("newsletter", "announcement", "product", "event", "welcome", "letter")
each_design = pytest.mark.parametrize("design", DESIGNS, ids=lambda design: design.key)


def source_of(design: Design, **changes: str) -> rendering.Source:
    values = {
        "from_name": "Northlight & Sons",
        "from_email": "hello@northlight.example",
        "postal_address": ADDRESS,
        "site_url": "https://northlight.example/",
    }
    return designs.written(design, **{**values, **changes})


def frozen(design: Design) -> rendering.Frozen:
    return freezing.build(source_of(design), ()).frozen


def test_there_are_six() -> None:
    assert tuple(design.key for design in DESIGNS) == SIX
    assert designs.design_of("event") is DESIGNS[3]
    assert designs.design_of("nothing") is None


@each_design
def test_nothing_is_found_wrong_with_it(design: Design) -> None:
    assert rendering.findings(source_of(design)) == []


@each_design
def test_it_is_small_and_has_both_parts(design: Design) -> None:
    source, version = source_of(design), frozen(design)

    assert len(source.html.encode()) <= 20_000
    assert len(version.html.encode()) < 102 * 1024
    assert version.text == source.text
    for part in (source.html, source.text):
        assert "{{ unsubscribe_url }}" in part
        assert "Rua do Almada 112" in part
        assert "%" not in re.sub(r'width="?\d+%|width: 100%|\{%|%\}|: ?\d+% *[;!]', "", part), "a mark was left"


@each_design
def test_every_unusual_person_gets_a_whole_letter(design: Design) -> None:
    version = frozen(design)

    for fields in freezing.EDGE_FIELDS:
        seen = rendering.preview(version, fields)
        for text in (seen.subject, seen.html, seen.text):
            assert "{{" not in text.replace("{{ 7*7 }}", "") and "{%" not in text
            assert "None" not in text
        assert seen.subject.strip()
        assert not re.search(r"Hello ,|Dear ,|Welcome,<|  ,", seen.html)


@each_design
def test_it_goes_over_the_wire(design: Design) -> None:
    letter = make_letter(fields={"email": "ann@example.org", "first_name": "Ann", "city": "Porto"})

    message = parse(rendering.compose(frozen(design), letter).data)

    parts = [part.get_content_type() for part in message.walk() if not part.is_multipart()]
    assert parts == ["text/plain", "text/html"]


@each_design
def test_a_name_is_used_and_nobody_needs_one(design: Design) -> None:
    version = frozen(design)

    assert "Ann" in rendering.preview(version, {"email": "a@example.org", "first_name": "Ann"}).html
    assert "Ann" not in rendering.preview(version, {"email": "a@example.org"}).html


@each_design
def test_it_is_made_for_dark_mode_phones_and_outlook(design: Design) -> None:
    html = source_of(design).html

    assert '<meta name="color-scheme" content="light dark">' in html
    assert "@media (prefers-color-scheme: dark)" in html
    assert "@media (max-width: 620px)" in html
    assert "<!--[if mso]>" in html
    assert html.count("<table") == html.count('role="presentation"')
    assert not re.search(r"<(?:script|form|img|link|iframe)\b", html)


def _luminance(colour: str) -> float:
    channels = [int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _contrast(one: str, other: str) -> float:
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def _colour(css: str, selector: str, what: str) -> str:
    found = re.search(rf"(?:^|[\s,]){re.escape(selector)}(?:, [^{{]*)? \{{[^}}]*?[ ;]{what}: (#[0-9a-f]{{6}})", css)
    assert found, f"{selector} has no {what}"
    return found[1]


@each_design
def test_its_words_can_be_read_by_day_and_by_night(design: Design) -> None:
    css = source_of(design).html.partition("</style>\n</head>")[0].rpartition("<style>")[2]
    day, _media, night = css.partition("@media (prefers-color-scheme: dark)")
    for rules in (day, night):
        card, page = _colour(rules, ".card", "background-color"), _colour(rules, "body", "background-color")
        button = _colour(rules, ".button", "background-color")

        assert _contrast(_colour(rules, "h1", "color"), card) >= 7
        assert _contrast(_colour(rules, "p", "color"), card) >= 7
        assert _contrast(_colour(rules, ".quiet", "color"), page) >= 4.5
        assert _contrast(_colour(rules, ".label", "color"), card) >= 4.5
        assert _contrast("#ffffff", button) >= 4.5


def test_what_a_workspace_is_called_is_text_and_never_a_placeholder() -> None:
    html = source_of(DESIGNS[0], from_name="{{ 7*7 }} <b>", postal_address="{% if x %}\nRoad").html

    assert "((" in html and "{{ 7" not in html and "<b>" not in html
    assert "{% if x" not in html
    assert "(% if x %)<br>Road" in html


@given(name=st.text(min_size=1, max_size=60))
@settings(max_examples=25, deadline=None)
def test_any_name_of_a_person_fits(name: str) -> None:
    version = frozen(DESIGNS[5])

    seen = rendering.preview(version, {"email": "a@example.org", "first_name": name})

    assert "<script" not in seen.html
    assert "\n" not in seen.subject
