"""A connection keeps its deadlines, asks for the mark before the dot, and is never reused after a surprise."""

from __future__ import annotations

import dataclasses
import resource

import pytest

from apps.smtp import wire
from apps.smtp.budget import Budget, now
from apps.smtp.outcome import Accepted, Deferred, FailureClass, Outcome, Rejected, Reply, Stage, Unknown, Withheld
from apps.smtp.replies import MAX_BYTES, MAX_LINES, parse
from apps.smtp.wire import Connection, ConnectionFailedError, Mark
from tests.fault_server import Fault, FaultServer
from tests.smtp.conftest import BODY, PATIENT, SHORT, budget, letter, to, yes


def opened(server: FaultServer, **changes: object) -> Connection:
    return Connection.open(to(server, **changes), offer_until=now() + 30, caps=PATIENT)


def send(connection: Connection, *, mark: Mark = yes, limits: Budget | None = None, **changes: object) -> Outcome:
    return connection.carry(letter(**changes), budget=limits or budget(), mark=mark)  # type: ignore[arg-type]


class TestTheMark:
    def test_is_asked_for_once_when_the_body_is_out_and_before_the_dot(self, server: FaultServer) -> None:
        connection, seen = opened(server), []

        def mark() -> bool:
            seen.append((connection.stage, server.recipients()))
            return True

        outcome = send(connection, mark=mark)
        connection.quit()

        assert outcome == Accepted(Reply(250, "2.0.0", "Queued as 1"))
        assert seen == [(Stage.BODY, [])]

    def test_refused_means_no_dot_and_no_reuse(self, server: FaultServer) -> None:
        connection = opened(server)

        outcome = send(connection, mark=lambda: False)

        assert outcome == Withheld("refused", marked=False)
        assert not connection.is_open
        assert server.wait_for_connections(0)
        assert server.letters == []

    def test_raising_goes_on_and_no_dot_goes_out(self, server: FaultServer) -> None:
        class SoftLimitError(BaseException):
            pass

        def mark() -> bool:
            raise SoftLimitError

        connection = opened(server)

        with pytest.raises(SoftLimitError):
            send(connection, mark=mark)

        assert not connection.is_open
        assert server.wait_for_connections(0)
        assert server.letters == []

    def test_is_not_asked_for_when_too_little_time_is_left_for_the_reply(self, server: FaultServer) -> None:
        asked: list[bool] = []
        connection = opened(server)

        outcome = send(
            connection, mark=lambda: not asked.append(True), limits=budget(soft_until=now() + 10, dot_floor=11)
        )

        assert outcome == Withheld("no_time", marked=False)
        assert asked == []
        assert connection.is_open  # nothing was said yet
        connection.quit()

    def test_is_not_asked_for_when_the_offer_used_the_time_up(self) -> None:
        asked: list[bool] = []
        with FaultServer([Fault("data", "slow", seconds=0.4)]) as server:
            connection = opened(server)

            limits = budget(soft_until=now() + 2, dot_floor=1.8)
            outcome = send(connection, mark=lambda: not asked.append(True), limits=limits)

            assert outcome == Withheld("no_time", marked=False)
            assert asked == []
            assert server.wait_for_connections(0)
            assert server.letters == []

    def test_followed_by_a_stall_means_no_dot(self, server: FaultServer, monkeypatch: pytest.MonkeyPatch) -> None:
        moments = iter([1000.0, 1005.1])
        monkeypatch.setattr(wire, "boot_clock", lambda: next(moments))
        connection = opened(server)

        outcome = send(connection, limits=budget(stall_limit=5))

        assert outcome == Withheld("stalled", marked=True)
        assert server.wait_for_connections(0)
        assert server.letters == []

    @pytest.mark.parametrize(
        ("action", "failure"), [("drop", FailureClass.TRANSIENT_DEST), ("552 5.3.4 Too big", None)]
    )
    def test_is_void_when_the_server_objects_meanwhile(self, action: str, failure: FailureClass | None) -> None:
        """The server hangs up, or says no, while the mark is being written: the dot stays in our hands."""
        with FaultServer() as server:
            connection = opened(server)

            def mark() -> bool:
                if action == "drop":
                    server.hang_up()
                else:
                    next(iter(server._live.values())).sendall(f"{action}\r\n".encode())
                return True

            outcome = send(connection, mark=mark)

            if failure:
                assert outcome == Deferred(Stage.BODY, None, failure, counted=False, reason="closed")
            else:
                assert outcome == Rejected(Stage.BODY, Reply(552, "5.3.4", "Too big"), FailureClass.MESSAGE)
            assert not connection.is_open
            assert server.letters == []


