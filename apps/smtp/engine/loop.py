"""The engine: one thread, one poll loop, many connections to one account, and everything grouped by the round."""

from __future__ import annotations

import selectors
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from apps.smtp import bounces
from apps.smtp.budget import Budget, StageCaps, boot_clock, now
from apps.smtp.config import TransportConfig
from apps.smtp.engine.channel import Channel, Place
from apps.smtp.engine.chunks import ChunkedConversation
from apps.smtp.engine.conversation import Conversation
from apps.smtp.engine.growth import Growth
from apps.smtp.engine.parcels import Bearer, Desk, Letter, Parcel, Settled
from apps.smtp.engine.talk import Talk
from apps.smtp.handshake import ConnectionFailedError, Resolve
from apps.smtp.outcome import Deferred, FailureClass, Stage, Withheld
from apps.smtp.replies import BrokenLineError

TICK: Final = 0.05
"""Deadlines are looked at this often, and the bearer is asked this often when nothing happens."""
LINGER: Final = 0.002
"""A letter at its mark waits no longer for others, and no longer than half of what marking took lately."""
_SOON: Final = 0.25
"""A connection that has taken no letter for so long is not waited for."""


@dataclass(frozen=True, slots=True)
class Report:
    """What a run came to.

    Args:
        opened: how many connections were signed in.
        most: how many there were at once.
        failure: why it ended early, with the outcome of the letters it had in hand; None otherwise.
    """

    opened: int
    most: int
    failure: Deferred | None


