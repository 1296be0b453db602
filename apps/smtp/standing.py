"""How a sending account stands: what it is, what it has used of its limits, and what is wrong with it, in words."""

from __future__ import annotations

import datetime as dt
import json
import re
from dataclasses import dataclass

from django.utils import formats, timezone
from django.utils.translation import gettext as _

from apps.accounts.models import Workspace
from apps.smtp.models import Throttle, Transport
from apps.smtp.outcome import Stage
from apps.smtp.providers import catalogue
from apps.smtp.services import throttles
from apps.smtp.throttle import Use
from core import clock

_HOT = 0.9
_REPLY = re.compile(r"[2-5]\d\d\b")


@dataclass(frozen=True, slots=True)
class Standing:
    """One account as the screens show it.

    Args:
        health: ok, warn, bad or off.
        verdict: the health in a few words.
        line: what the account is.
        trouble: the fact, for a banner; empty when there is none.
        said: what the server said last, word for word.
        tried_at: when an account in trouble is tried again, if that lies ahead.
        opens_at: when the limits let the next email go, if that is more than a moment away.
    """

    transport: Transport
    health: str
    verdict: str
    line: str
    uses: tuple[tuple[str, Use, bool], ...] = ()
    trouble: str = ""
    said: str = ""
    tried_at: dt.datetime | None = None
    opens_at: dt.datetime | None = None


def of_workspace(workspace: Workspace) -> list[Standing]:
    """Return every account of a workspace, real ones first, each with its standing."""
    found = Transport.objects.filter(workspace=workspace).select_related("throttle").order_by("pk")
    return sorted((of(one) for one in found), key=lambda one: one.transport.is_local_inbox)


def of(transport: Transport) -> Standing:
    """Return how one account stands now."""
    throttle: Throttle | None = getattr(transport, "throttle", None)
    trouble = throttle if throttle and throttle.trouble_since and throttle.closed_until else None
    opens_at = _opens_at(throttle)
    health, verdict = _health(transport, trouble, opens_at)
    return Standing(
        transport,
        health,
        verdict,
        _line(transport),
        uses=tuple(_uses(transport)),
        trouble=_trouble(transport, trouble) if trouble and transport.is_active else "",
        said=trouble.trouble_text if trouble else "",
        tried_at=_tried_at(trouble) if trouble and transport.is_active else None,
        opens_at=opens_at,
    )


def _tried_at(trouble: Throttle) -> dt.datetime | None:
    at = trouble.closed_until
    return at if at and at > clock.database_now() else None


def _opens_at(throttle: Throttle | None) -> dt.datetime | None:
    if throttle is None:
        return None
    # Asked to slow down, it is closed without being in trouble.
    asked = None if throttle.trouble_since else throttle.closed_until
    moments = [one for one in (throttle.opens_at, asked) if one is not None]
    if not moments:
        return None
    latest = max(moments)
    return latest if latest > clock.database_now() + dt.timedelta(seconds=60) else None


def _health(transport: Transport, trouble: Throttle | None, opens_at: dt.datetime | None) -> tuple[str, str]:
    if not transport.is_active:
        return "off", _("Switched off")
    if trouble:
        return "bad", _("In trouble")
    if transport.tested_stage:
        return "bad", _("The last test failed")
    if opens_at:
        return "warn", _("Waits for its limit")
    if transport.tested_at is None and not transport.is_local_inbox:
        return "warn", _("Not tested yet")
    return "ok", _("In order")


def _line(transport: Transport) -> str:
    match transport.kind:
        case Transport.Kind.LOCAL_INBOX:
            return _("Keeps what you send here. Nobody outside gets it.")
        case Transport.Kind.PROVIDER:
            parts = [_provider_line(transport)]
        case _:
            is_plain = transport.tls == Transport.Tls.NONE
            secured = _("not encrypted") if is_plain else str(transport.get_tls_display())
            parts = [f"SMTP {transport.host}:{transport.port}", secured]
    if transport.tested_ms and not transport.tested_stage:
        number = formats.number_format(transport.tested_ms, force_grouping=True)
        parts.append(_("answered in %(ms)s ms") % {"ms": number})
    return ", ".join(parts)


def _provider_line(transport: Transport) -> str:
    provider = catalogue.find(transport.provider)
    if provider is None:
        return transport.provider
    region = provider.region(json.loads(transport.options.reveal() or "{}").get("region", ""))
    return f"{provider.label}, {region.label}" if region else f"{provider.label} API"


def _uses(transport: Transport) -> list[tuple[str, Use, bool]]:
    labels = {"minute": _("This minute"), "hour": _("Last hour"), "day": _("Last 24 hours")}
    if not transport.limits:
        return []
    return [
        (labels[one.name], one, one.used >= one.limit * _HOT) for one in throttles.uses(transport.pk, transport.limits)
    ]


def _trouble(transport: Transport, trouble: Throttle) -> str:
    since = timezone.localtime(trouble.trouble_since)
    style = "H:i" if since.date() == timezone.localdate() else "j N, H:i"
    words: dict[str, str] = {"name": transport.name, "since": formats.date_format(since, style)}
    match trouble.trouble_stage:
        case Stage.AUTH.value if transport.is_provider:
            return _("%(name)s refuses our key or our sender since %(since)s") % words
        case Stage.AUTH.value:
            return _("%(name)s refuses our password since %(since)s") % words
        case Stage.CONNECT.value | Stage.BANNER.value | Stage.EHLO.value if _REPLY.match(trouble.trouble_text):
            return _("%(name)s turns us away since %(since)s") % words
        case Stage.CONNECT.value | Stage.BANNER.value | Stage.EHLO.value:
            return _("%(name)s does not answer since %(since)s") % words
        case Stage.STARTTLS.value:
            return _("%(name)s cannot be reached encrypted since %(since)s") % words
        case _:
            return _("%(name)s refuses our emails since %(since)s") % words
