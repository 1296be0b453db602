"""Copies a version's CSS into style attributes, once, without touching placeholders, files or the network."""

from __future__ import annotations

import logging
import re
from html import unescape

from lxml import etree
from premailer import Premailer

from apps.campaigns.rendering.errors import ContentError
from apps.campaigns.rendering.placeholders import Placeholders, protect

_XML_DECLARATION = re.compile(r"\A\s*<\?xml[^>]*\?>")
_STYLESHEET_LINK = re.compile(r"<link\b[^>]*\bstylesheet\b[^>]*>", re.IGNORECASE)
_STYLE = re.compile(r"(<style\b)([^>]*>)(.*?)(</style\s*>)", re.IGNORECASE | re.DOTALL)
_IMPORT = re.compile(r"@import\b[^;]*;", re.IGNORECASE)
_DOCTYPE = re.compile(r"\s*<!doctype[^>]*>", re.IGNORECASE)
_CHARSET = re.compile(r"(<meta\b[^>]*\bcharset\s*=\s*[\"']?)[\w-]+", re.IGNORECASE)
_ENDS = re.compile(r"</(?:body|html)\s*>", re.IGNORECASE)
_MARKUP = re.compile(r"<!--.*?-->|<(style|script|title|textarea)\b.*?</\1\s*>|<[^<>]*>|\s", re.IGNORECASE | re.DOTALL)
_IGNORE = ' data-premailer="ignore"'


def inline(source: str) -> tuple[str, Placeholders]:
    """Return the HTML with styles inlined and placeholders still hidden; restore them when all rewriting is done.

    Style tags stay (clients that read them get the media queries); those with placeholders and `@import` rules
    are left as they are. Stylesheet links are dropped: nothing is fetched.

    Raises:
        ContentError: a placeholder would be lost or moved, or the HTML cannot be read.
    """
    hidden, placeholders = protect(_CHARSET.sub(r"\1utf-8", _XML_DECLARATION.sub("", source)))
    before, doctype, markup, after = _peel(hidden, placeholders)
    markup = as_document(markup)
    markup = _STYLE.sub(lambda style: _prepared(style, placeholders), _STYLESHEET_LINK.sub("", markup))
    inlined = before + doctype + "\n" + _premailed(markup).strip() + after
    _check_survival(hidden, inlined, placeholders)
    if 10 * len(_MARKUP.sub("", unescape(inlined))) < 9 * len(_MARKUP.sub("", unescape(hidden))):
        raise ContentError.of("content_lost")
    return inlined, placeholders


def _peel(hidden: str, placeholders: Placeholders) -> tuple[str, str, str, str]:
    """Set aside the doctype and the placeholders around the document, which an HTML parser would drop."""
    blank = rf"(?:\s|<!--{placeholders.key}\d+z-->)*"
    before, after, doctype = "", "", "<!DOCTYPE html>"
    opening = re.match(rf"({blank})(?=<!doctype|<html)", hidden, re.IGNORECASE)
    if opening:
        before, hidden = opening[1].strip(), hidden[opening.end() :]
    declared = _DOCTYPE.match(hidden)
    if declared:
        doctype, hidden = declared[0].strip(), hidden[declared.end() :]
        second = re.match(rf"({blank})(?=<html)", hidden, re.IGNORECASE)
        if second:
            doctype, hidden = doctype + second[1].rstrip(), hidden[second.end() :]
    closing = re.search(rf"</html\s*>({blank})\Z", hidden, re.IGNORECASE)
    if closing:
        after, hidden = closing[1].strip(), hidden[: closing.start(1)]
    return before, doctype, hidden, after


def as_document(markup: str) -> str:
    """Give a fragment its body, and nothing after it: a parser would drop what stands outside."""
    markup = _ENDS.sub("", markup)
    if not re.search(r"<(?:html|head|body)\b", markup, re.IGNORECASE):
        markup = f"<body>{markup}</body>"
    return markup if re.search(r"<html\b", markup, re.IGNORECASE) else f"<html>{markup}</html>"


def _prepared(style: re.Match[str], placeholders: Placeholders) -> str:
    start, attributes, css, end = style.groups()
    if placeholders.hidden_in(css):
        return f"{start}{_IGNORE}{attributes}{css}{end}"
    imports = "\n".join(_IMPORT.findall(css))
    if imports:
        return f"{start}{_IGNORE}{attributes}{imports}{end}{start}{attributes}{_IMPORT.sub('', css)}{end}"
    return style[0]


def _premailed(markup: str) -> str:
    try:
        tree = parse(markup)
        Premailer(
            tree,
            keep_style_tags=True,
            strip_important=False,
            remove_classes=False,
            disable_validation=True,
            disable_link_rewrites=True,
            disable_basic_attributes=["height"],  # height="auto" hides pictures in Outlook
            allow_network=False,
            allow_loading_external_files=False,
            cssutils_logging_level=logging.CRITICAL,
        ).transform()
    except (etree.LxmlError, ValueError, TypeError, AssertionError, LookupError, AttributeError, SyntaxError) as error:
        raise ContentError.of("styles", detail=str(error)[:120] or type(error).__name__) from None
    return etree.tostring(tree.getroottree().getroot(), encoding="unicode", method="html")


def parse(markup: str) -> etree._Element:
    """Return the tree of a document; its parser gives up in silence on deep nesting unless told otherwise."""
    return etree.fromstring(markup, etree.HTMLParser(huge_tree=True, remove_pis=True))


def _check_survival(before: str, after: str, placeholders: Placeholders) -> None:
    """Expressions may be copied (a colour into bgcolor); conditions and loops must keep number and order."""
    wanted, found = placeholders.hidden_in(before), placeholders.hidden_in(after)
    for text in wanted:
        if text not in found:
            raise ContentError.of("placeholder_lost", detail=text[:80])
    if [text for text in wanted if text.startswith("{%")] != [text for text in found if text.startswith("{%")]:
        first = next(text for text in wanted if text.startswith("{%"))
        raise ContentError.of("placeholder_lost", detail=first[:80])