class TestDeadlines:
    @pytest.mark.parametrize("stage", ["banner", "ehlo", "mail", "rcpt", "data"])
    def test_a_trickle_ends_with_the_stage(self, stage: str) -> None:
        with FaultServer([Fault(stage, "trickle")]) as server:
            caps = dataclasses.replace(PATIENT, **{stage: SHORT})
            began = now()
            try:
                connection = Connection.open(to(server), offer_until=now() + 30, caps=caps)
                outcome = connection.carry(letter(), budget=budget(), mark=yes)
            except ConnectionFailedError as failed:
                outcome = failed.outcome

            assert isinstance(outcome, Deferred)
            assert outcome.reason == "timeout"
            assert now() - began < 10  # far below the 20 s of every other stage

    def test_the_offer_budget_bounds_all_stages_together(self) -> None:
        slow = [Fault(stage, "slow", seconds=0.25) for stage in ("mail", "rcpt", "data")]
        with FaultServer(slow, extensions=()) as server:
            connection = opened(server)

            outcome = send(connection, limits=budget(offer_until=now() + 0.4))

            assert isinstance(outcome, Deferred)
            assert (outcome.stage, outcome.reason) == (Stage.RCPT, "timeout")

    def test_the_reply_to_the_dot_is_waited_for_until_the_soft_limit_only(self) -> None:
        with FaultServer([Fault("dot", "hang")]) as server:
            connection = opened(server)

            outcome = send(connection, limits=budget(soft_until=now() + 0.5, dot_cap=600))

            assert outcome == Unknown(Stage.DOT, "timeout")
            assert not connection.is_open


class TestReplies:
    def test_a_flood_is_cut_off_within_bounded_memory(self) -> None:
        with FaultServer([Fault("banner", "flood")]) as server:
            before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

            with pytest.raises(ConnectionFailedError) as failed:
                opened(server)

            assert failed.value.outcome.reason == "too_long"
            assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20 * 1024

    @pytest.mark.parametrize(
        ("banner", "is_taken"),
        [
            ("220-x\r\n" * (MAX_LINES - 1) + "220 x", True),
            ("220-x\r\n" * MAX_LINES + "220 x", False),
            ("220 " + "x" * (MAX_BYTES - 10), True),
            ("220 " + "x" * MAX_BYTES, False),
            ("220-x\r\n250 x", False),
            ("20 x", False),
            ("2200 x", False),
            ("220", True),
        ],
        ids=["lines", "a line too many", "bytes", "too many bytes", "two codes", "two digits", "four digits", "bare"],
    )
    def test_are_taken_within_their_bounds_only(self, banner: str, is_taken: bool) -> None:
        with FaultServer([Fault("banner", banner)]) as server:
            try:
                opened(server).quit()
                was_taken = True
            except ConnectionFailedError as failed:
                was_taken = False
                assert failed.outcome.failure is FailureClass.PROTOCOL

        assert was_taken == is_taken

    def test_are_fit_for_a_database_column(self) -> None:
        reply = parse([b"550-5.1.1 No \x00\x1b[31m such", b"550 5.1.1 \xff user " + b"x" * 5000])

        assert reply.enhanced == "5.1.1"
        assert reply.text.startswith("No [31m such \ufffd user xxx")
        assert len(reply.text) == 2000
        assert "\0" not in reply.text


