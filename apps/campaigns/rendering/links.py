"""Finds a version's links, numbers those that are counted, and refuses or defuses those that could run something."""

from __future__ import annotations

import html
import re

from apps.campaigns.rendering import urls
from apps.campaigns.rendering.errors import ContentError
from apps.campaigns.rendering.placeholders import Placeholders, split
from core.tokens import TOKEN_PATTERN

MAX_LINKS = 2_000  # a click token has two bytes for the number
PRODUCT_URLS = ("unsubscribe_url", "view_url", "preferences_url")
_URL_ATTRIBUTES = frozenset((
    "href", "src", "background", "action", "formaction", "poster", "data", "cite", "longdesc", "usemap",
    "lowsrc", "dynsrc", "xlink:href",
))  # fmt: skip
_CLICKED = frozenset(["a", "area", "v:roundrect", "v:rect", "v:shape", "v:oval", "v:image"])
# ordinary comments and the text of raw elements are matched first, so that tags within them are passed over
_TAG = re.compile(
    r"<!--(?!\[if).*?-->|<(?P<raw>style|script|title|textarea)\b.*?</(?P=raw)\s*>"
    r"|<(?P<name>[A-Za-z][\w:-]*)(?P<rest>(?:[^<>\"']|\"[^\"]*\"|'[^']*')*+)>",
    re.IGNORECASE | re.DOTALL,
)
_ATTRIBUTE = re.compile(r"(\s)([\w:-]+)(\s*=\s*)(?:\"([^\"]*)\"|'([^']*)'|([^\s\"'>]+))")
_RECIPIENT_URL = re.compile(rf"/[coupv]/{TOKEN_PATTERN}(?![A-Za-z0-9_-])")
_PRODUCT_ONLY = re.compile(r"\s*\{\{-?\s*(?:" + "|".join(PRODUCT_URLS) + r")\s*-?\}\}\s*\Z")
_BODY = re.compile(r"<body\b[^>]*>", re.IGNORECASE)
_BODY_END = re.compile(r"</body\s*>(?!.*</body)", re.IGNORECASE | re.DOTALL)
_PIXEL = (
    '{% if _open %}<img src="{{ _open }}" width="1" height="1" alt="" border="0" '
    'style="display:block;width:1px;height:1px;border:0">{% endif %}'
)


def rewrite(hidden: str, placeholders: Placeholders, *, is_tracked: bool) -> tuple[str, tuple[str, ...]]:
    """Return the HTML with a slot for each counted link, and the links by number.

    The same address has one number. An address with a placeholder is not counted; it is checked when filled in.

    Raises:
        ContentError: a link that could run something, or that belongs to one recipient of an earlier letter.
    """
    numbers: dict[str, int] = {}

    def attribute(found: re.Match[str], tag: str) -> str:
        space, name, equals, *values = found.groups()
        value = next(text for text in values if text is not None)
        if name.lower() not in _URL_ATTRIBUTES:
            return found[0]
        if placeholders.hidden_in(value):
            value = _dynamic(value, placeholders)
        else:
            is_counted = is_tracked and tag in _CLICKED and name.lower() == "href"
            value = _counted(value, numbers, placeholders) if is_counted else _static(value)
        return f'{space}{name}{equals}"{value}"'

    def tag(found: re.Match[str]) -> str:
        if found["name"] is None:
            return found[0]
        name = found["name"]
        return f"<{name}{_ATTRIBUTE.sub(lambda each: attribute(each, name.lower()), found['rest'])}>"

    return _TAG.sub(tag, hidden), tuple(numbers)


def _static(value: str) -> str:
    url = html.unescape(value).strip()
    check(url)
    if not _is_web(url):
        return value.replace('"', "&quot;")
    return html.escape(urls.to_ascii(url))


def _counted(value: str, numbers: dict[str, int], placeholders: Placeholders) -> str:
    url = html.unescape(value).strip()
    if not _is_web(url):
        return _static(value)
    check(url)
    number = numbers.setdefault(urls.to_ascii(url), len(numbers))
    if number >= MAX_LINKS:
        raise ContentError.of("too_many_links", limit=MAX_LINKS)
    return placeholders.hide(f"{{{{ _c{number} }}}}")


def _is_web(url: str) -> bool:
    return urls.scheme_of(url) in ("http", "https") or url.startswith("//")


def check(url: str) -> None:
    """Refuse an address that no letter may hold."""
    if not urls.is_allowed(url):
        raise ContentError.of("forbidden_link", detail=url[:80])
    if _RECIPIENT_URL.search(url):
        raise ContentError.of("recipient_link", detail=url[:80])


def check_text(text: str) -> None:
    """Refuse a text version that holds a link out of someone's letter."""
    found = _RECIPIENT_URL.search(text)
    if found:
        raise ContentError.of("recipient_link", detail=found[0])


def _dynamic(value: str, placeholders: Placeholders) -> str:
    if _PRODUCT_ONLY.match(placeholders.restore_words(value)):
        return value
    fixed = html.unescape(value[: value.index(placeholders.key)])
    if urls.scheme_of(fixed):
        check(fixed)
        return value
    begin = placeholders.hide(f"{{% filter {urls.GUARD_FILTER} %}}")
    return f"{begin}{value}{placeholders.hide('{% endfilter %}')}"


def with_preheader(markup: str, preheader: str, placeholders: Placeholders) -> str:
    """Return the HTML with the preheader as the first, hidden text of its body."""
    if not preheader.strip():
        return markup
    pieces = split(preheader.strip())
    text = "".join(
        placeholders.hide(piece) if is_placeholder else html.escape(piece) for is_placeholder, piece in pieces
    )
    block = (
        '<div style="display:none;font-size:1px;line-height:1px;max-height:0;max-width:0;opacity:0;overflow:hidden;'
        f'mso-hide:all">{text}</div>'
    )
    body = _BODY.search(markup)
    position = body.end() if body else 0
    return markup[:position] + block + markup[position:]


def with_pixel(markup: str) -> str:
    """Return the HTML with the slot for the picture that reports an opening."""
    end = _BODY_END.search(markup)
    position = end.start() if end else len(markup)
    return markup[:position] + _PIXEL + markup[position:]
