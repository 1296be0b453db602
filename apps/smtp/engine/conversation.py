"""One connection's conversation with DATA: one letter on offer, and behind the dot of one the commands of the next."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping
from enum import Enum, auto
from typing import Final

from apps.smtp import bounces, offering
from apps.smtp.budget import StageCaps, now
from apps.smtp.engine.parcels import Desk, Letter
from apps.smtp.engine.talk import LAST_TRY, OutOfTurnError, Talk, is_clean_no
from apps.smtp.envelope import dot_stuffed
from apps.smtp.outcome import Outcome, Reply, Stage, Unknown, Withheld
from apps.smtp.replies import parse

PATIENCE_BEHIND: Final = 5.0
"""Seconds a letter waits behind the dot of another before it is offered elsewhere; nothing of it was sent."""


class _Phase(Enum):
    COMMANDS = auto()
    BODY = auto()
    MARK = auto()


class Conversation(Talk):
    """Offers letters one after another; with PIPELINING each costs one round trip."""

    def __init__(self, extensions: Mapping[str, str], *, caps: StageCaps, desk: Desk, capacity: int) -> None:
        super().__init__(extensions, caps=caps, desk=desk, capacity=capacity)
        self._offered: Letter | None = None
        self._dotted: Letter | None = None
        self._phase = _Phase.COMMANDS
        self._dotted_at = 0.0
        self._needs_reset = False
        self._to_say: deque[tuple[Stage, bytes]] = deque()
        self._is_pipelined = "PIPELINING" in extensions

    @property
    def room(self) -> int:
        """One while nothing is on offer; behind a dot only where the server takes commands together."""
        if self.is_over or self._offered or self._capacity <= 0:
            return 0
        return int(self._dotted is None or self._is_pipelined)

    @property
    def is_idle(self) -> bool:
        """True when it holds no letter."""
        return self._offered is None and self._dotted is None

    @property
    def at_mark(self) -> list[Letter]:
        """The letter on offer, once its body is out and the server has not said a word."""
        if self._phase is not _Phase.MARK or self._offered is None or self._replies.has_leftovers or self.is_over:
            return []
        return [self._offered]

    def offer(self, letter: Letter) -> None:
        """Take a letter; what the server has said it cannot take is refused without a word."""
        envelope = letter.parcel.envelope
        if refusal := offering.cannot_travel(envelope, self._extensions):
            self._desk.finish(letter, refusal)
            return
        self._offered, self._phase = letter, _Phase.COMMANDS
        commands = [(stage, command) for stage, command, _ in offering.commands(envelope, self._extensions)]
        if self._needs_reset:
            commands.insert(0, (Stage.RESET, b"RSET\r\n"))
            self._needs_reset = False
        self._capacity -= 1
        if self._is_pipelined:
            self.out.append(b"".join(command for _, command in commands))
            self._expected.extend((stage, letter) for stage, _ in commands)
        else:
            self._to_say = deque(commands)
            self._say_next(letter)
        if self._dotted is None:
            self._begin(letter)

    def end(self, letter: Letter) -> None:
        """Say the dot."""
        if letter is not self._offered or self._phase is not _Phase.MARK:
            raise OutOfTurnError
        letter.is_out = True
        self._offered, self._dotted, self._phase = None, letter, _Phase.COMMANDS
        self._dotted_at = now()
        self._expected.append((Stage.DOT, letter))
        self.out.append(b".\r\n")
        self.deadline = letter.limits.reply_until()

    def withhold(self, letter: Letter, outcome: Outcome) -> None:
        """End the letter at its mark; the server waits for a dot that will not come, so the line is over."""
        self._offered = None
        self._desk.finish(letter, outcome)
        self._close()

    def stop(self) -> None:
        """Give the letter on offer back, if its dot was not said; the reply to a dot is still waited for."""
        letter, self._offered = self._offered, None
        if letter:
            self._desk.give_back(letter)
        self.may_quit = letter is None and self._dotted is None and not self.is_over
        self._close()

    def broke(self, reason: str, *, written: int = 0) -> None:
        """End the letters: the one whose dot was said is unknown, one behind it was never begun."""
        self.is_over = True
        dotted, self._dotted = self._dotted, None
        letter, self._offered = self._offered, None
        if dotted:
            self._desk.finish(dotted, Unknown(Stage.DOT, reason))
        if letter is None:
            return
        if dotted:
            self._desk.give_back(letter)
        elif letter.refusal:
            self._desk.finish(letter, bounces.refused(*letter.refusal))
        elif self._phase is not _Phase.COMMANDS:
            self._desk.finish(letter, bounces.interrupted(Stage.BODY, reason))
        else:
            stage = self._expected[0][0] if self._expected else Stage.MAIL
            if stage is Stage.RESET or (stage is Stage.MAIL and reason == "closed" and self._may_try_anew(letter)):
                self._desk.give_back(letter)
            else:
                self._desk.finish(letter, bounces.interrupted(stage, reason))

    def holds_up(self, moment: float) -> bool:
        """Return whether a letter waits behind the dot of one that the server takes its time with."""
        return self._dotted is not None and self._offered is not None and moment > self._dotted_at + PATIENCE_BEHIND

    def flushed(self) -> None:
        """A body that is out waits for its mark."""
        if self._phase is _Phase.BODY and self._offered:
            self._phase = _Phase.MARK
            # A beginning of an objection is listened to for so long.
            self.deadline = self._caps.until(Stage.RESET, self._offered.limits.offer_until)

    def progressed(self) -> None:
        """A body may take long, but not without progress."""
        if self._phase is _Phase.BODY and self._offered:
            self.deadline = self._caps.until(Stage.BODY, self._offered.limits.offer_until)

    def _begin(self, letter: Letter) -> None:
        letter.budget = self._desk.budget()
        if not letter.budget.leaves_time_for_reply():
            self.withhold(letter, Withheld("no_time", marked=False))
            return
        self._listened(True)

    def _say_next(self, letter: Letter) -> None:
        stage, command = self._to_say.popleft()
        self._expected.append((stage, letter))
        self.out.append(command)

    def _heard(self, stage: Stage, letter: Letter, lines: list[bytes]) -> None:
        code = int(lines[0][:3])
        if stage is Stage.DOT:
            self._heard_dot(letter, lines)
        elif letter.refusal:
            # A 354 to the DATA behind a refused recipient leaves no way back.
            if code < 400 or not self._expected:
                self._conclude(letter, letter.refusal, keep=code >= 400)
        elif stage is Stage.RESET:
            if code != 250:  # it is about the letter before
                self.stop()
        elif code in offering.WANTED[stage]:
            if stage is Stage.DATA:
                self._phase = _Phase.BODY
                self.out.append(dot_stuffed(letter.parcel.envelope.data))
                self.progressed()
        else:
            self._refuse(stage, letter, lines)
        if self._to_say and not self.is_over and self._offered is letter:
            self._say_next(letter)

    def _heard_dot(self, letter: Letter, lines: list[bytes]) -> None:
        self._dotted = None
        self._judge(letter, lines)
        self.deadline = math.inf
        if self.is_over or self._is_stopped:
            self.stop()
        elif self._offered:
            self._begin(self._offered)

    def _refuse(self, stage: Stage, letter: Letter, lines: list[bytes]) -> None:
        refusal = letter.refusal = stage, parse(lines)
        is_clean = is_clean_no(refusal[1].code)
        self._to_say.clear()
        if not is_clean or not self._expected:
            self._conclude(letter, refusal, keep=is_clean)

    def _conclude(self, letter: Letter, refusal: tuple[Stage, Reply], *, keep: bool) -> None:
        stage, reply = refusal
        self._offered, self._needs_reset, self.deadline = None, True, math.inf
        if stage is Stage.MAIL and reply.code == 421 and self._may_try_anew(letter):
            self._desk.give_back(letter)
        else:
            self._desk.finish(letter, bounces.refused(stage, reply))
            self.answered += keep
        self.is_over = not keep

    def _may_try_anew(self, letter: Letter) -> bool:
        """A line that has carried letters was closed by a server that had enough of it, not of this letter."""
        return self.answered > 0 and letter.tries < LAST_TRY

    def _unasked(self, lines: list[bytes]) -> None:
        """Whatever a server says before it has seen the dot is a refusal; without a letter it is a goodbye."""
        letter, self._offered = self._offered, None
        if letter:
            self._desk.finish(letter, bounces.refused(Stage.BODY, parse(lines)))
        self.is_over = True

    def _listened(self, is_next_stage: bool) -> None:
        if self.is_idle and (self._replies.has_leftovers or self._capacity <= 0):
            self.is_over = True
            self.may_quit = not self._replies.has_leftovers
        elif is_next_stage and self._expected and self._expected[0][0] is not Stage.DOT:
            stage, letter = self._expected[0]
            until = self._caps.until(stage, letter.limits.offer_until)
            self.deadline = now() + self._caps.reset if letter.refusal else until

    def _close(self) -> None:
        self._is_stopped, self._capacity = True, 0
        self.is_over = self.is_over or self._dotted is None
