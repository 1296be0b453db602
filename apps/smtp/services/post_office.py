"""Carries one envelope to a sending account: the one network call of a letter, made with no transaction open."""

from __future__ import annotations

from apps.smtp import dialing
from apps.smtp.budget import DEFAULT_CAPS, Budget, StageCaps
from apps.smtp.config import TransportConfig
from apps.smtp.envelope import Envelope
from apps.smtp.outcome import Accepted, Outcome
from apps.smtp.pool import Pool, connections
from apps.smtp.providers import lines
from apps.smtp.transports.base import Carrier
from apps.smtp.transports.provider import ProviderCarrier
from apps.smtp.transports.smtp import InboxCarrier, SmtpCarrier
from apps.smtp.wire import Mark


def carry(
    config: TransportConfig,
    envelope: Envelope,
    *,
    budget: Budget,
    mark: Mark,
    caps: StageCaps = DEFAULT_CAPS,
    pool: Pool = connections,
    lookup: dialing.Lookup = dialing.system_lookup,
) -> Outcome:
    """Offer the envelope to its account and return what happened to it; `Carrier.carry` says what holds for all kinds.

    `mark` is called at most once, and the letter goes out only if it returned True.
    """
    smtp = SmtpCarrier(caps, pool, lookup)
    carrier: Carrier
    match config.kind:
        case "local_inbox":
            carrier = InboxCarrier(smtp)
        case "provider":
            carrier = ProviderCarrier()
        case "smtp":
            carrier = smtp
    outcome = carrier.carry(config, envelope, budget=budget, mark=mark)
    if isinstance(outcome, Accepted):
        pool.letter_accepted()
    return outcome


def close_idle(*, all_idle: bool = False) -> int:
    """Close what this process keeps open and has not used for too long, or all of it; return how many."""
    return connections.close_idle(all_idle=all_idle) + lines.close_idle(all_idle=all_idle)
