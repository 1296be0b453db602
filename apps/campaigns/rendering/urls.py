"""Which addresses a letter may point to, and how they are spelled on the wire."""

from __future__ import annotations

import html
import re
from functools import lru_cache
from urllib.parse import quote, unquote, urlsplit, urlunsplit

import idna
from markupsafe import Markup

GUARD_FILTER = "_url"
ALLOWED_SCHEMES = frozenset(["http", "https", "mailto", "tel", "sms", "cid"])
_IGNORED_BY_BROWSERS = re.compile(r"[\x00-\x20\x7f-\xa0\u1680\u2000-\u200f\u2028-\u202f\u205f\u2060\u3000\ufeff]")
_SCHEME = re.compile(r"([^/?#:]*):")
_SAFE_IN_URL = "%/:=&?~#+!$,;'@()*[]|-._"


def scheme_of(url: str) -> str:
    """Return the scheme in lower case as a browser would read it, or "" for a relative address."""
    found = _SCHEME.match(_IGNORED_BY_BROWSERS.sub("", url))
    return found[1].lower() if found else ""


def is_allowed(url: str) -> bool:
    """Say whether a letter may point there: the web, mail, telephone, its own images, or a place within itself."""
    scheme = scheme_of(url)
    return not scheme or scheme in ALLOWED_SCHEMES


def safe_url(value: str) -> str:
    """Return a filled-in attribute value as it is, or "#" where it points to something that could run."""
    if is_allowed(html.unescape(value)):
        return value
    return Markup("#")


def to_ascii(url: str) -> str:
    """Return a web address in ASCII: A-labels in the host (RFC 5891), percent signs elsewhere (RFC 3986)."""
    if url.startswith("//"):
        url = "https:" + url
    try:
        parts = urlsplit(url)
    except ValueError:
        return quote(url, safe=_SAFE_IN_URL)
    host = unquote(parts.hostname or "")
    if not host.isascii():
        netloc = unquote(parts.netloc)
        parts = parts._replace(netloc=re.sub(re.escape(host), domain_to_ascii(host), netloc, flags=re.IGNORECASE))
    return quote(urlunsplit(parts), safe=_SAFE_IN_URL)


@lru_cache(maxsize=4096)
def domain_to_ascii(domain: str) -> str:
    """Return a domain in A-labels; what IDNA does not know comes back unchanged and fails the address check."""
    if domain.isascii():
        return domain
    try:
        return idna.encode(domain, uts46=True).decode("ascii")
    except idna.IDNAError:
        return domain
