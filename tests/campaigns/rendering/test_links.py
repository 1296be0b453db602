"""Links are counted by number, the ways out are left alone, and nothing that runs gets through."""

from __future__ import annotations

import pytest

from apps.campaigns.rendering import ContentError, compose, preview
from core import tokens
from tests.campaigns.rendering.conftest import BODY, body, frozen_here, make_letter, url


def test_gives_each_address_one_number_and_keeps_it_as_written() -> None:
    frozen = frozen_here(
        html=BODY % '<a href="https://a.example/?x=1&amp;y=2">1</a> <a href="http://b.example/">2</a>'
        " <A HREF='https://a.example/?x=1&y=2'>3</A> <map><area href=\"https://c.example/#top\"></map>"
    )

    html = body(compose(frozen, make_letter(5)).data)

    assert frozen.links == ("https://a.example/?x=1&y=2", "http://b.example/", "https://c.example/#top")
    assert html.count(url("click", 5, 0)) == 2
    assert html.count(url("click", 5, 1)) == html.count(url("click", 5, 2)) == 1
    assert "a.example" not in html


def test_counts_buttons_that_only_outlook_sees() -> None:
    frozen = frozen_here(
        html=BODY % '<!--[if mso]><v:roundrect href="https://a.example/"></v:roundrect><![endif]-->'
        '<!-- <a href="https://no.example/"> -->'
    )

    assert frozen.links == ("https://a.example/",)


def test_leaves_the_ways_out_mail_and_places_within_alone() -> None:
    frozen = frozen_here(
        html=BODY % '<a href="mailto:a@b.example?subject=Hi">m</a><a href="tel:+44123">t</a><a href="#top">h</a>'
        '<a href="{{ view_url }}">v</a><a href="{{ preferences_url }}">p</a><img src="https://i.example/x.png">'
    )

    html = body(compose(frozen, make_letter(5)).data)

    assert frozen.links == ()
    for kept in (
        'href="mailto:a@b.example?subject=Hi"',
        'href="tel:+44123"',
        'href="#top"',
        'src="https://i.example/x.png"',
    ):
        assert kept in html
    assert f'href="{url("view", 5)}"' in html
    assert f'href="{url("unsubscribe", 5)}"' in html


def test_keeps_addresses_when_clicks_are_not_counted() -> None:
    frozen = frozen_here(html=BODY % '<a href="https://a.example/?x=1&amp;y=2">1</a>', track_clicks=False)

    assert frozen.links == ()
    assert 'href="https://a.example/?x=1&amp;y=2"' in body(compose(frozen, make_letter()).data)


def test_writes_domains_in_ascii() -> None:
    frozen = frozen_here(html=BODY % '<a href="https://Пример.example/путь?q=ж#я">1</a> <a href="//b.example/x">2</a>')

    assert frozen.links == (
        "https://xn--e1afmkfd.example/%D0%BF%D1%83%D1%82%D1%8C?q=%D0%B6#%D1%8F",
        "https://b.example/x",
    )


@pytest.mark.parametrize(
    "address",
    ["javascript:alert(1)", " JaVaScRiPt:alert(1)", "java&#9;script:alert(1)", "java\nscript:alert(1)", "about:blank",
     "&#1;javascript:x", "data:text/html,<script>x</script>", "vbscript:x", "file:///etc/passwd", "blob:x",
     "javascript&colon;alert(1)"],
)  # fmt: skip
def test_refuses_addresses_that_run(address: str) -> None:
    for markup in (f'<a href="{address}">x</a>', f'<img src="{address}">', f'<form action="{address}"></form>'):
        with pytest.raises(ContentError) as refused:
            frozen_here(html=BODY % markup)

        assert refused.value.code == "forbidden_link"


@pytest.mark.parametrize(
    "site",
    [
        "javascript:alert(1)",
        "java\tscript:alert(1)",
        "\u0001javascript:x",
        "data:text/html,x",
        "JAVASCRIPT:x",
    ],
)
@pytest.mark.parametrize(
    "markup",
    [
        '<a href="{{ site }}">x</a>',
        "<a href='{{ site }}'>x</a>",
        '<a href="{% if site %}{{ site }}{% endif %}">x</a>',
        "<a href={{ site }}>x</a>",
    ],
)
def test_defuses_what_a_field_would_run(site: str, markup: str) -> None:
    html = body(compose(frozen_here(html=BODY % markup), make_letter(fields={"site": site})).data)

    assert '<a href="#">x</a>' in html
    assert "script:" not in html and "data:" not in html


def test_fills_an_honest_field_into_an_address() -> None:
    frozen = frozen_here(
        html=BODY % '<a href="{{ site }}">x</a><a href="https://a.example/{{ city|urlencode }}?a=1&amp;b=2">y</a>'
    )

    html = body(compose(frozen, make_letter(fields={"site": "https://me.example/?a=1&b=2", "city": "Nová Ves"})).data)

    assert 'href="https://me.example/?a=1&amp;b=2"' in html
    assert 'href="https://a.example/Nov%C3%A1%20Ves?a=1&amp;b=2"' in html


def test_a_field_cannot_leave_its_attribute() -> None:
    html = body(
        compose(
            frozen_here(html=BODY % '<p title="{{ x }}">{{ x }}</p>'), make_letter(fields={"x": "\"'><b onclick=1>"})
        ).data
    )

    assert "<b " not in html
    assert html.count("&#34;&#39;&gt;&lt;b onclick=1&gt;") == 2


def test_refuses_a_link_out_of_someones_letter() -> None:
    stolen = f"https://any.example/u/{tokens.seal('unsubscribe', 99)}"

    for changes in ({"html": BODY % f'<a href="{stolen}">x</a>'}, {"text": f"Bye: {stolen}"}):
        with pytest.raises(ContentError) as refused:
            frozen_here(**changes)

        assert refused.value.code == "recipient_link"


def test_puts_the_pixel_at_the_end_of_the_body_once() -> None:
    html = body(compose(frozen_here(), make_letter(5)).data)

    assert html.count(url("open", 5)) == 1
    assert html.rstrip().endswith('border:0"></body></html>') or "</body>" in html[html.index(url("open", 5)) :]
    assert html.index(url("open", 5)) < html.index("</body>")


def test_shows_no_pixel_when_openings_are_not_counted() -> None:
    by_version = body(compose(frozen_here(track_opens=False), make_letter(5)).data)
    by_letter = body(compose(frozen_here(), make_letter(5, open_url="")).data)

    assert "<img" not in by_version
    assert "<img" not in by_letter


def test_the_preheader_is_hidden_first_and_escaped() -> None:
    frozen = frozen_here(preheader='5 < 6 & {{ first_name or "friend" }}')

    html = body(compose(frozen, make_letter(fields={"first_name": "<Ann>"})).data)

    start = html[html.index("<body>") + 6 :]
    assert start.startswith('<div style="display:none')
    assert "5 &lt; 6 &amp; &lt;Ann&gt;</div>" in start


def test_a_preview_leads_where_the_author_wrote() -> None:
    frozen = frozen_here(html=BODY % '<a href="https://a.example/">1</a>')

    shown = preview(frozen, {"first_name": "Ann"}, urls={"unsubscribe_url": "/preview/unsubscribe"})

    assert 'href="https://a.example/"' in shown.html
    assert 'href="/preview/unsubscribe"' in shown.html
    assert "<img" not in shown.html
    assert shown.subject == "Hello Ann"
