"""Many letters over many connections: each is settled once, and no server's trouble reaches further than it must."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from functools import partial

import pytest

from apps.smtp.budget import now
from apps.smtp.engine import Parcel, conversation, engine_for
from apps.smtp.engine import loop as engine_loop
from apps.smtp.outcome import Accepted, Deferred, FailureClass, Rejected, Stage, Unknown, Withheld
from core.secretbox import Secret
from tests.fault_server import Fault, FaultServer
from tests.smtp.conftest import PATIENT, budget, letter, to
from tests.smtp.engine.bearers import ListBearer, carry, letters

PIPELINING = ("PIPELINING", "8BITMIME", "SMTPUTF8")
CHUNKING = (*PIPELINING, "CHUNKING")
WAYS = pytest.mark.parametrize(
    ("extensions", "window"), [(PIPELINING, 1), ((), 1), (CHUNKING, 5)], ids=["pipelined", "in turn", "chunked"]
)


class SoftLimitError(BaseException):
    """Stands for Celery's."""


class TestTheWay:
    @WAYS
    def test_every_letter_arrives_once_over_a_few_connections(self, extensions: tuple[str, ...], window: int) -> None:
        with FaultServer(extensions=extensions) as server:
            bearer = ListBearer(letters(60))
            report = carry(server, bearer, connections=4, window=window)

        assert all(isinstance(outcome, Accepted) for outcome in bearer.outcomes)
        bearer.check_against(server)
        assert len(server.letters) == 60
        assert 1 <= report.opened <= 4
        assert report.failure is None

    @WAYS
    def test_bytes_arrive_as_they_are(self, extensions: tuple[str, ...], window: int) -> None:
        data = b"Subject: dots\r\n\r\n.\r\n..two\r\n.\r\nlast without an end"
        with FaultServer(extensions=extensions) as server:
            carry(server, ListBearer([letter(data=data)]), window=window)

        assert server.letters[0].data.removesuffix(b"\r\n") == data

    def test_the_next_letter_is_announced_behind_the_dot_of_the_last(self) -> None:
        with FaultServer() as server:
            bearer = ListBearer(letters(20))
            carry(server, bearer, connections=1)

        verbs = [command.split()[0] for command in server.commands]
        assert verbs == ["EHLO", *["MAIL", "RCPT", "DATA"] * 20, "QUIT"]
        assert len(bearer.marked) == 20  # window 1: a letter a connection, one in doubt at most

    @pytest.mark.parametrize("mode", ["starttls", "tls"])
    @pytest.mark.parametrize("window", [1, 4])
    def test_letters_travel_encrypted_and_signed_in(self, mode: str, window: int) -> None:
        accounts = {"ann": "p\u00e4ss word"}
        with FaultServer(
            accounts=accounts, starttls=mode == "starttls", tls=mode == "tls", extensions=CHUNKING
        ) as server:
            bearer = ListBearer([*letters(20), letter("big@example.com", data=b"S: x\r\n\r\n" + b"y" * 70_000)])
            carry(server, bearer, connections=3, window=window, tls=mode, verify_tls=False)

        assert all(isinstance(outcome, Accepted) for outcome in bearer.outcomes)
        bearer.check_against(server)
        assert {kept.username for kept in server.letters} == {"ann"}

    def test_a_worn_out_connection_is_replaced(self) -> None:
        with FaultServer() as server:
            bearer = ListBearer(letters(10))
            carry(server, bearer, max_letters_per_connection=4)

        assert all(isinstance(outcome, Accepted) for outcome in bearer.outcomes)
        assert server.connections_made == 3

    def test_what_the_server_cannot_take_is_refused_without_a_word(self) -> None:
        with FaultServer(extensions=("PIPELINING", "SIZE 200")) as server:
            bearer = ListBearer([letter("a@example.com", data=b"x" * 201), *letters(2)])
            carry(server, bearer)

        assert [type(outcome) for outcome in bearer.outcomes] == [Rejected, Accepted, Accepted]


