"""One connection's conversation with CHUNKING: several marked letters on their way at once, each in one breath."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping

from apps.smtp import bounces, offering
from apps.smtp.budget import StageCaps, now
from apps.smtp.engine.parcels import Desk, Letter
from apps.smtp.engine.talk import OutOfTurnError, Talk, is_clean_no
from apps.smtp.outcome import Outcome, Stage, Unknown, Withheld
from apps.smtp.replies import parse


class ChunkedConversation(Talk):
    """Sends up to `window` letters before the first is answered (RFC 3030); each is marked before its first byte."""

    def __init__(
        self, extensions: Mapping[str, str], *, caps: StageCaps, desk: Desk, capacity: int, window: int
    ) -> None:
        super().__init__(extensions, caps=caps, desk=desk, capacity=capacity)
        self._window = window
        self._waiting: list[Letter] = []
        self._sent: deque[tuple[Letter, int]] = deque()
        self._length = 0

    @property
    def room(self) -> int:
        """How far the window is open."""
        if self.is_over or self._is_stopped:
            return 0
        return max(0, min(self._window - len(self._waiting) - len(self._sent), self._capacity))

    @property
    def is_idle(self) -> bool:
        """True when it holds no letter."""
        return not self._waiting and not self._sent

    @property
    def at_mark(self) -> list[Letter]:
        """The letters that were taken and not begun."""
        return [] if self.is_over else list(self._waiting)

    def offer(self, letter: Letter) -> None:
        """Take a letter; nothing of it is said before its mark."""
        if refusal := offering.cannot_travel(letter.parcel.envelope, self._extensions):
            self._desk.finish(letter, refusal)
            return
        letter.budget = self._desk.budget()
        if not letter.budget.leaves_time_for_reply():
            self._desk.finish(letter, Withheld("no_time", marked=False))
            return
        self._capacity -= 1
        self._waiting.append(letter)

    def end(self, letter: Letter) -> None:
        """Say the whole letter, the last word with it."""
        if letter not in self._waiting:
            raise OutOfTurnError
        self._waiting.remove(letter)
        envelope = letter.parcel.envelope
        # After a refused letter the server still stands in its transaction, and the next one is on its way already.
        said = b"RSET\r\n" + offering.mail(envelope, self._extensions) + offering.rcpt(envelope)
        piece = b"%bBDAT %d LAST\r\n%b" % (said, len(envelope.data), envelope.data)
        self._length += len(piece)
        self.out.append(piece)
        self._expected.extend((stage, letter) for stage in (Stage.RESET, Stage.MAIL, Stage.RCPT, Stage.DOT))
        self._sent.append((letter, self._length))
        letter.is_out = True
        self._listened(True)

    def withhold(self, letter: Letter, outcome: Outcome) -> None:
        """End a letter of which nothing was said."""
        self._waiting.remove(letter)
        self._desk.finish(letter, outcome)

    def stop(self) -> None:
        """Give back what was not begun; the replies to the rest are still waited for."""
        for letter in self._waiting:
            self._desk.give_back(letter)
        self._waiting.clear()
        self._is_stopped = True
        if not self._sent and not self.is_over:
            self.is_over = self.may_quit = True

    def broke(self, reason: str, *, written: int = 0) -> None:
        """End the letters: unknown is one whose last byte may have left, unless the server had refused it."""
        self.is_over = True
        for letter in self._waiting:
            self._desk.give_back(letter)
        self._waiting.clear()
        while self._sent:
            letter, end = self._sent.popleft()
            if letter.refusal:
                self._desk.finish(letter, bounces.refused(*letter.refusal))
            elif end <= written:
                self._desk.finish(letter, Unknown(Stage.DOT, reason))
            else:
                self._desk.finish(letter, bounces.interrupted(Stage.BODY, reason))

    def progressed(self) -> None:
        """A letter may take long, but not without progress."""
        self._listened(True)

    def _heard(self, stage: Stage, letter: Letter, lines: list[bytes]) -> None:
        code = int(lines[0][:3])
        if stage is Stage.DOT:
            self._sent.popleft()
            if letter.refusal and code >= 400:
                self._desk.finish(letter, bounces.refused(*letter.refusal))
                self.answered += 1
                self.is_over = code == 421
            elif letter.refusal:
                self._desk.finish(letter, Unknown(Stage.DOT, "unexpected"))
                self.is_over = True
            else:
                self._judge(letter, lines)
        elif letter.refusal is None and code not in offering.WANTED.get(stage, range(250, 251)):
            letter.refusal = stage, parse(lines)
            self.is_over = not is_clean_no(code)

    def _unasked(self, lines: list[bytes]) -> None:
        self.stop()
        self.is_over, self.may_quit = True, False

    def _listened(self, is_next_stage: bool) -> None:
        if self.is_idle and (self._replies.has_leftovers or self._capacity <= 0 or self._is_stopped):
            self.is_over = True
            self.may_quit = not self._replies.has_leftovers
        elif not self._sent:
            self.deadline = math.inf
        elif is_next_stage:
            self.deadline = self._sent[0][0].limits.reply_until()
            if self.out:
                self.deadline = min(self.deadline, now() + self._caps.body)
