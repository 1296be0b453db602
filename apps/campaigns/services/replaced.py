"""What a deed replaced in a letter, kept for an hour: one click takes it back. Without the cache only that is lost."""

from __future__ import annotations

import secrets
from collections.abc import Mapping

from django.core.cache import cache
from django.utils.translation import gettext as _
from redis.exceptions import RedisError

from apps.campaigns.models import Campaign, Template
from apps.campaigns.services import drafts, templates
from core.errors import EspError

KEPT_SECONDS = 3600
PARTS = ("subject", "preheader", "html", "text")


class NothingKeptError(EspError):
    """It was kept for too long, or is another letter's."""

    code = "nothing_kept"
    status = 409


def parts_of(letter: Campaign | Template) -> dict[str, str]:
    """Return what is written in a letter."""
    return {part: getattr(letter, part) for part in PARTS}


def keep(letter: Campaign | Template, before: Mapping[str, str]) -> str:
    """Keep what a letter held before; return the key to take it back with; empty for nothing."""
    letter.refresh_from_db()
    if not (before["html"].strip() or before["text"].strip()) or before == parts_of(letter):
        return ""
    key = secrets.token_urlsafe(12)
    try:
        cache.set(_name(letter, key), {"parts": dict(before), "seen": _version(letter)}, KEPT_SECONDS)
    except RedisError:
        return ""
    return key


def take_back(letter: Campaign | Template, key: str) -> None:
    """Write back what was kept.

    Raises:
        NothingKeptError: it is gone.
        ChangedElsewhereError: the letter was written in since, and keeps that.
    """
    try:
        kept = cache.get(_name(letter, key)) if len(key) < 40 else None
    except RedisError:
        kept = None
    if kept is None:
        raise NothingKeptError(_("This cannot be taken back any more. The email stays as it is."))
    if isinstance(letter, Campaign):
        drafts.save(letter, changes=kept["parts"], seen=kept["seen"])
    else:
        templates.save(letter, changes=kept["parts"], seen=kept["seen"])


def _version(letter: Campaign | Template) -> str:
    return drafts.version(letter) if isinstance(letter, Campaign) else templates.version(letter)


def _name(letter: Campaign | Template, key: str) -> str:
    return f"replaced:{type(letter).__name__}:{letter.pk}:{key}"
