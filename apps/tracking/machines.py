"""Tells machines from people by how a letter's picture or link was fetched; pure, and every verdict has a reason."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

TOO_SOON_SECONDS = 2.0  # nobody reads and clicks within this after the server's 250
BURST_SECONDS = 2.0
BURST_LINKS = 3


class Reason(StrEnum):
    """Why a fetch is taken for a machine's."""

    HEAD = "head"
    PREFETCH = "prefetch"
    AGENT = "agent"
    TOO_SOON = "too_soon"
    BURST = "burst"


# What only a mailbox that has the letter does: it proves arrival, though no person acted. A scanner may sit in
# front of a server that refuses the letter afterwards.
PROVES_ARRIVAL = frozenset({"", Reason.PREFETCH.value})

_PREFETCH_HEADERS = ("Sec-Purpose", "Purpose", "X-Purpose", "X-Moz")
# Apple's Mail Privacy Protection says nothing but this.
_BARE_AGENTS = {"mozilla/5.0"}
_AGENTS = re.compile(
    r"bot\b|bot[/;)_-]|spider|crawl|slurp|preview|scan(?:ner)?\b|monitor|validator|link.?check|url.?check|headless"
    r"|phantomjs|puppeteer|playwright|selenium"
    r"|barracuda|mimecast|proofpoint|safelinks|symantec|messagelabs|fireeye|trellix|trend ?micro|sophos|ironport"
    r"|forcepoint|zscaler|cloudmark|checkpoint|fortinet|fortimail|bitdefender|kaspersky|virustotal|spamhaus|vade"
    r"|facebookexternalhit|whatsapp|slack-imgproxy|skypeuripreview|microsoft office|ms-office|msoffice"
    r"|python|curl/|wget|libwww|go-http-client|java/|apache-httpclient|httpx|aiohttp|guzzle|axios|node-fetch|undici|ruby"
    r"|powershell|winhttp|scrapy",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Fetch:
    """One request for a letter's picture, link or page, as it came."""

    method: str
    user_agent: str
    headers: Mapping[str, str] = field(default_factory=dict)
    link: int | None = None
    since_sent_seconds: float | None = None
    recent_links: frozenset[int] = frozenset()  # other links of the same delivery within the last BURST_SECONDS


def judge(fetch: Fetch) -> Reason | None:
    """Return why this is a machine's fetch, or None for a person's."""
    if fetch.method == "HEAD":
        return Reason.HEAD
    if any("prefetch" in fetch.headers.get(name, "").lower() for name in _PREFETCH_HEADERS):
        return Reason.PREFETCH
    agent = fetch.user_agent.strip()
    if agent.lower() in _BARE_AGENTS:
        return Reason.PREFETCH
    if not agent or _AGENTS.search(agent):
        return Reason.AGENT
    if fetch.link is None:
        return None
    if fetch.since_sent_seconds is not None and fetch.since_sent_seconds < TOO_SOON_SECONDS:
        return Reason.TOO_SOON
    if len(fetch.recent_links | {fetch.link}) >= BURST_LINKS:
        return Reason.BURST
    return None
