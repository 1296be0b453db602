"""The letter that a recipient's link names: found by its token alone, or not at all."""

from __future__ import annotations

from dataclasses import dataclass, fields

from django.db import connection

from apps.campaigns.states import DeliveryKind
from apps.tracking.machines import BURST_SECONDS
from core import tokens

_FIND = """
SELECT d.id, d.workspace_id, d.campaign_id, d.contact_id, d.content_id, d.kind, d.state, d.email, d.email_hash,
       extract(epoch FROM now() - d.sent_at), w.name, w.postal_address, w.colour, w.logo
FROM campaigns_delivery d JOIN accounts_workspace w ON w.id = d.workspace_id
WHERE d.id = %s
"""
_TARGET = """
SELECT c.links[%(number)s + 1],
       ARRAY(SELECT DISTINCT e.link FROM tracking_event e
             WHERE e.delivery_id = d.id AND e.kind = 'click' AND e.link IS NOT NULL
               AND e.at > clock_timestamp() - %(window)s * interval '1 second')
FROM campaigns_delivery d JOIN campaigns_contentversion c ON c.id = d.content_id
WHERE d.id = %(delivery)s
"""


@dataclass(frozen=True, slots=True)
class Letter:
    """What the recipient's pages need to know about a delivery."""

    delivery_id: int
    workspace_id: int
    campaign_id: int | None
    contact_id: int | None
    content_id: int
    kind: str
    state: str
    email: str
    email_hash: bytes
    since_sent_seconds: float | None
    sender_name: str
    postal_address: str
    colour: str
    logo: str

    @property
    def is_test(self) -> bool:
        """True for a test letter: it counts nowhere and changes nobody's subscriptions."""
        return self.kind == DeliveryKind.TEST

    @property
    def counted_campaign_id(self) -> int | None:
        """The campaign whose statistics this letter belongs to."""
        return self.campaign_id if self.kind == DeliveryKind.CAMPAIGN else None


@dataclass(frozen=True, slots=True)
class Target:
    """Where a link of a letter leads, and which of its links were followed a moment ago."""

    url: str
    recent_links: frozenset[int]


def find(purpose: str, token: str) -> Letter | None:
    """Return the letter a token of this purpose names; None for a token we did not make."""
    opened = tokens.open_token(purpose, token)
    return get(opened.delivery_id) if opened else None


def get(delivery_id: int) -> Letter | None:
    """Return the letter of a delivery."""
    with connection.cursor() as cursor:
        cursor.execute(_FIND, [delivery_id])
        row = cursor.fetchone()
    if row is None:
        return None
    values = dict(zip((each.name for each in fields(Letter)), row, strict=True))
    since_sent = values["since_sent_seconds"]
    values["email_hash"] = bytes(values["email_hash"])
    values["since_sent_seconds"] = None if since_sent is None else float(since_sent)
    return Letter(**values)


def target(delivery_id: int, number: int) -> Target | None:
    """Return where the numbered link of this very letter's content leads; None where it has no such link."""
    values = {"delivery": delivery_id, "number": number, "window": BURST_SECONDS}
    with connection.cursor() as cursor:
        cursor.execute(_TARGET, values)
        row = cursor.fetchone()
    if row is None or row[0] is None:
        return None
    return Target(row[0], frozenset(row[1]))
