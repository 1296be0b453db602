"""A source, a version frozen in this process, and a letter to one person, each to be varied by a test."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import replace
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

import pytest

from apps.campaigns.rendering import Frozen, Letter, Source, freezing
from core import tokens

BASE = "https://mail.example.com"
BODY = '<html><head><title>t</title></head><body>%s <a href="{{ unsubscribe_url }}">Unsubscribe</a></body></html>'
TEXT = "%s\nUnsubscribe: {{ unsubscribe_url }}\n"


def make_source(**changes: Any) -> Source:
    source = Source(
        subject="Hello {{ first_name or 'friend' }}",
        preheader="",
        html=BODY % "<p>Hello {{ first_name }}</p>",
        text="",
        from_name="Northlight",
        from_email="news@northlight.example",
        reply_to="",
        postal_address="1 Harbour Road, Leith",
    )
    return replace(source, **changes)


def frozen_here(**changes: Any) -> Frozen:
    """Freeze without the child process, for tests of what is made, not of where."""
    return freezing.build(make_source(**changes), ()).frozen


def url(purpose: str, delivery_id: int, part: int = 0) -> str:
    return f"{BASE}/{purpose[0]}/{tokens.seal(purpose, delivery_id, part)}"


def make_letter(delivery_id: int = 7, **changes: Any) -> Letter:
    letter = Letter(
        message_id=f"<d{delivery_id}@northlight.example>",
        mail_from=tokens.return_path(delivery_id, "bounce.northlight.example"),
        to_email="ann@example.org",
        to_name="Ann Lee",
        fields={"email": "ann@example.org", "first_name": "Ann", "last_name": "Lee", "name": "Ann Lee"},
        click_urls=lambda links: [url("click", delivery_id, number) for number in range(links)],
        open_url=url("open", delivery_id) + ".gif",
        unsubscribe_url=url("unsubscribe", delivery_id),
        view_url=url("view", delivery_id),
        preferences_url=f"{BASE}/p/{tokens.seal('unsubscribe', delivery_id)}",
        list_id="news.northlight.example",
        list_name="News",
        feedback_id="1:2:campaign:northlight",
        date=dt.datetime(2026, 11, 20, 12, 0, tzinfo=dt.UTC),
    )
    return replace(letter, **changes)


def parse(data: bytes) -> EmailMessage:
    message = message_from_bytes(data, policy=policy.default)
    assert isinstance(message, EmailMessage)
    assert not message.defects
    return message


def body(data: bytes, kind: str = "html") -> str:
    part = parse(data).get_body((kind,))
    assert part is not None
    content: str = part.get_content()
    return content.replace("\r\n", "\n")


@pytest.fixture
def letter() -> Callable[..., Letter]:
    return make_letter