class TestReuse:
    def test_one_connection_carries_many_letters(self, server: FaultServer) -> None:
        connection = opened(server)

        outcomes = [send(connection, recipient=f"{name}@example.com") for name in "abc"]
        connection.quit()

        assert all(isinstance(outcome, Accepted) for outcome in outcomes)
        assert server.recipients() == ["a@example.com", "b@example.com", "c@example.com"]
        assert (connection.letters, server.connections_made) == (3, 1)

    @pytest.mark.parametrize("extensions", [("PIPELINING",), ()])
    @pytest.mark.parametrize("stage", ["rcpt", "dot"])
    def test_goes_on_after_a_plain_refusal(self, stage: str, extensions: tuple[str, ...]) -> None:
        refusal = Fault(stage, "550 5.1.1 No such user", recipient="a@example.com")
        with FaultServer([refusal], extensions=extensions) as server:
            connection = opened(server)

            outcomes = [send(connection, recipient=f"{name}@example.com") for name in "ab"]
            connection.quit()

            assert [type(outcome) for outcome in outcomes] == [Rejected, Accepted]
            assert (server.recipients(), server.connections_made) == (["b@example.com"], 1)

    @pytest.mark.parametrize("answer", ["250 2.0.0 Ok\r\n250 2.0.0 And again", "250 2.0.0 Ok\r\n421 4.3.2 Closing"])
    def test_ends_when_the_server_says_more_than_it_was_asked(self, answer: str) -> None:
        with FaultServer([Fault("dot", answer)]) as server:
            connection = opened(server)

            outcome = send(connection)

            assert isinstance(outcome, Accepted)
            assert not connection.is_open

    @pytest.mark.parametrize("reply", ["354 Go on", "334 What?"])
    def test_a_strange_reply_to_the_dot_leaves_the_letter_unknown(self, reply: str) -> None:
        with FaultServer([Fault("dot", reply)]) as server:
            connection = opened(server)

            assert send(connection) == Unknown(Stage.DOT, "unexpected")
            assert not connection.is_open


class TestExtensions:
    def test_a_letter_above_the_size_limit_is_refused_without_a_word(self) -> None:
        with FaultServer(extensions=("SIZE 20",)) as server:
            connection = opened(server)

            outcome = send(connection)

            assert isinstance(outcome, Rejected)
            assert (outcome.failure, outcome.reply.code, outcome.reply.enhanced) == (FailureClass.MESSAGE, 0, "5.3.4")
            assert connection.is_open
            assert [line for line in server.commands if line.startswith("MAIL")] == []
            connection.quit()

    @pytest.mark.parametrize(
        ("changes", "enhanced"),
        [({"recipient": "почта@example.com"}, "5.6.7"), ({"data": BODY + b"\xff\r\n"}, "5.6.3")],
    )
    def test_what_the_server_does_not_offer_is_not_used(self, changes: dict[str, object], enhanced: str) -> None:
        with FaultServer(extensions=()) as bare, FaultServer() as able:
            connections = opened(bare), opened(able)
            refused, taken = (send(connection, **changes) for connection in connections)
            for connection in connections:
                connection.quit()

        assert isinstance(refused, Rejected)
        assert (refused.failure, refused.reply.enhanced) == (FailureClass.MESSAGE, enhanced)
        assert isinstance(taken, Accepted)

    def test_an_old_server_is_greeted_with_helo(self) -> None:
        with FaultServer(knows_ehlo=False) as server:
            connection = opened(server)

            outcome = send(connection)
            connection.quit()

            assert isinstance(outcome, Accepted)
            assert server.commands[:2] == ["EHLO localhost", "HELO localhost"]

    def test_a_name_with_a_line_end_never_reaches_the_wire(self, server: FaultServer) -> None:
        opened(server, ehlo_name="x\r\nMAIL FROM:<a@b>").quit()

        assert server.commands[0] == "EHLO localhost"
