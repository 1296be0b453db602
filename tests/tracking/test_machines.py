"""The classifier, on patterns as mail gateways, proxies and people leave them."""

from __future__ import annotations

import pytest

from apps.tracking.machines import Fetch, Reason, judge

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148"
OUTLOOK = "Mozilla/4.0 (compatible; MSIE 7.0; Windows NT 10.0; WOW64; Trident/7.0; Microsoft Outlook 16.0.17928)"
GMAIL = "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)"
YAHOO = "YahooMailProxy; https://help.yahoo.com/kb/yahoo-mail-proxy-SLN28749.html"


@pytest.mark.parametrize("agent", [FIREFOX, IPHONE, OUTLOOK, GMAIL, YAHOO])
def test_takes_a_mail_program_or_browser_for_a_person(agent):
    assert judge(Fetch("GET", agent)) is None
    assert judge(Fetch("GET", agent, link=0, since_sent_seconds=60)) is None


@pytest.mark.parametrize(
    "agent",
    [
        "",
        "   ",
        "curl/8.5.0",
        "Wget/1.21",
        "python-requests/2.32",
        "Python-urllib/3.11",
        "Go-http-client/2.0",
        "Apache-HttpClient/4.5.14 (Java/17)",
        "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
        "Mozilla/5.0 (compatible; bingbot/2.0)",
        "Mozilla/5.0 (Windows NT 6.1; WOW64) SkypeUriPreview Preview/0.5",
        "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/129 Safari/537.36",
        "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)",
        "facebookexternalhit/1.1",
        "WhatsApp/2.23.20.0",
        "TelegramBot (like TwitterBot)",
        "Barracuda Sentinel (EE)",
        "Mozilla/5.0 Mimecast URL scanner",
        "proofpoint-urldefense",
        "Mozilla/5.0 (compatible; Sophos Email)",
        "ZScaler agent",
    ],
)
def test_knows_scanners_and_programs_by_name(agent):
    assert judge(Fetch("GET", agent)) is Reason.AGENT


def test_takes_every_head_for_a_machine():
    assert judge(Fetch("HEAD", FIREFOX, link=0, since_sent_seconds=9000)) is Reason.HEAD


@pytest.mark.parametrize(
    "headers", [{"Purpose": "prefetch"}, {"Sec-Purpose": "prefetch;prerender"}, {"X-Moz": "prefetch"}]
)
def test_takes_an_announced_prefetch_for_a_machine(headers):
    assert judge(Fetch("GET", FIREFOX, headers)) is Reason.PREFETCH


def test_takes_the_bare_agent_of_mail_privacy_protection_for_a_prefetch():
    assert judge(Fetch("GET", "Mozilla/5.0")) is Reason.PREFETCH


@pytest.mark.parametrize(
    ("seconds", "verdict"), [(-1.0, Reason.TOO_SOON), (0.0, Reason.TOO_SOON), (1.9, Reason.TOO_SOON), (2.0, None)]
)
def test_takes_a_click_within_two_seconds_of_the_sending_for_a_machine(seconds, verdict):
    assert judge(Fetch("GET", FIREFOX, link=0, since_sent_seconds=seconds)) is verdict


def test_judges_an_opening_by_its_program_not_its_speed():
    assert judge(Fetch("GET", FIREFOX, since_sent_seconds=0.5)) is None


def test_takes_the_third_link_of_a_letter_within_two_seconds_for_a_machine():
    def click(recent: set[int]) -> Fetch:
        return Fetch("GET", FIREFOX, link=5, since_sent_seconds=60, recent_links=frozenset(recent))

    assert judge(click({1})) is None
    assert judge(click({1, 5})) is None
    assert judge(click({1, 2})) is Reason.BURST
