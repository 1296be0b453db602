"""Carries one envelope to a sending account: the one network call of a letter, made with no transaction open."""

from __future__ import annotations

from functools import partial

from django.conf import settings

from apps.smtp import bounces, dialing
from apps.smtp.budget import DEFAULT_CAPS, Budget, StageCaps
from apps.smtp.config import TransportConfig
from apps.smtp.envelope import Envelope
from apps.smtp.handshake import ConnectionFailedError, Resolve, as_given
from apps.smtp.inbox import credentials
from apps.smtp.outcome import Accepted, Deferred, Outcome, Stage
from apps.smtp.pool import Pool, connections
from apps.smtp.wire import Connection, Mark


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
    """Offer the envelope over a pooled connection and return what happened to it.

    `mark` is called at most once, after the body and before the final dot; the dot goes out only if it returned True.
    After a mark that returned True the outcome may still be Deferred or Rejected, at stage body: the server hung up or
    objected at the last moment, and the dot was not sent.
    """
    if config.kind == "local_inbox":
        if not settings.INBOX_ADDRESS:
            return bounces.interrupted(Stage.CONNECT, "not_configured")
        config, resolve = credentials.signed_in(config, settings.INBOX_ADDRESS), as_given
    else:
        resolve = partial(dialing.addresses, private_hosts=settings.PRIVATE_SMTP_HOSTS, lookup=lookup)
    attempt = partial(_attempt, config, envelope, budget=budget, mark=mark, caps=caps, pool=pool, resolve=resolve)
    outcome, was_stale = attempt()
    if was_stale:
        outcome, _ = attempt(fresh=True)
    if isinstance(outcome, Accepted):
        pool.letter_accepted()
    return outcome


def _attempt(
    config: TransportConfig,
    envelope: Envelope,
    *,
    budget: Budget,
    mark: Mark,
    caps: StageCaps,
    pool: Pool,
    resolve: Resolve,
    fresh: bool = False,
) -> tuple[Outcome, bool]:
    try:
        connection = pool.checkout(config, offer_until=budget.offer_until, caps=caps, resolve=resolve, fresh=fresh)
    except ConnectionFailedError as failed:
        return failed.outcome, False
    try:
        outcome = connection.carry(envelope, budget=budget, mark=mark)
        return outcome, _was_stale(connection, outcome)
    finally:
        pool.checkin(connection)


def _was_stale(connection: Connection, outcome: Outcome) -> bool:
    """Return whether a reused connection was found dead before the server had taken any word of this letter."""
    if not connection.was_idle or not isinstance(outcome, Deferred):
        return False
    if outcome.stage is Stage.RESET:  # it belongs to the letter before
        return True
    was_dropped = outcome.reason == "closed" or (outcome.reply is not None and outcome.reply.code == 421)
    return outcome.stage is Stage.MAIL and was_dropped
