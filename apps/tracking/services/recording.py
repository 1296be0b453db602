"""Writes down what came back, as it came: one INSERT per event, and no row is ever changed."""

from __future__ import annotations

from django.http import HttpRequest

from apps.campaigns.services import proofs
from apps.campaigns.states import DeliveryState
from apps.tracking import machines
from apps.tracking.letters import Letter
from apps.tracking.machines import Fetch
from apps.tracking.models import Event
from apps.tracking.services import wish_journal
from core.addresses import CONTROLS

Kind = Event.Kind
_AGENT_LENGTH = 300
_WISHES = (Event.Kind.UNSUBSCRIBE, Event.Kind.RESUBSCRIBE)


def record(letter: Letter, kind: Event.Kind, *, fetch: Fetch, detail: dict[str, object] | None = None) -> Event:
    """Write one event with the verdict on who caused it; a proof of arrival closes an unconfirmed letter as sent."""
    reason = machines.judge(fetch)
    event = Event.objects.create(
        workspace_id=letter.workspace_id,
        delivery_id=letter.delivery_id,
        campaign_id=letter.counted_campaign_id,
        kind=kind,
        link=fetch.link,
        detail=detail or {},
        user_agent=fetch.user_agent,
        is_machine=reason is not None,
        machine_reason=reason.value if reason else "",
    )
    if kind in _WISHES:
        wish_journal.append(letter, kind, detail or {})
    if letter.state != DeliveryState.SENT and _proves_arrival(event):
        proofs.arrived(letter.delivery_id, by=kind.value)
    return event


def _proves_arrival(event: Event) -> bool:
    """Return whether only somebody who has the letter can have caused it; mailboxes press "unsubscribe" by machine."""
    return event.kind == Kind.UNSUBSCRIBE or event.machine_reason in machines.PROVES_ARRIVAL


def fetch_of(
    request: HttpRequest,
    letter: Letter,
    *,
    link: int | None = None,
    recent_links: frozenset[int] = frozenset(),
) -> Fetch:
    """Return what the classifier needs to know about a request."""
    return Fetch(
        method=request.method or "GET",
        user_agent=agent_of(request),
        headers=request.headers,
        link=link,
        since_sent_seconds=letter.since_sent_seconds,
        recent_links=recent_links,
    )


def agent_of(request: HttpRequest) -> str:
    """Return what the request says about its program, fit for a row."""
    return CONTROLS.sub("", request.headers.get("User-Agent", ""))[:_AGENT_LENGTH]
