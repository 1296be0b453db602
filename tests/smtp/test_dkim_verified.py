"""Somebody else's verifier agrees: dkimpy, on letters of every shape."""

from __future__ import annotations

import email.header

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.smtp import dkim, dkim_keys
from apps.smtp.dkim import Signer

dkimpy = pytest.importorskip("dkim", reason="dkimpy stands in requirements-dev.lock: scripts/test installs it")

AT = 1_790_000_000
PAIRS = {algorithm: dkim_keys.make(algorithm) for algorithm in (dkim.RSA, dkim.ED25519)}
SIGNERS = [
    Signer("northlight.example", f"s-{algorithm[:3]}", algorithm, dkim_keys.load(pair.private))
    for algorithm, pair in PAIRS.items()
]
RECORDS = {
    f"s-{algorithm[:3]}._domainkey.northlight.example.".encode(): dkim_keys.record_value(
        algorithm, pair.public
    ).encode()
    for algorithm, pair in PAIRS.items()
}


def verdicts(letter: bytes) -> list[bool]:
    """Return what dkimpy says of each signature of a letter; False where it refuses to look."""

    def records(name: bytes, timeout: int = 5) -> bytes | None:
        return RECORDS.get(name)

    found = []
    for number in range(2):
        try:
            found.append(bool(dkimpy.DKIM(letter).verify(idx=number, dnsfunc=records)))
        except dkimpy.DKIMException:
            found.append(False)
    return found


def letter(body: bytes, *more: bytes, subject: bytes = b"Hello") -> bytes:
    lines = (
        b"From: Northlight <news@northlight.example>",
        b"To: ann@example.com",
        b"Subject: " + subject,
        b"Date: Fri, 20 Nov 2026 10:00:00 +0000",
        b"Message-ID: <1@northlight.example>",
        b"List-Unsubscribe: <https://mail.example.com/u/x>",
        b"List-Unsubscribe-Post: List-Unsubscribe=One-Click",
        *more,
    )
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


BODIES = st.lists(
    st.one_of(
        st.sampled_from([b"", b" ", b"\t", b" \t ", b".", b"..", b"a  b\t\tc ", b" lead", b"trail \t", b"x" * 990]),
        st.binary(max_size=80).map(lambda line: line.replace(b"\r", b"").replace(b"\n", b"")),
    ),
    max_size=12,
).map(lambda lines: b"".join(line + b"\r\n" for line in lines))  # as on the wire, where the last line ends too
SUBJECTS = st.text(
    st.characters(codec="utf-8", exclude_characters="\r\n\0", exclude_categories=["Cc", "Cs"]), max_size=120
)
# Printable words folded with spaces and tabs; no line of white space alone, which RFC 5322 forbids.
WORDS = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=20).map(str.encode)
FOLDS = st.sampled_from([b" ", b"  ", b"\t", b"\r\n ", b"\r\n\t", b" \r\n  ", b"\t\r\n \t"])


@st.composite
def folded(draw: st.DrawFn) -> bytes:
    """A header value of many words with folds of every kind between them."""
    pieces = [draw(WORDS)]
    for word in draw(st.lists(WORDS, max_size=25)):
        pieces += [draw(FOLDS), word]
    return b"".join(pieces)


@given(BODIES)
@settings(max_examples=150)
def test_any_body_is_verified_by_both_algorithms(body: bytes) -> None:
    assert verdicts(dkim.sign(letter(body), SIGNERS, at=AT)) == [True, True]


@given(folded(), folded())
@settings(max_examples=150)
def test_any_folding_of_signed_headers_is_verified(value: bytes, more: bytes) -> None:
    one = letter(b"Hello\r\n", b"Content-Type: " + more, b"X-More: " + value, subject=value)

    assert verdicts(dkim.sign(one, SIGNERS, at=AT)) == [True, True]


@given(SUBJECTS)
@settings(max_examples=80)
def test_any_subject_is_verified_encoded_or_as_it_is(subject: str) -> None:
    encoded = email.header.Header(subject, "utf-8", 76).encode(linesep="\r\n").encode()
    for written in (encoded, subject.encode()):
        assert verdicts(dkim.sign(letter(b"Hello\r\n", subject=written), SIGNERS, at=AT)) == [True, True]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\r\n",
        b"\r\n\r\n\r\n",
        b"Hello",
        b"Hello\r\n\r\n\r\n",
        b" \t\r\n \r\n",
        b"a\t b \r\n",
        b"\xd0\x9f\xff\x80\r\n",
    ],
)
def test_bodies_at_the_edges_are_verified(body: bytes) -> None:
    assert verdicts(dkim.sign(letter(body), SIGNERS, at=AT)) == [True, True]


@pytest.mark.parametrize(
    ("was", "becomes"),
    [
        (b"Subject: Hello", b"Subject: Hullo"),
        (b"To: ann@", b"To: eve@"),
        (b"List-Unsubscribe-Post: List-Unsubscribe=One-Click", b"List-Unsubscribe-Post: nothing"),
        (b"mail.example.com/u/x", b"mail.example.com/u/y"),
        (b"Good morning", b"Good evening"),
        (b"Date: Fri", b"From: evil@x.example\r\nDate: Fri"),  # why From is named twice
        (b"From: Northlight", b"From: evil@x.example\r\nFrom: Northlight"),
    ],
)
def test_a_letter_that_was_changed_on_its_way_is_refused(was: bytes, becomes: bytes) -> None:
    signed = dkim.sign(letter(b"Good morning\r\n"), SIGNERS, at=AT)
    assert was in signed and verdicts(signed) == [True, True]

    assert verdicts(signed.replace(was, becomes)) == [False, False]


def test_what_relays_may_do_to_white_space_is_borne() -> None:
    signed = dkim.sign(letter(b"Good  morning\r\n"), SIGNERS, at=AT)

    relayed = (
        signed.replace(b"Subject: Hello", b"SUBJECT:   Hello  ").replace(b"Good  morning", b"Good morning \t") + b"\r\n"
    )

    assert verdicts(relayed) == [True, True]
