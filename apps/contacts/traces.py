"""When people were last written to, and when they last opened: higher floors know, and register how to ask them."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime

FindTimes = Callable[[Collection[int]], dict[int, datetime]]
_last_emails: list[FindTimes] = []
_last_opens: list[FindTimes] = []


@dataclass(frozen=True, slots=True)
class Trace:
    """When one person's last email was accepted, and when they last opened one, as far as anybody knows."""

    last_email: datetime | None = None
    last_open: datetime | None = None


def last_emails(hook: FindTimes) -> FindTimes:
    """Register how to find when people's last emails were accepted, by contact id.

    Call it from an app's `ready()`; registering twice does nothing.
    """
    if hook not in _last_emails:
        _last_emails.append(hook)
    return hook


def last_opens(hook: FindTimes) -> FindTimes:
    """Register how to find when people last opened an email, by contact id."""
    if hook not in _last_opens:
        _last_opens.append(hook)
    return hook


def of(contact_ids: Collection[int]) -> dict[int, Trace]:
    """Return the traces of some people; a few questions, however many they are."""
    emails, opens = _ask(_last_emails, contact_ids), _ask(_last_opens, contact_ids)
    return {pk: Trace(emails.get(pk), opens.get(pk)) for pk in contact_ids}


def _ask(hooks: list[FindTimes], contact_ids: Collection[int]) -> dict[int, datetime]:
    found: dict[int, datetime] = {}
    for hook in hooks if contact_ids else ():
        found |= hook(contact_ids)
    return found
