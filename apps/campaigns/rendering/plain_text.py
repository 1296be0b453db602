"""Makes the text version of a letter from its HTML, with placeholders and addresses kept."""

from __future__ import annotations

import re

from inscriptis import get_text
from inscriptis.css_profiles import STRICT_CSS_PROFILE
from inscriptis.model.config import ParserConfig
from lxml import etree

from apps.campaigns.rendering.placeholders import Placeholders, protect
from apps.campaigns.rendering.styles import as_document, parse

# mail is laid out with tables: read as blocks they give lines in reading order instead of padded columns
_BLOCKS = frozenset(["table", "tbody", "thead", "tfoot", "tr", "td", "th", "center"])
_DROPPED = frozenset(["style", "script", "head", "title", "template", "object", "iframe"])
_BLANK_LINES = re.compile(r"\n[ \t]*(?:\n[ \t]*)+\n")
_LINE_ENDS = re.compile(r"[ \t\u00a0]+$", re.MULTILINE)
_INVISIBLE = re.compile("[\u00ad\u200b-\u200d\u2060\ufeff\u034f]")
_HIDDEN = re.compile(r"display\s*:\s*none|mso-hide\s*:\s*all", re.IGNORECASE)
_SET = re.compile(r"\{%-?\s*set\b")


def derive(source: str) -> str:
    """Return a text template for an HTML template: its words, alternative texts, addresses and placeholders."""
    hidden, placeholders = protect(source)
    if not hidden.strip():
        return ""
    root = parse(as_document(_without_declaration(hidden)))
    for comment in list(root.iter(etree.Comment)):
        _show_placeholder(comment, placeholders)
    for element in list(root.iter(etree.Element)):
        _flatten(element, placeholders)
    text = get_text(etree.tostring(root, encoding="unicode", method="html"), ParserConfig(css=STRICT_CSS_PROFILE))
    text = _BLANK_LINES.sub("\n\n", _LINE_ENDS.sub("", _INVISIBLE.sub("", text))).strip("\n") + "\n"
    return _lost_assignments(text, placeholders) + placeholders.restore_words(text)


def _without_declaration(hidden: str) -> str:
    return re.sub(r"\A\s*<\?xml[^>]*\?>", "", hidden)


def _show_placeholder(comment: etree._Element, placeholders: Placeholders) -> None:
    word = comment.text or ""
    if not placeholders.hidden_in(word) or word.startswith("[if"):
        _replace(comment, "")
    else:
        _replace(comment, word)


def _replace(element: etree._Element, text: str) -> None:
    """Put text in an element's place; what followed it stays."""
    parent, before = element.getparent(), element.getprevious()
    if parent is None:
        return
    text += element.tail or ""
    if before is not None:
        before.tail = (before.tail or "") + text
    else:
        parent.text = (parent.text or "") + text
    parent.remove(element)


def _flatten(element: etree._Element, placeholders: Placeholders) -> None:
    tag = str(element.tag).lower()
    if tag in _DROPPED or _HIDDEN.search(element.get("style") or ""):
        if element.getparent() is not None:
            _replace(element, "")
    elif tag in _BLOCKS:
        element.tag = "div"
        element.attrib.clear()
    elif tag == "img":
        _replace(element, element.get("alt") or "")
    elif tag == "a":
        _show_address(element, placeholders)


def _show_address(anchor: etree._Element, placeholders: Placeholders) -> None:
    """Write the address after the words of a link, unless the words are the address."""
    url = (anchor.get("href") or "").strip()
    for image in list(anchor.iter("img")):
        _replace(image, image.get("alt") or "")
    words = " ".join("".join(map(str, anchor.itertext())).split())
    if not url or url.startswith("#") or not words.strip("\u00a0"):
        return
    if url.startswith(("mailto:", "tel:")):
        url = url.split(":", 1)[1].split("?")[0]
    if url.rstrip("/") in (words.rstrip("/"), f"https://{words}".rstrip("/"), f"http://{words}".rstrip("/")):
        return
    anchor.append(_span(f" ({url})"))


def _span(text: str) -> etree._Element:
    span = etree.Element("span")
    span.text = text
    return span


def _lost_assignments(text: str, placeholders: Placeholders) -> str:
    """Return the `{% set %}` tags that stood outside what is read, so that their names still hold."""
    shown = set(placeholders.hidden_in(text))
    lost = [tag for tag in placeholders.texts if _SET.match(tag) and "=" in tag and tag not in shown]
    return "".join(lost)
