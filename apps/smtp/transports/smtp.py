"""The kinds that speak SMTP: a server of the account's own, and the local inbox."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from django.conf import settings

from apps.smtp import bounces, dialing
from apps.smtp.budget import DEFAULT_CAPS, Budget, StageCaps
from apps.smtp.config import TransportConfig
from apps.smtp.envelope import Envelope
from apps.smtp.handshake import ConnectionFailedError, Resolve, as_given
from apps.smtp.inbox import credentials
from apps.smtp.outcome import Deferred, Outcome, Stage
from apps.smtp.pool import Pool, connections
from apps.smtp.wire import Connection, Mark


@dataclass(frozen=True, slots=True)
class SmtpCarrier:
    """Carries over pooled connections to a server that must be public, or listed by the instance."""

    caps: StageCaps = DEFAULT_CAPS
    pool: Pool = connections
    lookup: dialing.Lookup = dialing.system_lookup

    def carry(self, config: TransportConfig, envelope: Envelope, *, budget: Budget, mark: Mark) -> Outcome:
        """Offer the envelope; the mark is asked for after the body and before the final dot.

        After a mark that returned True the outcome may still be Deferred or Rejected, at stage body: the server hung
        up or objected at the last moment, and the dot was not sent.
        """
        resolve = partial(dialing.addresses, private_hosts=settings.PRIVATE_SMTP_HOSTS, lookup=self.lookup)
        return self.offer(config, envelope, budget=budget, mark=mark, resolve=resolve)

    def offer(
        self, config: TransportConfig, envelope: Envelope, *, budget: Budget, mark: Mark, resolve: Resolve
    ) -> Outcome:
        """Offer the envelope, and once more over a new line when the kept one was found dead."""
        attempt = partial(self._attempt, config, envelope, budget=budget, mark=mark, resolve=resolve)
        outcome, was_stale = attempt()
        if was_stale:
            outcome, _ = attempt(fresh=True)
        return outcome

    def _attempt(
        self,
        config: TransportConfig,
        envelope: Envelope,
        *,
        budget: Budget,
        mark: Mark,
        resolve: Resolve,
        fresh: bool = False,
    ) -> tuple[Outcome, bool]:
        pool, until = self.pool, budget.offer_until
        try:
            connection = pool.checkout(config, offer_until=until, caps=self.caps, resolve=resolve, fresh=fresh)
        except ConnectionFailedError as failed:
            return failed.outcome, False
        try:
            outcome = connection.carry(envelope, budget=budget, mark=mark)
            return outcome, _was_stale(connection, outcome)
        finally:
            pool.checkin(connection)


@dataclass(frozen=True, slots=True)
class InboxCarrier:
    """Carries into the local inbox of this instance, wherever that runs."""

    smtp: SmtpCarrier

    def carry(self, config: TransportConfig, envelope: Envelope, *, budget: Budget, mark: Mark) -> Outcome:
        """Offer the envelope to the inbox's own server."""
        if not settings.INBOX_ADDRESS:
            return bounces.interrupted(Stage.CONNECT, "not_configured")
        config = credentials.signed_in(config, settings.INBOX_ADDRESS)
        return self.smtp.offer(config, envelope, budget=budget, mark=mark, resolve=as_given)


def _was_stale(connection: Connection, outcome: Outcome) -> bool:
    """Return whether a reused connection was found dead before the server had taken any word of this letter."""
    if not connection.was_idle or not isinstance(outcome, Deferred):
        return False
    if outcome.stage is Stage.RESET:  # it belongs to the letter before
        return True
    was_dropped = outcome.reason == "closed" or (outcome.reply is not None and outcome.reply.code == 421)
    return outcome.stage is Stage.MAIL and was_dropped
