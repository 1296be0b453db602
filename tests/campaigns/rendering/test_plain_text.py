"""The text version made from HTML reads in order, keeps addresses and placeholders, and compiles."""

from __future__ import annotations

import pytest

from apps.campaigns.rendering import ContentError, compose, sample_source
from apps.campaigns.rendering.compiled import compile_part
from apps.campaigns.rendering.plain_text import derive
from tests.campaigns.rendering.conftest import BODY, body, frozen_here, make_letter


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("<p>One</p><p>Two</p>", "One\n\nTwo\n"),
        ('<a href="https://a.example/?x=1&amp;y=2">Shop</a>', "Shop (https://a.example/?x=1&y=2)\n"),
        ('<a href="https://a.example/">https://a.example</a>', "https://a.example\n"),
        ('<a href="mailto:a@b.example?subject=x">Write</a>', "Write (a@b.example)\n"),
        ('<a href="https://a.example/"><img src="x.png" alt="Picture"></a>', "Picture (https://a.example/)\n"),
        ('<a href="https://a.example/"><img src="x.png"></a>x', "x\n"),
        ("<table><tr><td>Left</td><td>Right</td></tr></table>", "Left\nRight\n"),
        ("<ul><li>a</li><li>b</li></ul>", "  * a\n  * b\n"),
        ("<style>p{}</style><script>x()</script><p>Seen</p>", "Seen\n"),
        ('<div style="display:none">Preheader</div><p>Seen</p>', "Seen\n"),
        ("<p>a &amp; b &lt;c&gt;&zwnj;&nbsp;d</p>", "a & b <c> d\n"),
        ("<p>{{ first_name }} &amp; {{ x|default('y') }}</p>", "{{ first_name }} & {{ x|default('y') }}\n"),
        ('<a href="{{ unsubscribe_url }}">Bye</a>', "Bye ({{ unsubscribe_url }})\n"),
        ('<a href="{% if a %}https://a{% endif %}">x</a>', "x ({% if a %}https://a{% endif %})\n"),
        ('<html><head>{% set a = 1 %}</head><body class="{{ c }}">{{ a }}</body></html>', "{% set a = 1 %}{{ a }}\n"),
        ("{% if a %}<p>x</p>{% endif %}", "{% if a %}\n\nx\n\n{% endif %}\n"),
        ("", ""),
    ],
)  # fmt: skip
def test_reads_like_the_letter(html: str, text: str) -> None:
    assert derive(html) == text


def test_keeps_loops_within_tables_in_order() -> None:
    text = derive("<table>{% for p in ps %}<tr><td>{{ p.a }}</td><td>{{ p.b }}</td></tr>{% endfor %}</table><p>end</p>")

    written = compile_part(text, part="text", is_html=False, is_strict=True).render(
        {"ps": [{"a": 1, "b": 2}, {"a": 3}]}
    )

    assert written.split() == ["1", "2", "3", "end"]


def test_leaves_no_towers_of_blank_lines() -> None:
    frozen = frozen_here(html=BODY % ("{% if x %}\n<p>never</p>\n{% endif %}" * 20 + "<p>end</p>"))

    assert "\n\n\n" not in body(compose(frozen, make_letter()).data, "plain")


def test_an_own_text_is_not_touched() -> None:
    text = "  Hi {{ first_name }}\n\n\tUnsubscribe: {{ unsubscribe_url }}"

    assert frozen_here(text=text).text == text


def test_says_so_when_no_text_can_be_made() -> None:
    with pytest.raises(ContentError) as refused:
        frozen_here(html='<div style="display:none">{% if a %}</div><p>x</p>{% endif %}')

    assert refused.value.code == "text_not_made"


def test_makes_a_text_of_the_sample() -> None:
    source = sample_source()

    text = derive(source.html)

    assert "Unsubscribe ({{ unsubscribe_url }})" in text
    assert "https://vashsender.example/guide?topic=first-letter&from=welcome" in text
    assert source.postal_address in text
    compile_part(text, part="text", is_html=False, is_strict=True)
