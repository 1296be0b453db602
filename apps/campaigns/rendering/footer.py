"""Puts the unsubscribe link and the postal address at the end of a letter that lacks them."""

from __future__ import annotations

import html as markup
import re

from django.utils.translation import gettext as _

from apps.campaigns.rendering.values import clean_text

UNSUBSCRIBE_HREF = re.compile(r"href\s*=\s*[\"']?\s*\{\{-?\s*unsubscribe_url\b", re.IGNORECASE)
UNSUBSCRIBE_FIELD = re.compile(r"\{\{-?\s*unsubscribe_url\b")
_BODY_END = re.compile(r"</body\s*>", re.IGNORECASE)
_TAG = re.compile(r"<style\b.*?</style\s*>|<[^>]*>", re.IGNORECASE | re.DOTALL)
_WORD = re.compile(r"\w+")


def shows_address(html: str, postal_address: str) -> bool:
    """Say whether the words of the address stand in the letter, however they are broken into lines and tags."""
    shown = " ".join(_WORD.findall(markup.unescape(_TAG.sub(" ", html)).casefold()))
    return f" {' '.join(_WORD.findall(postal_address.casefold()))} " in f" {shown} "


def with_footer(html: str, text: str, postal_address: str) -> tuple[str, str]:
    """Return both parts with what is missing of unsubscribe link and address; an empty text stays empty."""
    address = (
        clean_text(postal_address).strip().replace("{", "(").replace("}", ")")
    )  # an address is never a placeholder
    needs_address = bool(address) and not shows_address(html, address)
    if needs_address or not UNSUBSCRIBE_HREF.search(html):
        block = _html_footer(address if needs_address else "", is_linked=not UNSUBSCRIBE_HREF.search(html))
        ends = list(_BODY_END.finditer(html))
        position = ends[-1].start() if ends else len(html)
        html = html[:position] + block + html[position:]
    if text.strip():
        text = _text_with_footer(text, address)
    return html, text


def _html_footer(address: str, *, is_linked: bool) -> str:
    lines = [markup.escape(line.strip()) for line in address.splitlines() if line.strip()]
    if is_linked:
        link = '<a href="{{ unsubscribe_url }}" style="color:#6b7280;text-decoration:underline">%s</a>'
        lines.append(link % markup.escape(_("Unsubscribe")))
    return (
        '<table role="presentation" width="100%" cellpadding="0" cellspacing="0" border="0"><tr>'
        '<td align="center" style="padding:24px 16px;font-family:Arial,Helvetica,sans-serif;font-size:12px;'
        f'line-height:18px;color:#6b7280">{"<br>".join(lines)}</td></tr></table>'
    )


def _text_with_footer(text: str, address: str) -> str:
    lines = [] if not address or shows_address(text, address) else [address]
    if not UNSUBSCRIBE_FIELD.search(text):
        lines.append(_("Unsubscribe") + ": {{ unsubscribe_url }}")
    return "\n\n".join([text.rstrip(), "-- \n" + "\n".join(lines)]) + "\n" if lines else text
