"""A batch carried by its own task: the same steps as for one letter, for many at once over many lines."""

from __future__ import annotations

import logging
import signal
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from django.conf import settings
from django.core.exceptions import ObjectDoesNotExist
from django.db import Error

from apps.campaigns.rendering import RenderError
from apps.campaigns.services import batching, composing, follow_ups, grouped_claims, outcomes, spool
from apps.campaigns.services.claims import Claimed
from apps.campaigns.services.grouped_results import Results
from apps.smtp import engine
from apps.smtp.budget import Budget
from apps.smtp.config import TransportConfig
from apps.smtp.engine import Parcel
from apps.smtp.envelope import InvalidEnvelopeError
from apps.smtp.outcome import Accepted, Deferred, FailureClass, Outcome, Stage, Unknown, Withheld
from apps.smtp.pool import connections
from apps.smtp.services import breaker, configs
from core import jobs, worker
from core.errors import EspError

log = logging.getLogger(__name__)

_AWAY_PAUSE = 0.5


# What composing may raise over one letter's fields or content, because of a bug; anything else ends the batch.
_BUGS = (Error, ObjectDoesNotExist, TypeError, ValueError, LookupError, AttributeError, ArithmeticError, RecursionError)


@dataclass(frozen=True, slots=True)
class Carried:
    """How many letters of a batch were settled, and whether another batch may be rung at once."""

    settled: int
    has_moved: bool


def carry(batch_id: int, *, started: float) -> Carried:
    """Carry the due letters of a batch that may be carried inline.

    What is not settled in time is in the queue again at the end, and so is what the soft limit or a stop cuts short.

    Args:
        started: `time.monotonic()` when the task began; all deadlines follow from it.
    """
    limits = settings.LIMITS
    grouped_claims.give_back(worker.owner())  # this process has nothing in hand: what is left was cut short before
    moved = settled = grouped_claims.settle_refused(batch_id)
    for account_id in grouped_claims.accounts(batch_id):
        try:
            config = configs.config_of(account_id)
        except EspError:  # the letters go alone, and each is told why its account cannot be used
            jobs.ring_now(batching.SINGLE, [(one,) for one in batching.admit(batch_id, all_alone=True)])
            continue
        bearer = Bearer(batch_id, account_id, begin_until=started + limits.batch.soft - limits.inline_begin_margin)
        _run(_engine(config, bearer, started=started), bearer, until=started + limits.batch.hard - limits.record_margin)
        settled += bearer.settled
        moved += 0 if bearer.has_trouble else bearer.settled
    return Carried(settled, has_moved=moved > 0)


def _run(run: engine.Engine, bearer: Bearer, *, until: float) -> None:
    is_whole = False
    try:
        run.run()
        is_whole = True
    finally:
        try:
            bearer.hold()  # during a warm shutdown the soft limit strikes twice
        finally:
            bearer.close(until=until, is_whole=is_whole, finished=run.finished, in_doubt=run.in_doubt)


def _engine(config: TransportConfig, bearer: Bearer, *, started: float) -> engine.Engine:
    limits = settings.LIMITS

    def budget() -> Budget:
        """Return the time of a letter that begins now."""
        return Budget(
            offer_until=time.monotonic() + limits.offer,
            soft_until=started + limits.batch.soft - limits.reserve,
            dot_floor=limits.dot_floor,
            dot_cap=limits.dot_cap,
            stall_limit=limits.mark_to_dot,
        )

    return engine.engine_for(
        config,
        bearer,
        connections=min(limits.inline_connections, config.max_connections),
        window=limits.inline_window,
        begin_until=bearer.begin_until,
        budget=budget,
    )


