"""The conversation without a socket: whatever a server says and however its words are cut, every letter ends once."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.smtp.engine.chunks import ChunkedConversation
from apps.smtp.engine.conversation import Conversation
from apps.smtp.engine.parcels import Desk, Letter, Parcel
from apps.smtp.engine.talk import OutOfTurnError, Talk
from apps.smtp.outcome import Accepted, Outcome, Rejected, Stage, Unknown, Withheld
from apps.smtp.replies import BrokenLineError
from tests.smtp.conftest import PATIENT, budget, letter

WORDS = st.sampled_from(
    [
        *(b"250 2.0.0 Ok\r\n", b"354 Go on\r\n", b"250-first\r\n250 second\r\n", b"451 4.2.0 Later\r\n"),
        *(b"550 5.1.1 No\r\n", b"421 4.3.2 Closing\r\n", b"334 What\r\n", b"garbage\r\n", b"25"),
    ]
)
MOVES = st.lists(
    st.one_of(
        st.tuples(st.just("say"), WORDS, st.integers(1, 9)),
        st.tuples(st.sampled_from(["offer", "flush", "end", "refuse", "behave", "stop", "break"])),
    ),
    max_size=40,
)


class Server:
    """A model of a good server: answers each command it was sent, and knows which letters it has taken."""

    def __init__(self) -> None:
        self.heard = b""
        self.taken: list[str] = []
        self._in_data = False
        self._recipient = ""

    def answer(self) -> bytes:
        """Answer everything that was said so far."""
        said = b""
        while (found := self._next()) is not None:
            said += found
        return said

    def _next(self) -> bytes | None:
        if self._in_data:
            _, dot, rest = self.heard.partition(b"\r\n.\r\n")
            if not dot:
                return None
            self.heard, self._in_data = rest, False
            self.taken.append(self._recipient)
            return b"250 2.0.0 Taken\r\n"
        line, end, rest = self.heard.partition(b"\r\n")
        if not end:
            return None
        if found := re.match(rb"BDAT (\d+) LAST", line):
            if len(rest) < int(found[1]):
                return None
            self.heard = rest[int(found[1]) :]
            self.taken.append(self._recipient)
            return b"250 2.0.0 Taken\r\n"
        self.heard = rest
        if found := re.match(rb"RCPT TO:<(.*)>", line):
            self._recipient = found[1].decode()
        self._in_data = line == b"DATA"
        return b"354 Go on\r\n" if self._in_data else b"250 2.0.0 Ok\r\n"


class Drive:
    """Moves one conversation about at random, the way the engine does, and keeps the books."""

    def __init__(self, make: Callable[[Desk], Talk]) -> None:
        self.desk = Desk(budget)
        self.talk = make(self.desk)
        self.server = Server()
        self.offered: list[Letter] = []
        self.marked: set[int] = set()
        self.written = 0

    def move(self, name: str, words: bytes = b"", size: int = 1) -> None:
        talk = self.talk
        if talk.is_over:
            return
        try:
            match name:
                case "offer" if talk.room:
                    self.offered.append(Letter(Parcel(len(self.offered), letter(f"r{len(self.offered)}@example.com"))))
                    talk.offer(self.offered[-1])
                case "flush":
                    self.flush()
                case "end" | "refuse":
                    for one in talk.at_mark:
                        one.is_marked = name == "end"
                        if one.is_marked:
                            talk.end(one)
                        else:
                            talk.withhold(one, Withheld("refused", marked=False))
                case "behave":
                    self.flush()
                    talk.receive(self.server.answer())
                    talk.flushed() if not talk.out else None
                case "say":
                    for start in range(0, len(words), size):
                        talk.receive(words[start : start + size])
                case "stop":
                    talk.stop()
                case "break":
                    talk.broke("closed", written=self.written)
        except BrokenLineError as broken:
            talk.broke(broken.code, written=self.written)
        if talk.is_over and not talk.is_idle:
            talk.broke("closed", written=self.written)

    def flush(self) -> None:
        said = b"".join(self.talk.out)
        self.talk.out.clear()
        self.server.heard += said
        self.written += len(said)
        self.talk.flushed()

    def finish(self) -> dict[object, Outcome]:
        """Close the line, and return every letter's outcome; those given back have none."""
        if not self.talk.is_over:
            self.talk.broke("closed", written=self.written)
        finished = {parcel.key: outcome for parcel, outcome, _ in self.desk.finished}
        returned = [one.parcel.key for one in self.desk.returned]
        assert len(finished) == len(self.desk.finished)
        assert sorted([*finished, *returned], key=str) == sorted((one.parcel.key for one in self.offered), key=str)
        assert self.talk.is_idle
        assert not self.desk.in_doubt
        return finished


