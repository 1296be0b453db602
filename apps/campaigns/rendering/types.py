"""The shapes content has on its way: as a marketer wrote it, frozen for one version, and filled for one person."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Literal, Self


@dataclass(frozen=True, slots=True)
class Source:
    """What a marketer wrote; an empty text version is made from the HTML."""

    subject: str
    preheader: str
    html: str
    text: str
    from_name: str
    from_email: str
    reply_to: str
    postal_address: str
    track_opens: bool = True
    track_clicks: bool = True


@dataclass(frozen=True, slots=True)
class Frozen:
    """One version that passed every check: templates ready to compile, and its counted links by number."""

    subject: str
    preheader: str
    html: str
    text: str
    links: tuple[str, ...]
    content_hash: str
    from_name: str
    from_email: str
    reply_to: str

    def to_json(self) -> dict[str, object]:
        """Return what a JSON column keeps."""
        return {**asdict(self), "links": list(self.links)}

    @classmethod
    def from_json(cls, stored: Mapping[str, object] | str) -> Self:
        """Return the version that `to_json` stored."""
        values = dict(json.loads(stored) if isinstance(stored, str) else stored)
        counted = values.pop("links")
        assert isinstance(counted, list | tuple)
        return cls(**{name: str(value) for name, value in values.items()}, links=tuple(map(str, counted)))


@dataclass(frozen=True, slots=True)
class Letter:
    """Everything of one letter that is not content: whose it is, and the addresses that lead back to it."""

    message_id: str
    mail_from: str
    to_email: str
    to_name: str
    fields: Mapping[str, object]
    click_urls: Callable[[int], Sequence[str]]  # the tracked addresses of so many links
    open_url: str
    unsubscribe_url: str
    view_url: str
    preferences_url: str
    list_id: str
    list_name: str
    feedback_id: str
    date: datetime
    allow_http_loopback: bool = False
    is_bulk: bool = True
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Rendered:
    """A letter's content as a reader would see it."""

    subject: str
    html: str
    text: str


@dataclass(frozen=True, slots=True)
class Finding:
    """Something about the content that stops a campaign, or that its author should know."""

    code: str
    level: Literal["blocks", "warns"]
    message: str
    count: int = 0
