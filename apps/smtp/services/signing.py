"""Signs letters on their way out with the keys that are active now."""

from __future__ import annotations

import time
from dataclasses import replace

from apps.smtp import dkim, dkim_keys
from apps.smtp.envelope import Envelope
from apps.smtp.models import SigningKey
from apps.smtp.services import configs
from core import clock

# A key that was activated or retired is known everywhere after this; its record stays published for days longer.
FRESH_SECONDS = 30.0
MAX_KEPT = 256
_kept: dict[tuple[int, str], tuple[float, tuple[dkim.Signer, ...]]] = {}


def signed(envelope: Envelope, *, workspace_id: int, domain: str, transport_id: int) -> Envelope:
    """Return the letter with a signature of each active key of the domain; as it is where there is none.

    A provider signs what it is handed by itself, and rewrites it before, so letters for one are left alone.

    Args:
        domain: that of the From address, lower case, in A-labels.

    Raises:
        EspError: there is a key and it cannot be used; an unsigned letter would be worse than a late one.
    """
    signers = signers_of(workspace_id, domain)
    if not signers or configs.config_of(transport_id).kind == "provider":
        return envelope
    return replace(envelope, data=dkim.sign(envelope.data, signers, at=int(clock.now().timestamp())))


def signers_of(workspace_id: int, domain: str) -> tuple[dkim.Signer, ...]:
    """Return the active keys of a domain, RSA first, which everybody verifies; kept in this process for half a minute.

    Raises:
        EspError: a stored key cannot be read.
    """
    kept = _kept.get((workspace_id, domain))
    if kept and kept[0] > time.monotonic():
        return kept[1]
    active = SigningKey.objects.filter(workspace_id=workspace_id, domain=domain, state=SigningKey.State.ACTIVE)
    signers = tuple(
        dkim.Signer(one.domain, one.selector, one.algorithm, dkim_keys.load(one.private_key))
        for one in active.order_by("-algorithm")
    )
    if len(_kept) >= MAX_KEPT:
        _kept.clear()
    _kept[workspace_id, domain] = (time.monotonic() + FRESH_SECONDS, signers)
    return signers


def forget(workspace_id: int, domain: str) -> None:
    """Read a domain's keys anew next time."""
    _kept.pop((workspace_id, domain), None)
