"""What came back from one letter, as steps of its trail."""

from __future__ import annotations

from collections.abc import Iterator

from django.utils.translation import gettext as _

from apps.campaigns.models import Delivery
from apps.campaigns.trail import Step
from apps.tracking.models import Event

LIMIT = 100
Kind = Event.Kind
_LOOKS = {
    Kind.OPEN: ("sent", "mail-open"),
    Kind.VIEW: ("sent", "eye"),
    Kind.CLICK: ("sent", "mouse-pointer-click"),
    Kind.UNSUBSCRIBE: ("skipped", "minus"),
    Kind.RESUBSCRIBE: ("sent", "check"),
}


def steps(delivery: Delivery) -> Iterator[Step]:
    """Return the events of one letter, the first hundred."""
    links = delivery.content.links
    for event in Event.objects.filter(delivery=delivery).order_by("at", "pk")[:LIMIT]:
        kind = Kind(event.kind)
        style, icon = ("draft", "bot") if event.is_machine else _LOOKS[kind]
        yield Step(event.at, _what(kind, is_machine=event.is_machine), _how(event, links), style=style, icon=icon)


def _what(kind: Kind, *, is_machine: bool) -> str:
    match kind:
        case Kind.OPEN:
            return _("Opened by a machine") if is_machine else _("Opened")
        case Kind.CLICK:
            return _("A machine followed a link") if is_machine else _("Followed a link")
        case Kind.VIEW:
            return _("A machine viewed it in a browser") if is_machine else _("Viewed in the browser")
        case Kind.UNSUBSCRIBE:
            return _("Unsubscribed")
        case Kind.RESUBSCRIBE:
            return _("Took the unsubscription back")


def _how(event: Event, links: list[str]) -> str:
    if event.kind == Kind.CLICK and event.link is not None and event.link < len(links):
        return links[event.link]
    if event.kind == Kind.UNSUBSCRIBE:
        whole = event.detail.get("scope") == "everything"
        return _("With the link in this email, from everything.") if whole else _("With the link in this email.")
    return ""
