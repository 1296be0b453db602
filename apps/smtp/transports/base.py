"""What every kind of transport does with an envelope."""

from __future__ import annotations

from typing import Protocol

from apps.smtp.budget import Budget
from apps.smtp.config import TransportConfig
from apps.smtp.envelope import Envelope
from apps.smtp.outcome import Outcome
from apps.smtp.wire import Mark


class Carrier(Protocol):
    """Offers one envelope to a sending account."""

    def carry(self, config: TransportConfig, envelope: Envelope, *, budget: Budget, mark: Mark) -> Outcome:
        """Offer it and return what happened to it.

        `mark` is called at most once, when everything that can go wrong harmlessly is over; the letter goes out only
        if it returned True. After that the outcome is Accepted, Rejected or Deferred only where an answer, or the way
        the line broke, proves it.
        """
