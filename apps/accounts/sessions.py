"""Where sessions live: in PostgreSQL, each row with who it belongs to, so that people can see and end their own."""

from __future__ import annotations

import datetime as dt
import hashlib
from dataclasses import dataclass
from typing import Any

from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends.base import SessionBase
from django.contrib.sessions.backends.db import SessionStore as DatabaseStore
from django.db.models import QuerySet
from django.http import HttpRequest

from apps.accounts import origin
from apps.accounts.models import Session, User
from core import clock

# How stale "last seen" may be; each write also moves the hour at which an idle session ends.
SEEN_EVERY = dt.timedelta(minutes=5)
_MARKS = "_origin"


class SessionStore(DatabaseStore):
    """Django's store, with the owner's columns filled from the data that is saved anyway."""

    @classmethod
    def get_model_class(cls) -> type[Session]:
        """Return the model that holds the rows."""
        return Session

    def create_model_instance(self, data: dict[str, Any]) -> Session:
        """Return the row for this data."""
        row = super().create_model_instance(data)
        assert isinstance(row, Session)
        row.user_id = int(data[SESSION_KEY]) if SESSION_KEY in data else None
        marks = data.get(_MARKS) or {}
        row.ip, row.user_agent = marks.get("ip"), marks.get("user_agent", "")
        row.signed_in_at, row.seen_at = _moment(marks.get("signed_in_at")), _moment(marks.get("seen_at"))
        return row


@dataclass(frozen=True, slots=True)
class SignedIn:
    """One place where somebody is signed in; `name` tells it from others without giving the key away."""

    name: str
    is_here: bool
    ip: str | None
    user_agent: str
    signed_in_at: dt.datetime | None
    seen_at: dt.datetime | None


def mark(request: HttpRequest) -> None:
    """Note from where somebody signed in just now."""
    now = clock.now().isoformat()
    agent = request.META.get("HTTP_USER_AGENT", "")[:300]
    request.session[_MARKS] = {"ip": origin.ip_of(request), "user_agent": agent, "signed_in_at": now, "seen_at": now}


def see(request: HttpRequest) -> None:
    """Note that somebody is active, at most every few minutes; a page that only polls is no activity."""
    if request.method in ("GET", "HEAD") and request.headers.get("HX-Request") == "true":
        return
    marks = request.session.get(_MARKS)
    seen = _moment(marks.get("seen_at")) if marks else None
    if marks and (seen is None or seen < clock.now() - SEEN_EVERY):
        request.session[_MARKS] = {**marks, "ip": origin.ip_of(request), "seen_at": clock.now().isoformat()}


def stay(request: HttpRequest) -> None:
    """Begin the time anew after which an idle session ends."""
    if request.user.is_authenticated:
        marks = request.session.get(_MARKS) or {}
        request.session[_MARKS] = {**marks, "seen_at": clock.now().isoformat()}


def seconds_left(request: HttpRequest) -> int:
    """Return how long somebody stays signed in if they do nothing; 0 for nobody."""
    if not request.user.is_authenticated:
        return 0
    if request.session.modified:
        return request.session.get_expiry_age()
    row = Session.objects.filter(session_key=request.session.session_key).only("expire_date").first()
    return max(0, int((row.expire_date - clock.now()).total_seconds())) if row else 0


def of(user: User, *, here: SessionBase | None = None) -> list[SignedIn]:
    """Return where a person is signed in, this browser first, then the latest."""
    rows = _open(user).order_by("-seen_at")
    found = [
        SignedIn(_name(one), bool(here) and one.session_key == getattr(here, "session_key", None), one.ip,
                 one.user_agent, one.signed_in_at, one.seen_at)
        for one in rows
    ]  # fmt: skip
    return sorted(found, key=lambda one: not one.is_here)


def end(user: User, name: str) -> bool:
    """Sign a person out in one place; return whether they were signed in there."""
    keys = [one.session_key for one in _open(user) if _name(one) == name]
    return bool(_open(user).filter(session_key__in=keys).delete()[0])


def end_others(user: User, *, here: SessionBase | None = None) -> int:
    """Sign a person out everywhere but here; return in how many places."""
    others = Session.objects.filter(user=user)
    if here is not None and here.session_key:
        others = others.exclude(session_key=here.session_key)
    return others.delete()[0]


def _open(user: User) -> QuerySet[Session]:
    return Session.objects.filter(user=user, expire_date__gt=clock.now())


def _name(session: Session) -> str:
    return hashlib.sha256(f"session:{session.session_key}".encode()).hexdigest()[:24]


def _moment(text: str | None) -> dt.datetime | None:
    return dt.datetime.fromisoformat(text) if text else None
