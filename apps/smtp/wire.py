"""One SMTP connection that carries letters one after another and always knows how far each got."""

from __future__ import annotations

from collections.abc import Callable
from typing import NoReturn

from apps.smtp import bounces, offering
from apps.smtp.budget import DEFAULT_CAPS, Budget, StageCaps, boot_clock, now
from apps.smtp.config import TransportConfig
from apps.smtp.envelope import Envelope, dot_stuffed
from apps.smtp.handshake import ConnectionFailedError, Resolve, as_given, establish
from apps.smtp.line import Line
from apps.smtp.outcome import Accepted, Outcome, Reply, Stage, Unknown, Withheld
from apps.smtp.replies import BrokenLineError
from core.errors import EspError

__all__ = ["Connection", "ConnectionFailedError"]

Mark = Callable[[], bool]
"""Writes "the dot goes out now" to the database; False means that the letter must not be sent."""


class _RefusedError(EspError):
    """Unwinds to `carry` with a server's no; never leaves this module."""

    code = "refused"

    def __init__(self, stage: Stage, reply: Reply, *, then_close: bool) -> None:
        super().__init__(f"The server refused at {stage}.")
        self.stage = stage
        self.reply = reply
        self.then_close = then_close


class Connection:
    """A signed-in connection; used by one thread at a time."""

    def __init__(self, config: TransportConfig) -> None:
        self.config = config
        self.letters = 0
        self.was_idle = False
        self.opened_at = self.last_used = now()
        self._caps = DEFAULT_CAPS
        self._line: Line | None = None
        self._extensions: dict[str, str] = {}
        self._needs_reset = False

    @classmethod
    def open(
        cls, config: TransportConfig, *, offer_until: float, caps: StageCaps = DEFAULT_CAPS, resolve: Resolve = as_given
    ) -> Connection:
        """Return a connection ready for its first letter.

        Raises:
            ConnectionFailedError: with the outcome to record.
        """
        connection = cls(config)
        connection.establish(offer_until=offer_until, caps=caps, resolve=resolve)
        return connection

    def establish(self, *, offer_until: float, caps: StageCaps = DEFAULT_CAPS, resolve: Resolve = as_given) -> None:
        """Dial, greet, encrypt and sign in."""
        self._caps = caps
        self._line, self._extensions = establish(self.config, offer_until=offer_until, caps=caps, resolve=resolve)
        self.opened_at = self.last_used = now()

    @property
    def stage(self) -> Stage:
        """Where the conversation is."""
        return self._line.stage if self._line else Stage.CONNECT

    @property
    def is_open(self) -> bool:
        """True until it was closed, by us or after a fault."""
        return self._line is not None

    @property
    def is_live(self) -> bool:
        """True when it is open and the server has neither hung up nor said anything unasked."""
        return self._line is not None and self._line.is_quiet

    def carry(self, envelope: Envelope, *, budget: Budget, mark: Mark) -> Outcome:
        """Offer one letter, ask for the mark, send the dot, and return what happened.

        After anything unexpected the connection is closed. An exception from `mark`, or one raised by a signal before
        it, closes it too and goes on: the dot was not sent.
        """
        if not budget.leaves_time_for_reply():
            return Withheld("no_time", marked=False)
        line = self._line
        if line is None:
            return bounces.interrupted(Stage.MAIL, "closed")
        if refusal := offering.cannot_travel(envelope, self._extensions):
            return refusal
        keep = False
        try:
            outcome, keep = self._carried(line, envelope, budget, mark)
        except BrokenLineError as broken:
            return bounces.interrupted(line.stage, broken.code)
        except _RefusedError as refused:
            keep = not refused.then_close and line.is_quiet
            self._needs_reset = True
            return bounces.refused(refused.stage, refused.reply)
        finally:
            self.last_used = now()
            if not keep:
                self.close()
        return outcome

    def quit(self) -> None:
        """Say goodbye without waiting for the answer, and close."""
        if self._line:
            line, self._line = self._line, None
            line.part()

    def close(self) -> None:
        """Close at once; never raises."""
        if self._line:
            line, self._line = self._line, None
            line.close()

    def _carried(self, line: Line, envelope: Envelope, budget: Budget, mark: Mark) -> tuple[Outcome, bool]:
        self._reset(line, budget.offer_until)
        self._offer(line, envelope, budget.offer_until)
        line.stage = Stage.BODY
        line.pour(dot_stuffed(envelope.data), until=budget.offer_until, patience=self._caps.body)
        self._listen_for_objection(line, budget.offer_until)
        if not budget.leaves_time_for_reply():
            return Withheld("no_time", marked=False), False
        asked_at = boot_clock()
        if not mark():
            return Withheld("refused", marked=False), False
        self._listen_for_objection(line, budget.offer_until)
        # Counted from before the mark: a pause inside it, after its commit, is as dangerous as one behind it.
        if boot_clock() - asked_at > budget.stall_limit:
            return Withheld("stalled", marked=True), False
        return self._finish(line, budget)

    def _finish(self, line: Line, budget: Budget) -> tuple[Outcome, bool]:
        until = budget.reply_until()
        try:
            reply = line.ask(Stage.DOT, b".\r\n", until=until)
        except BrokenLineError as broken:
            return Unknown(Stage.DOT, broken.code), False
        if 200 <= reply.code < 300:
            self.letters += 1
            return Accepted(reply), line.is_quiet
        if reply.code < 400:
            return Unknown(Stage.DOT, "unexpected"), False
        return bounces.refused(Stage.DOT, reply), reply.code != 421 and line.is_quiet

    def _reset(self, line: Line, offer_until: float) -> None:
        if not self._needs_reset:
            return
        line.stage = Stage.RESET
        reply = line.ask(Stage.RESET, b"RSET\r\n", until=self._caps.until(Stage.RESET, offer_until))
        if reply.code != 250:
            raise _RefusedError(Stage.RESET, reply, then_close=True)
        self._needs_reset = False

    def _offer(self, line: Line, envelope: Envelope, offer_until: float) -> None:
        commands = offering.commands(envelope, self._extensions)
        if "PIPELINING" in self._extensions:
            together = b"".join(command for _, command, _ in commands)
            line.say(Stage.MAIL, together, until=self._caps.until(Stage.MAIL, offer_until))
        for place, (stage, command, wanted) in enumerate(commands):
            line.stage = stage
            until = self._caps.until(stage, offer_until)
            if "PIPELINING" not in self._extensions:
                line.say(stage, command, until=until)
            reply = line.hear(until)
            if reply.code not in wanted:
                self._offer_refused(line, stage, reply, behind=len(commands) - place - 1)

    def _offer_refused(self, line: Line, stage: Stage, reply: Reply, *, behind: int) -> NoReturn:
        is_clean = 400 <= reply.code < 600 and reply.code != 421
        if is_clean and "PIPELINING" in self._extensions:
            is_clean = self._all_refused(line, behind)
        raise _RefusedError(stage, reply, then_close=not is_clean)

    def _all_refused(self, line: Line, behind: int) -> bool:
        """Read the answers to what was pipelined behind a refused command; a 354 among them leaves no way back."""
        until = now() + self._caps.reset
        try:
            return all(line.hear(until).code >= 400 for _ in range(behind))
        except BrokenLineError:
            return False

    def _listen_for_objection(self, line: Line, offer_until: float) -> None:
        """Whatever a server says before it has seen the dot is a refusal, or it has hung up: then no dot is sent."""
        if line.is_quiet:
            return
        reply = line.hear(self._caps.until(Stage.RESET, offer_until))
        raise _RefusedError(Stage.BODY, reply, then_close=True)