class Bearer:
    """Brings a batch's letters to the engine and records what became of them; used by one thread.

    The soft limit is held back from the first marker until every marked letter is recorded, so that it strikes only
    where "certainly not sent" is true of all that is in hand.
    """

    def __init__(self, batch_id: int, account_id: int, *, begin_until: float) -> None:
        self.begin_until = begin_until
        self.settled = 0
        self.has_trouble = False  # nothing can be composed for this account now
        self._batch_id, self._account_id = batch_id, account_id
        self._owner = worker.owner()
        self._hold = worker.SoftLimitHold()
        self._results = Results()
        self._waiting: deque[Claimed] = deque()
        self._marked: dict[int, Claimed] = {}  # or perhaps: the database went away while it was asked
        self._is_over = self._has_stopped = self._account_has_failed = False
        self._next_claim = 0.0

    @property
    def is_exhausted(self) -> bool:
        """True when no letter will be taken any more."""
        return self._is_over and not self._waiting

    def should_stop(self) -> bool:
        """Return whether no further letter may begin: a stop, a limit that waits, a campaign that was paused."""
        return self._has_stopped or worker.is_draining() or signal.SIGUSR1 in signal.sigpending()

    def next(self, room: int) -> list[Parcel]:
        """Return up to so many letters, composed; what cannot be composed is settled here."""
        parcels: list[Parcel] = []
        while len(parcels) < room:
            if self.has_trouble or self.should_stop() or time.monotonic() >= self.begin_until:
                self._is_over = True
                self._put_back()
                break
            if not self._waiting and not self._claim(room):
                break
            if parcel := self._composed(self._waiting.popleft()):
                parcels.append(parcel)
        return parcels

    def _claim(self, room: int) -> bool:
        """Begin another slice; none while a result waits for the database."""
        if self._is_over or self._has_stopped or time.monotonic() < self._next_claim or not self._results.flush():
            return False
        most = settings.LIMITS.inline_slice
        count = most if self.settled else min(most, 2 * room)  # few until one has shown that the account carries any
        try:
            letters = grouped_claims.begin(self._batch_id, self._account_id, owner=self._owner, count=count)
        except outcomes.DATABASE_AWAY:
            outcomes.drop_connection()
            self._next_claim = time.monotonic() + _AWAY_PAUSE
            return False
        self._waiting.extend(letters)
        self._is_over = not letters
        return bool(letters)

    def _composed(self, claimed: Claimed) -> Parcel | None:
        try:
            return Parcel(claimed, composing.compose(claimed))
        except (RenderError, InvalidEnvelopeError) as error:
            self._fail(claimed, code=error.code, text=error.message)
        except outcomes.DATABASE_AWAY:
            outcomes.drop_connection()
            self._results.add(outcomes.unsent(claimed))
        except (EspError, OSError) as error:  # it cannot be signed, or its account not be used: nor can the next one
            self.has_trouble = True
            code = error.code if isinstance(error, EspError) else type(error).__name__
            log.error("Batch %d is left: its letters cannot be composed (%s)", self._batch_id, code)
            refused = Deferred(Stage.CONNECT, None, FailureClass.ACCOUNT, counted=False, reason=code)
            self._results.add(outcomes.interpret(claimed, refused, was_marked=False))
        except _BUGS as error:
            kind = spool.kind_of(error)  # its words may quote the person
            log.critical("Delivery %d could not be composed (%s)", claimed.delivery_id, kind)
            if isinstance(error, Error):
                outcomes.drop_connection()
            self._fail(claimed, code="bug", text=kind)
        return None

    def _fail(self, claimed: Claimed, *, code: str, text: str) -> None:
        self.settled += 1
        try:
            outcomes.fail_unrendered(claimed, code=code, text=text)
            self._has_stopped |= follow_ups.look_at_campaign(claimed, FailureClass.RENDER, is_final=True)
        except outcomes.DATABASE_AWAY:
            outcomes.drop_connection()
            self._results.add(outcomes.unsent(claimed))

    def mark(self, parcels: Sequence[Parcel]) -> list[bool]:
        """Set the markers in one statement; none while a result waits, so that the letters in doubt stay few."""
        self.hold()
        letters = [_claimed(parcel) for parcel in parcels]
        marked = set[int]()
        self._marked.update((one.delivery_id, one) for one in letters)
        try:
            marked = self._results.flush_and_mark(letters)
        except outcomes.DATABASE_AWAY:
            # Whether the markers were committed is unknown, but no dot will be sent: the results say so.
            outcomes.drop_connection()
        else:
            for one in letters:
                if one.delivery_id not in marked:
                    del self._marked[one.delivery_id]
        if len(marked) < len(letters):
            self._put_back()  # what shut the gate for one may have shut it for all: they are asked anew
        return [one.delivery_id in marked for one in letters]

    def settle(self, settled: Sequence[engine.Settled]) -> None:
        """Record what became of letters, and do what follows from it."""
        self.hold()
        self._add(settled)
        self._results.flush()
        self._conclude(settled)

    def exchange(self, settled: Sequence[engine.Settled], parcels: Sequence[Parcel]) -> list[bool]:
        """Record results and set markers: in one transaction where every letter was taken.

        What follows from any other outcome may shut the gate for those that are to be marked, so it comes before.
        """
        if not all(isinstance(outcome, Accepted) for _, outcome, _ in settled):
            self.settle(settled)
            return self.mark(parcels)
        self.hold()
        self._add(settled)
        marks = self.mark(parcels)
        self._conclude(settled)
        return marks

    def _add(self, settled: Sequence[engine.Settled]) -> None:
        for parcel, outcome, was_marked in settled:
            self._results.add(outcomes.interpret(_claimed(parcel), outcome, was_marked=was_marked))

    def _conclude(self, settled: Sequence[engine.Settled]) -> None:
        for parcel, _, _ in settled:
            self._marked.pop(_claimed(parcel).delivery_id, None)
        self.settled += len(settled)
        self._follow_up([(_claimed(parcel), outcome) for parcel, outcome, _ in settled])
        if not self._marked and not self._results:
            self._hold.release()

    def _follow_up(self, settled: list[tuple[Claimed, Outcome]]) -> None:
        accepted = [claimed for claimed, outcome in settled if isinstance(outcome, Accepted)]
        for _ in accepted:
            connections.letter_accepted()
        had_failures = self._account_has_failed or any(claimed.account_has_failed for claimed in accepted)
        try:
            for claimed, outcome in settled:
                if not isinstance(outcome, Accepted):
                    self._follow_one(claimed, outcome)
            if accepted and had_failures:
                breaker.heal(self._account_id)
                self._account_has_failed = False
        except Error as error:  # away, or a bug: the outcomes are recorded, and the letters on their way go on
            outcomes.drop_connection()
            level = logging.WARNING if isinstance(error, outcomes.DATABASE_AWAY) else logging.CRITICAL
            text = "What follows from some outcomes of batch %d is left (%s)"
            log.log(level, text, self._batch_id, spool.kind_of(error))

    def _follow_one(self, claimed: Claimed, outcome: Outcome) -> None:
        if follow_ups.follow_up(claimed, outcome):
            self._stop_beginning()
        breaker.note(self._account_id, outcome, had_failures=claimed.account_has_failed, was_probe=False)
        if breaker.is_trouble(outcome):
            self._account_has_failed = True
            self._put_back()  # the next claim asks whether the account is still open

    def _stop_beginning(self) -> None:
        self._has_stopped = True
        self._put_back()

    def _put_back(self) -> None:
        """Return what was begun and not given to the engine."""
        ids = [claimed.delivery_id for claimed in self._waiting]
        self._waiting.clear()
        if not ids:
            return
        try:
            grouped_claims.give_back(self._owner, ids)
        except outcomes.DATABASE_AWAY:
            outcomes.drop_connection()  # they are given back at the end, or by the sweep

    def hold(self) -> None:
        """Hold the soft limit back."""
        self._hold.hold()

    def close(
        self, *, until: float, is_whole: bool, finished: Sequence[engine.Settled], in_doubt: Sequence[Parcel]
    ) -> None:
        """Record what is known and return what is not sent; for the end, whatever brought it.

        Args:
            until: `time.monotonic()` until which results wait for the database.
            is_whole: False when an exception cut the work short, perhaps in the middle of a query.
            finished: what the engine heard and could not hand over any more.
            in_doubt: the letters of which it did not hear.
        """
        try:
            if not is_whole:
                outcomes.drop_connection()
                self._keep(finished, in_doubt)
            if self._results.close(until=until):
                self._give_back_all(is_whole=is_whole)
        finally:
            self._hold.release()

    def _keep(self, finished: Sequence[engine.Settled], in_doubt: Sequence[Parcel]) -> None:
        """Take what the engine still held: what it heard, who is in doubt, and that nobody else was sent."""
        doubtful = [(parcel, Unknown(Stage.DOT, "closed"), True) for parcel in in_doubt]
        for parcel, outcome, was_marked in (*finished, *doubtful):
            claimed = _claimed(parcel)
            self._marked.pop(claimed.delivery_id, None)
            self._results.add(outcomes.interpret(claimed, outcome, was_marked=was_marked))
            if isinstance(outcome, Accepted):
                connections.letter_accepted()
        for claimed in self._marked.values():
            unsent = Withheld("stopped", marked=True)
            self._results.add(outcomes.interpret(claimed, unsent, was_marked=True))

    def _give_back_all(self, *, is_whole: bool) -> None:
        """Return everything of this process that has no marker: one statement, known by its owner alone.

        What an exception cut short comes again as single letters, what the engine never saw with the batch.
        """
        try:
            left = grouped_claims.give_back(self._owner)
        except outcomes.DATABASE_AWAY:
            outcomes.drop_connection()
            return
        if left and not is_whole:
            log.warning("Cut short: %d letters of batch %d were given back unsent", len(left), self._batch_id)
            jobs.ring_now(batching.SINGLE, [(delivery_id,) for delivery_id in left])


def _claimed(parcel: Parcel) -> Claimed:
    assert isinstance(parcel.key, Claimed)
    return parcel.key