class TestTrouble:
    @WAYS
    def test_a_connection_that_hangs_delays_no_other(
        self, extensions: tuple[str, ...], window: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The one that hangs waits far longer for its reply than all others take together: until they are done."""
        monkeypatch.setattr(conversation, "PATIENCE_BEHIND", 0.2)
        with FaultServer([Fault("dot", "hang", recipient="r3@example.com")], extensions=extensions) as server:
            bearer = ListBearer(letters(100))
            limits = partial(budget, dot_cap=3)
            carry(server, bearer, connections=4, window=window, limits=limits)

        assert bearer.outcomes[3] == Unknown(Stage.DOT, "timeout")
        bearer.check_against(server)
        assert len(server.letters) >= 100 - window
        assert isinstance(bearer.settled[-1][1], Unknown)

    @WAYS
    def test_a_thousand_letters_through_every_kind_of_trouble(self, extensions: tuple[str, ...], window: int) -> None:
        trouble = [
            Fault(stage, action, share=0.006)
            for stage in ("mail", "rcpt", "data", "dot")
            for action in ("drop", "rst", "garbage", "421 4.3.2 Closing", "450 Later", "550 5.1.1 No", "554 No")
        ]
        lost = Fault("dot", "accept_then_drop", share=0.01)
        with FaultServer([*trouble, lost], extensions=extensions) as server:
            bearer = ListBearer(letters(1000))
            report = carry(server, bearer, connections=8, window=window, max_letters_per_connection=50)

        assert report.failure is None
        assert len(bearer.given) == 1000
        bearer.check_against(server)
        assert bearer.recipients(Unknown)
        assert len(server.letters) > 600

    def test_a_server_that_has_had_enough_costs_no_letter(self) -> None:
        """421 at MAIL, or a hang-up there, after some letters is about the connection."""
        for action in ("421 4.7.0 Too many messages", "drop"):
            faults = [Fault("mail", action, nth=nth) for nth in (4, 9, 15)]
            with FaultServer(faults) as server:
                bearer = ListBearer(letters(20))
                carry(server, bearer)

            assert all(isinstance(outcome, Accepted) for outcome in bearer.outcomes)

    def test_no_connection_means_what_it_means_for_one_letter(self) -> None:
        with FaultServer(accounts={"ann": "right"}) as server:
            bearer = ListBearer(letters(50))
            report = carry(server, bearer, connections=8, password=Secret("wrong"))

        assert server.connections_made == 1  # a wrong password is tried once, not once a connection
        assert report.failure is not None
        assert (report.failure.stage, report.failure.failure) == (Stage.AUTH, FailureClass.ACCOUNT)
        assert bearer.outcomes == [report.failure]
        assert len(bearer.waiting) == 49  # never asked for

    def test_a_server_that_went_away_is_dialled_again_and_given_up(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("apps.smtp.engine.growth._LONGEST_REST", 0.01)
        server = FaultServer([Fault("mail", "drop", nth=6)]).start()
        bearer = ListBearer(letters(20))

        def mark(parcels: Sequence[Parcel]) -> Sequence[bool]:
            if sum(len(group) for group in bearer.marked) == 5:
                server._listener.close()
                server.hang_up()
            return [True] * len(parcels)

        bearer.answer = mark
        report = carry(server, bearer)
        server.stop()

        assert report.failure is not None
        assert report.failure.failure is FailureClass.TRANSIENT_DEST
        bearer.check_against(server)
        assert len(server.letters) == 4
        assert len(bearer.waiting) >= 10

    @pytest.mark.parametrize("host", ["10.0.0.1", "no.such.host.invalid", "127.1"])
    def test_a_host_that_may_not_be_dialled_is_not(self, server: FaultServer, host: str) -> None:
        def lookup(_host: str, _port: int) -> list[str]:
            raise OSError

        bearer = ListBearer(letters(3))
        engine = engine_for(
            to(server, host=host), bearer, connections=1, begin_until=now() + 9, budget=budget, lookup=lookup
        )
        report = engine.run()

        assert report.failure
        assert report.failure.reason in ("address_refused", "dns")
        assert bearer.outcomes == [report.failure]
        assert server.connections_made == 0

    def test_silence_at_the_banner_ends_with_its_stage(self) -> None:
        with FaultServer([Fault("banner", "trickle")]) as server:
            bearer = ListBearer(letters(3))
            report = carry(server, bearer, caps=dataclasses.replace(PATIENT, banner=0.3))

        assert report.failure == Deferred(
            Stage.BANNER, None, FailureClass.TRANSIENT_DEST, counted=False, reason="timeout"
        )


class TestTheMark:
    @WAYS
    def test_refused_means_certainly_not_sent(self, extensions: tuple[str, ...], window: int) -> None:
        with FaultServer(extensions=extensions) as server:
            bearer = ListBearer(letters(12), mark=lambda parcels: [parcel.key != 5 for parcel in parcels])
            carry(server, bearer, connections=2, window=window)

        assert bearer.outcomes[5] == Withheld("refused", marked=False)
        assert bearer.recipients(Withheld) == {"r5@example.com"}
        assert len(server.letters) == 11

    @WAYS
    def test_no_more_than_the_window_is_ever_in_doubt(self, extensions: tuple[str, ...], window: int) -> None:
        with FaultServer(extensions=extensions) as server:
            bearer = ListBearer(letters(60))
            most = 0

            def mark(parcels: Sequence[Parcel]) -> Sequence[bool]:
                nonlocal most
                marked = sum(len(group) for group in bearer.marked)
                most = max(most, marked - len(bearer.settled))
                return [True] * len(parcels)

            bearer.answer = mark
            carry(server, bearer, connections=3, window=window)

        assert 1 < most <= 3 * window
        assert any("BDAT" in command for command in server.commands) == (window > 1)

    @WAYS
    def test_what_was_answered_is_never_settled_later_than_the_next_mark(
        self, extensions: tuple[str, ...], window: int
    ) -> None:
        with FaultServer(extensions=extensions) as server:
            bearer = ListBearer(letters(60))
            engine = engine_for(
                to(server), bearer, connections=4, window=window, begin_until=now() + 30, budget=budget, caps=PATIENT
            )
            waiting: list[int] = []

            def mark(parcels: Sequence[Parcel]) -> Sequence[bool]:
                told = {parcel.key for parcel, _, _ in bearer.settled}
                waiting.append(sum(1 for parcel, _, _ in engine.finished if parcel.key not in told))
                return [True] * len(parcels)

            bearer.answer = mark
            engine.run()

        bearer.check_against(server)
        assert len(bearer.settled) == 60
        assert set(waiting) == {0}
        assert engine.finished == []

    @WAYS
    def test_followed_by_a_stall_means_no_last_word(
        self, extensions: tuple[str, ...], window: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        moments = iter([1000.0, 1005.1])
        monkeypatch.setattr(engine_loop, "boot_clock", lambda: next(moments))
        with FaultServer(extensions=extensions) as server:
            bearer = ListBearer(letters(1))
            carry(server, bearer, window=window, limits=partial(budget, stall_limit=5))

        assert bearer.settled == [(bearer.given[0], Withheld("stalled", marked=True), True)]
        assert server.letters == []

    @WAYS
    def test_is_not_asked_for_without_time_for_the_reply(self, extensions: tuple[str, ...], window: int) -> None:
        with FaultServer(extensions=extensions) as server:
            bearer = ListBearer(letters(3))
            limits = partial(budget, dot_floor=100)
            carry(server, bearer, window=window, limits=limits)

        assert bearer.marked == []
        assert set(bearer.outcomes) == {Withheld("no_time", marked=False)}

    @WAYS
    def test_raising_sends_nothing_more_and_hears_what_was_sent(self, extensions: tuple[str, ...], window: int) -> None:
        def mark(_parcels: Sequence[Parcel]) -> Sequence[bool]:
            if len(bearer.marked) == 3:
                raise SoftLimitError
            return [True] * len(_parcels)

        with FaultServer(extensions=extensions) as server:
            bearer = ListBearer(letters(40), mark=mark)
            engine = engine_for(
                to(server), bearer, connections=3, window=window, begin_until=now() + 30, budget=budget, caps=PATIENT
            )
            with pytest.raises(SoftLimitError):
                engine.run()
            assert server.wait_for_connections(0)

        heard = {parcel.envelope.rcpt_to for parcel, _, _ in (*bearer.settled, *engine.finished)}
        accepted = {parcel.envelope.rcpt_to for parcel, outcome, _ in engine.finished if isinstance(outcome, Accepted)}
        assert set(server.recipients()) <= heard
        assert accepted <= {parcel.envelope.rcpt_to for group in bearer.marked[:2] for parcel in group}
        assert not engine.in_doubt  # what was said is waited for


class TestTheEnd:
    @WAYS
    def test_a_stop_gives_back_what_is_not_marked(self, extensions: tuple[str, ...], window: int) -> None:
        with FaultServer(extensions=extensions) as server:
            bearer = ListBearer(letters(100))
            bearer.stop_after = 10
            carry(server, bearer, connections=4, window=window)

        bearer.check_against(server)
        assert set(map(type, bearer.outcomes)) <= {Accepted, Withheld}
        assert 10 <= len(server.letters) <= 10 + 2 * 4 * window
        assert all(outcome.reason == "stopped" for outcome in bearer.outcomes if isinstance(outcome, Withheld))

    def test_a_stop_does_not_wait_for_a_server_that_hangs_before_the_mark(self) -> None:
        with FaultServer([Fault("rcpt", "hang", recipient="r5@example.com")]) as server:
            bearer = ListBearer(letters(6))
            bearer.stop_after = 5
            carry(server, bearer, connections=2)

        assert bearer.outcomes[5] == Withheld("stopped", marked=False)

    def test_nothing_begins_after_its_time(self, server: FaultServer) -> None:
        bearer = ListBearer(letters(3))
        report = carry(server, bearer, begin_until=now())

        assert not bearer.given
        assert not bearer.settled
        assert (report.opened, server.connections_made) == (0, 0)

    def test_nothing_to_carry_dials_nobody(self, server: FaultServer) -> None:
        carry(server, ListBearer([]))

        assert server.connections_made == 0