class Engine:
    """Carries letters until there are none; used once."""

    def __init__(
        self,
        config: TransportConfig,
        bearer: Bearer,
        *,
        connections: int,
        window: int,
        begin_until: float,
        budget: Callable[[], Budget],
        caps: StageCaps,
        resolve: Resolve,
    ) -> None:
        self._config, self._bearer, self._caps, self._resolve = config, bearer, caps, resolve
        self._window, self._begin_until = window, begin_until
        self._desk = Desk(budget)
        self._growth = Growth(max(1, connections))
        self._selector = selectors.DefaultSelector()
        self._channels: set[Channel] = set()
        self._hungry: dict[Channel, Talk] = {}
        self._touched: dict[Channel, None] = {}
        self._upcoming: deque[Letter] = deque()
        self._place: Place | None = None
        self._failure: Deferred | None = None
        self._is_stopping = False
        self._in_hand = self._opening = self._opened = self._most = 0
        self._look_at_clock_at = 0.0
        self._mark_took = 0.0

    def run(self) -> Report:
        """Carry everything; see `carry_many`."""
        try:
            self._is_stopping = self._bearer.should_stop()
            self._fetch({})
            self._open_more()
            while self._round():
                pass
            for channel in self._channels:
                channel.part()
        finally:
            self._hear_out()
            for channel in self._channels:
                channel.close()
            self._selector.close()
        return Report(self._opened, self._most, self._failure)

    @property
    def in_doubt(self) -> list[Parcel]:
        """The letters whose last word may be out and that have heard no reply."""
        return [letter.parcel for letter in self._desk.in_doubt.values() if letter.is_out]

    @property
    def finished(self) -> list[Settled]:
        """The letters that have their outcome and were not settled yet."""
        return list(self._desk.finished)

    def _hear_out(self) -> None:
        """After an exception: say nothing more, but wait for the replies to last words that are out."""
        if not self.in_doubt:
            return
        until = max(one.limits.reply_until() for one in self._desk.in_doubt.values() if one.is_out)
        for channel in self._channels:
            (channel.talk.stop if channel.talk else channel.close)()
        while self.in_doubt and now() < until:
            for key, events in self._selector.select(TICK):
                key.data.handle(events)
            for channel in self._channels:
                channel.is_late(now())

    def _round(self) -> bool:
        # What came to its mark while others were being marked.
        touched = dict.fromkeys(channel for channel in self._touched if channel.talk and channel.talk.at_mark)
        self._touched = touched
        self._listen(0 if touched else TICK, touched)
        self._gather(touched)
        moment = now()
        if moment >= self._look_at_clock_at:
            self._look_at_clock(moment, touched)
        self._is_stopping = self._is_stopping or self._bearer.should_stop()
        self._tend(touched)
        self._fetch(touched)
        self._feed(touched)
        self._mark(touched)
        self._tend(touched)
        self._take_back()
        self._open_more()
        if not any(channel.talk and channel.talk.at_mark for channel in self._touched):
            self._settle()  # else with the next marks, at once
        self._fetch_ahead()
        return self._in_hand > 0 or (self._may_begin() and not self._bearer.is_exhausted)

    def _may_begin(self) -> bool:
        return not self._is_stopping and self._failure is None and now() < self._begin_until

    def _listen(self, timeout: float, touched: dict[Channel, None]) -> None:
        if self._upcoming and self._hungry:
            timeout = 0
        began = now()
        events_of = self._selector.select(timeout)
        if self._in_hand:
            self._growth.waited(now() - began)
        for key, events in events_of:
            channel: Channel = key.data
            channel.handle(events)
            touched[channel] = None

    def _gather(self, touched: dict[Channel, None]) -> None:
        """Let what is known wait a moment for what is about to come: a visit to the bearer costs the same for many."""
        moment = now()
        until = moment + min(LINGER, self._mark_took / 2)
        coming = [channel for channel in self._channels if channel.is_coming and moment - channel.used_at < _SOON]
        while coming and not (self._upcoming and self._hungry) and (left := until - now()) > 0:
            if not self._desk.finished and not any(channel.talk and channel.talk.at_mark for channel in touched):
                return
            self._listen(left, touched)
            coming = [channel for channel in coming if channel.is_coming]

    def _look_at_clock(self, moment: float, touched: dict[Channel, None]) -> None:
        self._look_at_clock_at = moment + TICK
        youngest, idle = self._config.max_age.total_seconds(), self._config.idle.total_seconds()
        for channel in self._channels:
            if channel.is_late(moment):
                touched[channel] = None
            elif channel.talk and (
                moment - channel.opened_at > youngest or (channel.talk.is_idle and moment - channel.used_at > idle)
            ):
                channel.talk.retire()
                touched[channel] = None
            elif channel.talk and channel.talk.holds_up(moment):
                channel.talk.stop()

    def _tend(self, touched: dict[Channel, None]) -> None:
        """Look at what became of the connections that something happened to."""
        for channel in list(touched):
            talk = channel.talk
            if talk and self._is_stopping:
                talk.stop()
            if channel.is_closed or (talk and talk.is_over):
                self._bury(channel)
            elif talk and talk.room:
                self._hungry[channel] = talk
            if talk and talk.answered:
                self._growth.succeeded()

    def _bury(self, channel: Channel, *, is_ours: bool = False) -> None:
        if channel not in self._channels:
            return
        self._channels.discard(channel)
        self._hungry.pop(channel, None)
        talk = channel.talk
        if talk is None:
            self._opening -= 1
            self._not_opened(channel.failure)
            return
        if not talk.is_idle:
            channel.broke("closed")
        if talk.may_quit:
            channel.part()
        channel.close()
        if not talk.answered and not talk.may_quit and not is_ours and not self._is_stopping:
            self._growth.failed(now())
            if self._growth.is_hopeless:
                self._failure = bounces.interrupted(Stage.CONNECT, "closed")

    def _not_opened(self, failure: Deferred | None) -> None:
        moment, standing = now(), len(self._channels) - self._opening
        self._growth.failed(moment)
        if standing or self._opening:
            self._growth.is_full(moment, standing)
            return
        is_passing = failure is not None and failure.failure is FailureClass.TRANSIENT_DEST
        if not self._opened or not is_passing or self._growth.is_hopeless:
            self._failure = failure or bounces.interrupted(Stage.CONNECT, "closed")

    def _fetch(self, touched: dict[Channel, None]) -> None:
        """Ask the bearer for as many letters as can begin in this round."""
        if not self._may_begin() or self._bearer.is_exhausted:
            return
        room = sum(talk.room for talk in self._hungry.values())
        room += sum(1 for channel in touched if channel.talk and not channel.talk.room and channel.talk.at_mark)
        if not self._channels:
            room = 1  # one letter shows whether the account carries any
        if (missing := room - len(self._upcoming)) > 0:
            self._take(missing)

    def _fetch_ahead(self) -> None:
        """Have the bearer make the next letters while the servers think about those in hand."""
        if not self._may_begin() or self._bearer.is_exhausted:
            return
        busy = sum(1 for channel in self._channels if channel.talk and channel.talk.answered and not channel.talk.room)
        if (missing := busy - len(self._upcoming)) > 0:
            self._take(missing)

    def _take(self, count: int) -> None:
        parcels = self._bearer.next(count)
        self._in_hand += len(parcels)
        self._upcoming.extend(Letter(parcel) for parcel in parcels)

    def _feed(self, touched: dict[Channel, None]) -> None:
        """Give the letters to the connections that have room."""
        for channel, talk in list(self._hungry.items()):
            if not self._upcoming:
                return
            self._offer(channel, talk)
            channel.flush()
            touched[channel] = None

    def _offer(self, channel: Channel, talk: Talk) -> None:
        while self._upcoming and talk.room:
            talk.offer(self._upcoming.popleft())
        channel.used_at = now()
        if talk.room and not talk.is_over:
            self._hungry[channel] = talk
        else:
            self._hungry.pop(channel, None)

    def _mark(self, touched: dict[Channel, None]) -> None:
        """Have every letter that is ready marked together, listen once more, and say their last words."""
        if not any(channel.talk and channel.talk.at_mark for channel in touched):
            return
        self._listen(0, touched)
        ready = [(channel, letter) for channel in touched if channel.talk for letter in channel.talk.at_mark]
        ready = [(channel, letter) for channel, letter in ready if self._has_time(channel, letter)]
        if not ready:
            return
        for _, letter in ready:
            self._desk.in_doubt[id(letter)] = letter
        # Counted from before the mark: a pause inside it, after its commit, is as dangerous as one behind it.
        asked_at = boot_clock()
        for (_, letter), is_marked in zip(ready, self._exchange([letter.parcel for _, letter in ready]), strict=True):
            letter.is_marked = is_marked
        self._listen(0, touched)
        for channel, letter in ready:
            self._end(channel, letter, asked_at)
        for channel in dict.fromkeys(channel for channel, _ in ready):
            if channel in self._channels:
                channel.flush()

    def _exchange(self, parcels: list[Parcel]) -> Sequence[bool]:
        """Hand over what is known and ask for marks; were it known later, two windows of letters would be in doubt."""
        began, finished = now(), self._desk.finished
        marks = self._bearer.exchange(finished, parcels) if finished else self._bearer.mark(parcels)
        self._in_hand -= len(finished)
        self._desk.finished = []
        took = now() - began
        self._mark_took += (took - self._mark_took) / 4
        self._growth.waited(took)  # which more letters at once would share
        return marks

    def _has_time(self, channel: Channel, letter: Letter) -> bool:
        if letter.limits.leaves_time_for_reply():
            return True
        self._withhold(channel, letter, Withheld("no_time", marked=False))
        return False

    def _end(self, channel: Channel, letter: Letter, asked_at: float) -> None:
        talk = channel.talk
        if talk is None or letter not in talk.at_mark:
            return  # the server objected, or hung up, while it was being marked
        if not letter.is_marked:
            self._withhold(channel, letter, Withheld("refused", marked=False))
        elif boot_clock() - asked_at > letter.limits.stall_limit:
            self._withhold(channel, letter, Withheld("stalled", marked=True))
        else:
            talk.end(letter)
            # The next letter's commands go out in one breath with the last word of this one.
            self._offer(channel, talk)

    def _withhold(self, channel: Channel, letter: Letter, outcome: Withheld) -> None:
        if channel.talk:
            channel.talk.withhold(letter, outcome)
            if channel.talk.is_over:
                self._bury(channel, is_ours=True)

    def _take_back(self) -> None:
        """Keep letters that no server was asked about for another connection, or give them up."""
        if self._is_stopping:
            for channel in list(self._channels):
                if channel.talk:
                    channel.talk.stop()
                if channel.talk is None or channel.talk.is_over:
                    self._drop(channel)
        self._upcoming.extendleft(reversed(self._desk.returned))
        self._desk.returned.clear()
        if self._may_begin():
            return
        outcome = self._failure or Withheld("stopped", marked=False)
        while self._upcoming:
            self._desk.finish(self._upcoming.popleft(), outcome)

    def _drop(self, channel: Channel) -> None:
        if channel.talk is None:
            self._opening -= 1
        elif channel.talk.may_quit:
            channel.part()
        self._channels.discard(channel)
        self._hungry.pop(channel, None)
        channel.close()

    def _settle(self) -> None:
        if finished := self._desk.finished:
            self._bearer.settle(finished)
            self._in_hand -= len(finished)
            self._desk.finished = []

    def _open_more(self) -> None:
        if not self._may_begin() or self._hungry or not (self._upcoming or not self._bearer.is_exhausted):
            return
        standing = len(self._channels) - self._opening
        if not standing and not self._upcoming:
            return
        for _ in range(self._growth.more(now(), standing=standing, opening=self._opening)):
            self._open()

    def _open(self) -> None:
        place = self._place or self._find()
        if place is None:
            return
        self._opening += 1
        channel = Channel(place, self._selector, self._begin)
        self._channels.add(channel)
        self._most = max(self._most, len(self._channels))
        channel.dial()
        if channel.is_closed:
            self._bury(channel)

    def _find(self) -> Place | None:
        """Look the host up, once: nothing is on its way yet that this could delay."""
        until = self._desk.budget().offer_until
        try:
            found = list(self._resolve(self._config.host, self._config.port, self._caps.until(Stage.CONNECT, until)))
        except BrokenLineError as broken:
            self._failure = bounces.interrupted(Stage.CONNECT, broken.code)
            return None
        except ConnectionFailedError as failed:
            self._failure = failed.outcome
            return None
        self._place = Place(self._config, found, self._caps)
        return self._place

    def _begin(self, extensions: Mapping[str, str]) -> Talk:
        self._opening -= 1
        self._opened += 1
        capacity = self._config.max_letters_per_connection
        if self._window > 1 and "CHUNKING" in extensions and "PIPELINING" in extensions:
            return ChunkedConversation(
                extensions, caps=self._caps, desk=self._desk, capacity=capacity, window=self._window
            )
        return Conversation(extensions, caps=self._caps, desk=self._desk, capacity=capacity)
