"""Placeholders survive inlining where they stood, and styles reach the elements they are for."""

from __future__ import annotations

import html
import re

import pytest

from apps.campaigns.rendering import ContentError, styles
from apps.campaigns.rendering.compiled import compile_part
from apps.campaigns.rendering.placeholders import split

PAGE = "<!DOCTYPE html><html><head><title>T {{ t }}</title><style>%s</style></head><body>%s</body></html>"
CSS = "p { color: red } .a { color: blue } td { padding: 1px }"
CASES = {
    "text": "<p>Hi {{ name }}</p>",
    "quotes in a filter": "<p>{{ name|default(\"friend\") }} {{ a if b > 1 else 'x' }}</p>",
    "braces in a text": '<p>{{ "}}" }} {{ "%}" }}</p>',
    "less than": "<p>{% if a < b %}x{% endif %}</p>",
    "ampersand": '<p>{{ "a & b" }} {{ x|replace("&","and") }}</p>',
    "href": '<p><a href="{{ url }}">x</a></p>',
    "href with path": '<p><a href="https://x.com/{{ path }}/a b?u={{ uid|urlencode }}&v=1">x</a></p>',
    "href with double quotes": '<p><a href="{{ u["x"] }}">x</a></p>',
    "href in single quotes": "<p><a href='{{ u[\"x\"] }}'>x</a></p>",
    "href without quotes": "<p><a href={{ url }}>x</a></p>",
    "href with condition": '<p><a href="{% if a %}https://a{% else %}https://b{% endif %}">x</a></p>',
    "src and alt": '<p><img src="{{ img }}" alt="{{ alt }}"></p>',
    "mailto": '<p><a href="{{ unsubscribe_url }}">u</a> <a href="mailto:{{ m }}?subject=Hi {{ n }}">m</a></p>',
    "style": '<p style="color: {{ color }}; width: {{ w }}px">x</p>',
    "style with condition": '<p style="{% if a %}color:green{% endif %}">x</p>',
    "class": '<p class="{{ cls }} a">x</p>',
    "loop in table": '<table>{% for p in ps %}<tr class="a"><td>{{ p }}</td></tr>{% endfor %}</table>',
    "loop in tbody": "<table><tbody>{% for p in ps %}<tr><td>{{ p }}</td></tr>{% endfor %}</tbody></table>",
    "loop in list": "<ul>{% for p in ps %}<li>{{ p }}</li>{% endfor %}</ul>",
    "select options": "<select>{% for p in ps %}<option>{{ p }}</option>{% endfor %}</select>",
    "attribute with condition": '<p {% if a %}class="a"{% endif %}>x</p>',
    "comment": "<p>{# hi <b> #}</p>",
    "raw": "{% raw %}<p>{{ x }}</p>{% endraw %}",
    "entities": "<p>&nbsp;&copy;&#8203;&zwnj; é 😀 &lt;b&gt; {{ x }}</p>",
    "conditional comment": "<!--[if mso]><table><tr><td>{{ x }}</td></tr></table><![endif]--><p>x</p>",
    "set": '{% set x = "<p>" %}<p>{{ x }}</p>',
    "trimmed": "<p>a {{- x -}} b {%- if a -%} c {%- endif -%}</p>",
    "textarea": "<textarea>{{ x }} <b></textarea>",
    "many lines": "<p>{{ x\n  | default(\n 'a' ) }}</p>",
    "upper-case tags": '<P CLASS="a">{{ x }}</P>',
    "unclosed": "<p>{{ x }}<p>{{ y }}",
}


def inlined(source: str) -> str:
    hidden, placeholders = styles.inline(source)
    return placeholders.restore(hidden)


def placeholders_of(source: str) -> list[str]:
    return [text for is_placeholder, text in split(source) if is_placeholder]


@pytest.mark.parametrize("name", CASES)
def test_keeps_placeholders_where_they_were(name: str) -> None:
    source = PAGE % (CSS, CASES[name])

    result = inlined(source)

    found = placeholders_of(result)
    assert list(dict.fromkeys(found)) == list(dict.fromkeys(placeholders_of(source)))
    assert [text for text in found if text[1] != "{"] == [text for text in placeholders_of(source) if text[1] != "{"]
    compile_part(result, part="html", is_html=True, is_strict=True)


