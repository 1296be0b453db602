"""A letter's way through a worker: prepare a campaign, admit a batch, carry one letter."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass

from django.conf import settings

from apps.campaigns.rendering import RenderError
from apps.campaigns.services import (
    audience,
    batching,
    claims,
    composing,
    follow_ups,
    inline,
    lifecycle,
    outcomes,
    pacing,
)
from apps.campaigns.services.claims import Claimed
from apps.smtp.budget import Budget
from apps.smtp.config import TransportConfig
from apps.smtp.envelope import InvalidEnvelopeError
from apps.smtp.outcome import Deferred, FailureClass, Stage
from apps.smtp.pool import connections
from apps.smtp.services import breaker, configs, post_office, throttles
from core import jobs, worker
from core.errors import EspError

log = logging.getLogger(__name__)

# Seconds until a letter is looked at again whose account is shut or full; nothing rings it before the account opens.
SHUT_WAIT = 5.0
LIMIT_WAIT = 60.0


def prepare(campaign_id: int) -> None:
    """Freeze the audience slice by slice, then open the gate and ring the first batches.

    Stops at a slice's end when the worker drains; the sweep rings again and the work goes on at the cursor.
    """
    if not lifecycle.begin_preparing(campaign_id):
        return
    while not worker.is_draining():
        made = audience.make_slice(campaign_id)
        if made is None:
            return
        if made.is_last:
            audience.tell_planner(campaign_id)
            if lifecycle.begin_sending(campaign_id):
                ring_batches(campaign_id)
                lifecycle.finish(campaign_id)
            return


def ring_batches(campaign_id: int) -> int:
    """Ring the batches that are ready, within the bound; return how many."""
    ready = batching.next_batches(campaign_id)
    jobs.ring_each(batching.BATCH, [(batch_id,) for batch_id in ready])
    return len(ready)


def ring_paced() -> bool:
    """Ring the letters of limited accounts whose turn has come; return whether the next turn is near."""
    is_near = False
    for account in pacing.accounts_soon():
        if account.opens_in <= pacing.ahead(account.limits):
            free = pacing.room(account)
            admitted = pacing.admit(account, free, turn=next(pacing.turns))
            _ring(admitted)
            is_near |= not free or bool(admitted)
        else:
            is_near = True
    return is_near


def send_batch(batch_id: int, *, started: float | None = None) -> int:
    """Hand out a batch by the delivery mode; return how many letters were rung or carried.

    Fan-out: admit the due letters and ring each of them, published in bulk. Inline: ring those that go alone, carry
    the others, and ring the campaign's next batches.

    Args:
        started: `time.monotonic()` when the task began.
    """
    if worker.is_draining():
        batching.unring(batch_id, has_moved=True)
        return 0
    rung = _ring(batching.admit(batch_id))
    if settings.DELIVERY != "inline":
        return rung
    carried = inline.carry(batch_id, started=time.monotonic() if started is None else started)
    campaign_id = batching.unring(batch_id, has_moved=carried.has_moved or worker.is_draining())
    if campaign_id and not worker.is_draining():
        ring_batches(campaign_id)
    return rung + carried.settled


def _ring(admitted: list[int]) -> int:
    if not admitted:
        return 0
    rung = jobs.ring_now(batching.SINGLE, [(delivery_id,) for delivery_id in admitted])
    if rung < len(admitted):
        batching.release(admitted[rung:])
    return rung


@dataclass
class Marker:
    """The marker of one letter as the connection calls it: holds the soft limit back, says whether the dot may go."""

    claimed: Claimed
    hold: worker.SoftLimitHold
    is_set: bool = False

    def __call__(self) -> bool:
        """Set the marker; from here until the result is recorded the soft limit waits."""
        self.hold.hold()
        try:
            self.is_set = claims.mark(self.claimed)
        except outcomes.DATABASE_AWAY:
            # Whether the marker was committed is unknown, but the dot will not be sent: the result says so.
            outcomes.drop_connection()
            self.is_set = False
        return self.is_set


def send_single(delivery_id: int, *, started: float) -> None:
    """Carry one letter from the queue to a recorded outcome.

    Args:
        started: `time.monotonic()` when the task began; all deadlines follow from it.
    """
    if worker.is_draining():
        claims.unring(delivery_id)
        return
    claimed = claims.begin(delivery_id, owner=worker.owner())
    if claimed is None:
        claims.settle_refused(delivery_id)
        return
    try:
        envelope = composing.compose(claimed)
        config = configs.config_of(claimed.transport_id)
        turn = _turn(claimed, config)
    except (RenderError, InvalidEnvelopeError) as error:
        outcomes.fail_unrendered(claimed, code=error.code, text=error.message)
        follow_ups.look_at_campaign(claimed, FailureClass.RENDER, is_final=True)
        return
    except outcomes.DATABASE_AWAY:
        outcomes.drop_connection()
        outcomes.record(outcomes.unsent(claimed), until=outcomes.record_deadline(started))
        return
    except EspError as error:  # the account cannot be used: no fault of the letter's
        refused = Deferred(Stage.CONNECT, None, FailureClass.ACCOUNT, counted=False, reason=error.code)
        result = outcomes.interpret(claimed, refused, was_marked=False)
        outcomes.record(result, until=outcomes.record_deadline(started))
        return
    if turn is not None:
        _carry(claimed, config, envelope, started=started, was_probe=turn)


def _turn(claimed: Claimed, config: TransportConfig) -> bool | None:
    """Wait for the letter's place in its account's limits, or give it back; return whether it tries a shut account.

    The last look before a letter leaves, so that retries, test letters and rivals are all counted; None means that it
    was given back.
    """
    is_probe = breaker.may_try(claimed.transport_id) if claimed.account_has_failed else None
    if is_probe is False:
        claims.put_off(claimed, wait=SHUT_WAIT)
        return None
    grant = throttles.take(claimed.transport_id, config.limits)
    if not grant.is_granted:
        claims.put_off(claimed, wait=min(grant.wait, LIMIT_WAIT))
        return None
    if grant.wait > 0:
        time.sleep(grant.wait)
    return bool(is_probe)


def _carry(
    claimed: Claimed, config: TransportConfig, envelope: composing.Envelope, *, started: float, was_probe: bool
) -> None:
    limits = settings.LIMITS
    budget = Budget(
        offer_until=time.monotonic() + limits.offer,
        soft_until=started + limits.single.soft - limits.reserve,
        dot_floor=limits.dot_floor,
        dot_cap=limits.dot_cap,
        stall_limit=limits.mark_to_dot,
    )
    hold = worker.SoftLimitHold()
    marker = Marker(claimed, hold)
    try:
        outcome = post_office.carry(config, envelope, budget=budget, mark=marker)
        if not marker.is_set:
            hold.release()
        hold.hold()
        result = outcomes.interpret(claimed, outcome, was_marked=marker.is_set)
        outcomes.record(result, until=outcomes.record_deadline(started))
    finally:
        hold.release()
    follow_ups.follow_up(claimed, outcome)
    breaker.note(
        claimed.transport_id, outcome, had_failures=claimed.account_has_failed or was_probe, was_probe=was_probe
    )


def give_back(delivery_id: int) -> None:
    """After the soft limit: drop every line the interrupted call may have been using, then return the letter.

    Nothing has been sent: from the marker to the recorded result the limit is held back.
    """
    with worker.soft_limit_held():
        connections.close_all()
        outcomes.drop_connection()
        claims.give_back(delivery_id, owner=worker.owner())
        jobs.ring(batching.SINGLE, delivery_id)
    log.warning("Soft limit: delivery %d was given back unsent", delivery_id)
