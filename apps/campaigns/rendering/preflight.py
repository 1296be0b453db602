"""Looks at content before it is sent: what stops it, and what its author should know."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection, Iterator
from typing import Literal
from urllib.parse import urlsplit

from apps.campaigns.rendering import messages, sandbox, urls
from apps.campaigns.rendering.errors import ContentError
from apps.campaigns.rendering.footer import UNSUBSCRIBE_FIELD, UNSUBSCRIBE_HREF, shows_address
from apps.campaigns.rendering.freezing import Build
from apps.campaigns.rendering.headers import MAX_SUBJECT_CHARS
from apps.campaigns.rendering.links import PRODUCT_URLS
from apps.campaigns.rendering.types import Finding, Source

STANDARD_FIELDS = frozenset(["email", "first_name", "last_name", "name", *PRODUCT_URLS])
CLIPPED_BYTES = 102 * 1024
_OTHER_SYSTEMS = re.compile(
    r"\*\|[A-Z0-9_:]{2,40}\|\*|%%[A-Za-z0-9_ -]{2,40}%%"
    r"|\[(?:(?:[FL]|FIRST_?|LAST_?)?NAME|E-?MAIL|UNSUBSCRIBE(?:_?(?:URL|LINK))?)\]"
)
_ACTIVE = re.compile(
    r"<(?:script|iframe|form|object|embed|applet|frame|frameset|base|input|button)\b"
    r"|<meta\b[^>]*http-equiv\s*=\s*[\"']?refresh",
    re.IGNORECASE,
)
_TAG = re.compile(r"<[a-z](?:[^<>\"']|\"[^\"]*\"|'[^']*')*+>", re.IGNORECASE)
_QUOTED = re.compile(r"\"[^\"]*\"|'[^']*'")
_HANDLER = re.compile(r"[\s\"'/]on[a-z]+\s*=", re.IGNORECASE)
_IMAGE = re.compile(r"<img\b(?:[^<>\"']|\"[^\"]*\"|'[^']*')*+>", re.IGNORECASE)
_ALT = re.compile(r"\salt\s*=", re.IGNORECASE)
_ADDRESS = re.compile(r"\s(?:href|src|background)\s*=\s*\"([^\"]*)\"", re.IGNORECASE)
_IP_HOST = re.compile(r"\d{1,3}(?:\.\d{1,3}){3}\Z|\[|[0-9a-f]*:")
_HOST = re.compile(r"[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?)*\.?\Z")
# Names that only mean something on one machine or in one house.
_LOCAL_ENDS = (".localhost", ".local", ".internal", ".lan", ".home", ".test", ".invalid")
_SHORTENERS = frozenset(
    ["bit.ly", "tinyurl.com", "goo.gl", "t.co", "ow.ly", "is.gd", "cutt.ly", "rb.gy", "clck.ru", "vk.cc", "buff.ly"]
)


def findings(source: Source, *, known_fields: Collection[str] = ()) -> list[Finding]:
    """Return what is wrong with the content, what stops it first.

    Args:
        source: the content as written.
        known_fields: the workspace's own fields; when empty, unknown names are not looked for.
    """
    found = [*_of_sender_and_subject(source), *_of_required_parts(source), *_of_markup(source)]
    try:
        build = sandbox.build(source)
    except ContentError as error:
        found.append(Finding(error.code, "blocks", error.message))
    else:
        found.extend(_of_version(build, known_fields))
    return sorted(found, key=lambda finding: finding.level != "blocks")


def _finding(code: str, level: Literal["blocks", "warns"], *, count: int = 0, detail: str = "") -> Finding:
    return Finding(code, level, messages.finding(code, count=count, detail=detail), count)


def _of_sender_and_subject(source: Source) -> Iterator[Finding]:
    if not source.subject.strip():
        yield _finding("empty_subject", "blocks")
    elif len(source.subject) > MAX_SUBJECT_CHARS:
        yield _finding("subject_too_long", "blocks")
    if not source.preheader.strip():
        yield _finding("no_preheader", "warns")
    if not source.from_name.strip():
        yield _finding("no_sender_name", "warns")


def _of_required_parts(source: Source) -> Iterator[Finding]:
    missing = [
        not UNSUBSCRIBE_HREF.search(source.html),
        bool(source.text.strip()) and not UNSUBSCRIBE_FIELD.search(source.text),
    ]
    if any(missing):
        yield _finding("missing_unsubscribe", "blocks", count=sum(missing))
    if not source.postal_address.strip():
        yield _finding("no_postal_address", "blocks")
    elif not shows_address(source.html, source.postal_address):
        yield _finding("missing_postal_address", "blocks")


def _of_markup(source: Source) -> Iterator[Finding]:
    written = "\n".join([source.subject, source.preheader, source.html, source.text])
    foreign = sorted(set(_OTHER_SYSTEMS.findall(written)))
    if foreign:
        yield _finding("unresolved_placeholder", "blocks", count=len(foreign), detail=", ".join(foreign[:5]))
    active = len(_ACTIVE.findall(source.html))
    active += sum(1 for tag in _TAG.findall(source.html) if _HANDLER.search(_QUOTED.sub('""', tag)))
    if active:
        yield _finding("active_content", "blocks", count=active)


def _of_version(build: Build, known_fields: Collection[str]) -> Iterator[Finding]:
    html = build.frozen.html
    size = len(html.encode("utf-8", "replace"))
    if size > CLIPPED_BYTES:
        yield _finding("html_too_large", "warns", count=size // 1024)
    images = [image for image in _IMAGE.findall(html) if "_open" not in image]
    without_alt = sum(1 for image in images if not _ALT.search(image))
    if without_alt:
        yield _finding("images_without_alt", "warns", count=without_alt)
    insecure = sum(1 for image in images if re.search(r"src\s*=\s*[\"']?\s*http:", image, re.IGNORECASE))
    if insecure:
        yield _finding("insecure_images", "warns", count=insecure)
    yield from _of_addresses([*_ADDRESS.findall(html), *build.frozen.links])
    if known_fields:
        asked = {name for names in build.names.values() for name in names}
        unknown = sorted(asked - STANDARD_FIELDS - set(known_fields))
        if unknown:
            yield _finding("unknown_field", "warns", count=len(unknown), detail=", ".join(unknown[:10]))


def _host(address: str) -> str:
    try:
        return urlsplit(address).hostname or ""
    except ValueError:
        return "["


def _is_host(host: str) -> bool:
    return bool(_IP_HOST.match(host) or (_HOST.match(host) and host not in ("http", "https")))


def _is_local(host: str) -> bool:
    try:
        return not ipaddress.ip_address(host).is_global
    except ValueError:
        host = host.rstrip(".")
        return "." not in host or host.endswith(_LOCAL_ENDS)


def _of_addresses(addresses: Collection[str]) -> Iterator[Finding]:
    fixed = [address.strip() for address in addresses if "{" not in address]
    relative = sum(1 for address in fixed if address and not address.startswith("#") and not urls.scheme_of(address))
    if relative:
        yield _finding("relative_links", "warns", count=relative)
    web = {address: _host(address) for address in fixed if urls.scheme_of(address) in ("http", "https")}
    broken = sorted(address for address, host in web.items() if not _is_host(host))
    if broken:
        yield _finding("broken_links", "blocks", count=len(broken), detail=", ".join(broken[:3]))
    local = sorted({host for host in web.values() if _is_host(host) and _is_local(host)})
    if local:
        yield _finding("local_links", "warns", count=len(local), detail=", ".join(local[:3]))
    hosts = set(web.values()) - set(local)
    doubtful = sorted(host for host in hosts if host in _SHORTENERS or _IP_HOST.match(host))
    if doubtful:
        yield _finding("doubtful_links", "warns", count=len(doubtful), detail=", ".join(doubtful[:5]))