def piped(desk: Desk) -> Talk:
    return Conversation({"PIPELINING": ""}, caps=PATIENT, desk=desk, capacity=100)


def in_turn(desk: Desk) -> Talk:
    return Conversation({}, caps=PATIENT, desk=desk, capacity=100)


def chunked(desk: Desk) -> Talk:
    return ChunkedConversation({"PIPELINING": "", "CHUNKING": ""}, caps=PATIENT, desk=desk, capacity=100, window=3)


WAYS = pytest.mark.parametrize("make", [piped, in_turn, chunked])


@WAYS
@given(moves=MOVES)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_letter_ends_once_whatever_is_said(make: Callable[[Desk], Talk], moves: list[tuple[object, ...]]) -> None:
    drive = Drive(make)
    for move in moves:
        drive.move(*move)  # type: ignore[arg-type]  # drawn by kind

    for key, outcome in drive.finish().items():
        one = drive.offered[int(str(key))]
        if isinstance(outcome, Accepted | Unknown):
            assert one.is_marked
            assert one.is_out
        if isinstance(outcome, Withheld):
            assert not one.is_out
    assert not any(one.is_out for one in drive.desk.returned)


@WAYS
@given(moves=st.lists(st.sampled_from(["offer", "behave", "behave", "end", "end", "refuse", "break"]), max_size=60))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_a_good_server_took_is_accepted_or_unknown(make: Callable[[Desk], Talk], moves: list[str]) -> None:
    drive = Drive(make)
    for name in moves:
        drive.move(name)
    drive.server.answer()  # what was on its way still arrives

    finished = drive.finish()

    taken = {one.parcel.key for one in drive.offered if one.parcel.envelope.rcpt_to in drive.server.taken}
    accepted = {key for key, outcome in finished.items() if isinstance(outcome, Accepted)}
    unknown = {key for key, outcome in finished.items() if isinstance(outcome, Unknown)}
    assert len(taken) == len(drive.server.taken)
    assert accepted <= taken <= accepted | unknown


@WAYS
@pytest.mark.parametrize("size", [1, 2, 7, 1000])
def test_replies_are_understood_however_they_are_cut(make: Callable[[Desk], Talk], size: int) -> None:
    drive = Drive(make)
    for _ in range(5):
        drive.move("offer")
        for _ in range(12):
            drive.flush()
            drive.move("end")
            drive.move("say", drive.server.answer(), size)

    assert [type(outcome) for outcome in drive.finish().values()] == [Accepted] * 5


def test_a_refused_letter_is_reset_with_the_next_one_in_one_breath() -> None:
    drive = Drive(piped)
    drive.move("offer")
    drive.flush()
    drive.move("say", b"250 Ok\r\n550 5.1.1 No such user\r\n503 5.5.1 RCPT first\r\n", 1)
    drive.move("offer")

    [(_, outcome, was_marked)] = drive.desk.finished
    assert isinstance(outcome, Rejected)
    assert (outcome.stage, was_marked) == (Stage.RCPT, False)
    assert drive.talk.out[0].startswith(b"RSET\r\nMAIL FROM:")


def test_an_agreement_behind_a_refusal_leaves_no_way_back() -> None:
    drive = Drive(piped)
    drive.move("offer")
    drive.flush()
    drive.move("say", b"250 Ok\r\n550 5.1.1 No such user\r\n354 Go on all the same\r\n", 5)

    [(_, outcome, _)] = drive.desk.finished
    assert isinstance(outcome, Rejected)
    assert drive.talk.is_over
    assert drive.talk.out == []


def test_the_last_word_out_of_turn_is_an_error() -> None:
    for make in (piped, chunked):
        drive = Drive(make)
        with pytest.raises(OutOfTurnError):
            drive.talk.end(Letter(Parcel(1, letter())))
