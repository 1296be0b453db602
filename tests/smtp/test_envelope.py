"""The envelope lets nothing through that could turn one letter into two (S10)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.smtp.envelope import Envelope, InvalidEnvelopeError, dot_stuffed, with_crlf
from apps.smtp.outcome import Accepted
from apps.smtp.wire import Connection
from tests.fault_server import FaultServer
from tests.smtp.conftest import budget, letter, to, yes

SMUGGLED = b"MAIL FROM:<evil@example.org>\r\nRCPT TO:<victim@example.org>\r\nDATA\r\nSubject: fake\r\n\r\nfake\r\n"
END_OF_DATA = (b"\n.\n", b"\n.\r\n", b"\r.\r", b"\r\n.\r", b"\r\n.\n", b"\r.\r\n")


@pytest.mark.parametrize(
    "address",
    [
        "b@y>\r\nRCPT TO:<evil@example.org",
        "b@y\nc",
        "b c@example.org",
        "b@exam ple.org",
        "b\0@example.org",
        "<b@example.org>",
        "b@example.org> SIZE=1",
        "b@",
        "@example.org",
        "b",
        "",
        "b@-example.org",
        "b@exämple.org",
        "b\u2028@example.org",
        "b\u00a0@example.org",
        "b\u200b@example.org",
        "\ud800@example.org",
        "b" * 65 + "@example.org",
        "ю" * 40 + "@example.org",
        "b@" + "e" * 64 + ".org",
        'b"c@example.org',
    ],
)
def test_refuses_an_address_that_is_more_than_an_address(address: str) -> None:
    with pytest.raises(InvalidEnvelopeError):
        letter(address)


def test_takes_the_null_sender_and_flags_addresses_outside_ascii() -> None:
    plain, foreign = letter(mail_from=""), letter("почта@xn--e1afmkfd.example")

    assert not plain.needs_smtputf8
    assert foreign.needs_smtputf8


@pytest.mark.parametrize("end", END_OF_DATA)
def test_refuses_bare_line_ends(end: bytes) -> None:
    with pytest.raises(InvalidEnvelopeError) as refused:
        letter(data=b"Subject: x\r\n\r\nhello" + end + SMUGGLED)

    assert refused.value.code == "bare_line_end"


@pytest.mark.parametrize("end", [*END_OF_DATA, b"\r\n.\r\n"])
def test_a_smuggling_payload_arrives_as_exactly_one_letter(end: bytes, server: FaultServer) -> None:
    payload = with_crlf(b"Subject: x\r\n\r\nhello" + end + SMUGGLED)
    connection = Connection.open(to(server), offer_until=budget().offer_until)

    outcome = connection.carry(letter(data=payload), budget=budget(), mark=yes)
    connection.quit()

    assert isinstance(outcome, Accepted)
    assert server.recipients() == ["ann@example.com"]
    assert server.letters[0].data == payload


@pytest.mark.parametrize("data", [b".", b".\r\n", b"..\r\n.", b"a\r\n.\r\nb\r\n", b"", b"\r\n", b"a"])
def test_dots_and_a_missing_last_line_end_survive_the_wire(data: bytes, server: FaultServer) -> None:
    connection = Connection.open(to(server), offer_until=budget().offer_until)

    outcome = connection.carry(letter(data=data), budget=budget(), mark=yes)
    connection.quit()

    assert isinstance(outcome, Accepted)
    assert [kept.data for kept in server.letters] == [data if data.endswith(b"\r\n") else data + b"\r\n"]


@given(st.lists(st.sampled_from([b".", b"..", b"a", b"\r\n", b"\r", b"\n", b""])).map(b"".join))
def test_nothing_stuffed_holds_an_end_of_data(data: bytes) -> None:
    stuffed = dot_stuffed(Envelope("a@example.org", "b@example.org", with_crlf(data), "").data)

    assert b"\r\n.\r\n" not in b"\r\n" + stuffed
    assert stuffed.endswith(b"\r\n")
    assert with_crlf(stuffed) == stuffed