@pytest.mark.parametrize("name", sorted(set(CASES) - {"textarea"}))
def test_writes_what_the_source_would_have_written(name: str) -> None:
    values = {
        "name": "N&N",
        "a": 1,
        "b": 2,
        "ps": ["p1", "p2"],
        "x": "<x>",
        "url": "https://u",
        "u": {"x": "ux"},
        "t": "T",
    }

    def words(markup: str) -> list[str]:
        written = compile_part(markup, part="html", is_html=True, is_strict=True).render(dict(values))
        shown = re.sub(r"(?s)<head.*?</head>|<!DOCTYPE[^>]*>|<(?!!--)/?[a-zA-Z][^>]*>", " ", written)
        return re.findall(r"\w+", html.unescape(shown))

    source = PAGE % (CSS, CASES[name])

    assert words(inlined(source)) == words(source)


def test_inlines_rules_and_keeps_media_queries() -> None:
    css = (
        "p { color: red !important } @media (max-width: 600px) { p { color: blue !important } } a:hover { color: red }"
    )

    result = inlined(PAGE % (css, '<p style="margin:0">{{ x }}</p>'))

    paragraph = result[result.index("<p ") : result.index("</p>")]
    assert "color:red !important" in paragraph and "margin:0" in paragraph
    assert "@media (max-width: 600px) { p { color: blue !important } }" in result
    assert "a:hover" in result


def test_leaves_styles_with_placeholders_alone() -> None:
    result = inlined(PAGE % (".a { color: {{ brand }} } {% if x %}.b{color:red}{% endif %}", '<p class="a b">x</p>'))

    assert '<p class="a b">x</p>' in result
    assert "color: {{ brand }}" in result
    assert "data-premailer" not in result


def test_keeps_placeholders_around_the_document() -> None:
    source = "{% set a = 1 %}\n<!doctype html>{# c #}<html><body>{{ a }}</body></html>\n{# end #}"

    result = inlined(source)

    assert placeholders_of(result) == ["{% set a = 1 %}", "{# c #}", "{{ a }}", "{# end #}"]
    assert result.index("{% set") < result.index("<!doctype html>") < result.index("{{ a }}") < result.index("{# end")


def test_writes_a_doctype_once() -> None:
    assert inlined("<p>x</p>").count("<!DOCTYPE") == 1
    assert inlined("<!DOCTYPE html><p>x</p>").count("<!DOCTYPE") == 1


def test_says_utf_8_whatever_the_source_said() -> None:
    meta = '<meta http-equiv="Content-Type" content="text/html; charset=windows-1251">'

    result = inlined(f"<html><head>{meta}</head><body>я</body></html>")

    assert "windows-1251" not in result and "charset=utf-8" in result and "я" in result


@pytest.mark.parametrize(
    ("markup", "code"),
    [
        ("<p {{ attributes }}>x</p>", "placeholder_place"),
        ("<p class={% if a %}'x'{% endif %}>x</p>", "placeholder_place"),
        ('<a {% if a %}href="https://a"{% else %}href="https://b"{% endif %}>x</a>', "placeholder_attributes"),
    ],
)
def test_refuses_placeholders_a_parser_would_lose(markup: str, code: str) -> None:
    with pytest.raises(ContentError) as refused:
        inlined(PAGE % (CSS, markup))

    assert refused.value.code == code


def test_loses_nothing_that_stands_deep_or_late() -> None:
    deep = inlined("<html><body>" + "<div>" * 400 + "deep" + "</div>" * 400 + "</body></html><p>{{ late }}</p>")

    assert "deep" in deep and "<p>{{ late }}</p></body></html>" in deep


@pytest.mark.parametrize(
    "markup", ["<", "<<p>", "<p", "<!--", "<p title='", "</p>", "<style>", "<p>{{ x }}", "&", "<a href=>x</a>"]
)
def test_takes_broken_html_without_losing_placeholders(markup: str) -> None:
    try:
        result = inlined(f"<p>{{{{ first }}}}</p>{markup}")
    except ContentError as error:
        assert error.message
    else:
        assert placeholders_of(result)[0] == "{{ first }}"
