"""The signer's bytes: canonical forms as the RFCs show them, names and lines that stay what they are."""

from __future__ import annotations

import base64
import re

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa

from apps.smtp import dkim, dkim_keys
from apps.smtp.dkim import Signer, SigningError
from apps.smtp.dkim_keys import Published
from apps.smtp.envelope import Envelope
from core.errors import EspError
from core.secretbox import Secret

AT = 1_790_000_000
LETTER = (
    b"From: Northlight <news@northlight.example>\r\nTo: ann@example.com\r\nSubject: Hello\r\n"
    b"Date: Fri, 20 Nov 2026 10:00:00 +0000\r\nMessage-ID: <1@northlight.example>\r\n"
    b"List-Unsubscribe: <https://mail.example.com/u/x>\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"
    b"Precedence: bulk\r\nMIME-Version: 1.0\r\nContent-Type: text/plain\r\nReply-To: desk@northlight.example\r\n"
    b"\r\nHello\r\n"
)


def signer(algorithm: str = dkim.RSA, *, domain: str = "northlight.example", selector: str = "s1") -> Signer:
    return Signer(domain, selector, algorithm, dkim_keys.load(dkim_keys.make(algorithm).private))


def signatures(message: bytes) -> list[bytes]:
    """Return the signature headers before a letter, unfolded."""
    head = message.partition(b"\r\n\r\n")[0].replace(b"\r\n ", b"")
    return [line for line in head.split(b"\r\n") if line.startswith(b"DKIM-Signature:")]


@pytest.mark.parametrize(
    ("body", "canonical"),
    [
        (b"", b""),
        (b"\r\n", b""),
        (b"\r\n\r\n\r\n", b""),
        (b" \r\n\t\r\n", b""),
        (b"Hello", b"Hello\r\n"),
        (b"Hello\r\n\r\n\r\n", b"Hello\r\n"),
        (b"Hello \t \r\n \t\r\n", b"Hello\r\n"),
        (b" C \r\nD \t E\r\n\r\n\r\n", b" C\r\nD E\r\n"),  # RFC 6376 3.4.5
        (b"a\r\n\r\n  b", b"a\r\n\r\n b\r\n"),
        (b"a\t\tb  c\t d  ", b"a b c d\r\n"),
        (b"   a\r\n", b" a\r\n"),
        (b"  \r\n\r\n  a\r\n   b  \r\n", b"\r\n\r\n a\r\n b\r\n"),
    ],
)
def test_a_body_is_relaxed_as_the_rfc_says(body: bytes, canonical: bytes) -> None:
    assert dkim.canonical_body(body) == canonical


@pytest.mark.parametrize(
    ("value", "canonical"),
    [
        (b" X ", b"a:X\r\n"),
        (b" Y\t\r\n\tZ  ", b"a:Y Z\r\n"),  # RFC 6376 3.4.5
        (b"\t", b"a:\r\n"),
        (b" one\r\n two", b"a:one two\r\n"),
    ],
)
def test_a_header_is_relaxed_as_the_rfc_says(value: bytes, canonical: bytes) -> None:
    assert dkim.canonical_header(b"a", value) == canonical


def test_the_letter_of_rfc_8463_gets_the_signatures_printed_there() -> None:
    """RFC 8463, appendix A: the same key and body; what we name and order otherwise is left out of the comparison."""
    seed = base64.b64decode("nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=")
    key = ed25519.Ed25519PrivateKey.from_private_bytes(seed)
    body = b"Hi.\r\n\r\nWe lost the game.  Are you hungry yet?\r\n\r\nJoe.\r\n"
    letter = b"From: Joe SixPack <joe@football.example.com>\r\n\r\n" + body

    one = signatures(dkim.sign(letter, [Signer("football.example.com", "brisbane", dkim.ED25519, key)], at=1528637909))

    assert b"; bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;" in one[0].replace(b";bh", b"; bh")
    published = dkim_keys.record_value(dkim.ED25519, base64.b64encode(key.public_key().public_bytes_raw()).decode())
    assert published == "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="


def test_what_a_letter_has_is_signed_in_order_and_from_twice() -> None:
    (one,) = signatures(dkim.sign(LETTER, [signer()], at=AT))

    found = re.search(rb"h=([^;]+);", one)
    assert found is not None
    assert found[1] == (
        b"from:to:subject:date:message-id:mime-version:content-type:reply-to:"
        b"list-unsubscribe:list-unsubscribe-post:from"
    )
    assert b"d=northlight.example" in one and b"s=s1" in one and b"t=%d" % AT in one


def test_both_signatures_share_one_hash_of_the_body_and_leave_the_letter_as_it_is() -> None:
    signed = dkim.sign(LETTER, [signer(), signer(dkim.ED25519, selector="s2")], at=AT)

    assert signed.endswith(LETTER)
    first, second = signatures(signed)
    assert b"a=rsa-sha256" in first and b"a=ed25519-sha256" in second
    assert {re.search(rb"bh=([^;]+);", one)[1] for one in (first, second)} == {dkim.digest(LETTER).body_hash}  # type: ignore[index]


def test_no_line_is_long_and_every_one_ends_with_crlf() -> None:
    head = dkim.sign(LETTER, [signer(), signer(dkim.ED25519)], at=AT).removesuffix(LETTER)

    lines = head.split(b"\r\n")
    assert lines.pop() == b""
    assert max(map(len, lines)) <= 78
    assert all(line.isascii() and line.strip() and b"\r" not in line and b"\n" not in line for line in lines)
    begun = [line for line in lines if not line.startswith(b" ")]
    assert begun == [
        b"DKIM-Signature: v=1; a=%b; c=relaxed/relaxed;" % name for name in (b"rsa-sha256", b"ed25519-sha256")
    ]


def test_without_a_key_a_letter_stays_as_it_is() -> None:
    assert dkim.sign(LETTER, [], at=AT) is LETTER


@pytest.mark.parametrize(
    "letter",
    [
        LETTER + b".\n.\r\n",
        LETTER + b"\n.\r\nMAIL FROM:<evil@x.example>\r\n",
        LETTER + b"\r.\r\n",
        LETTER.replace(b"Subject: Hello", b"Subject: Hello\nBcc: x@x.example"),
    ],
)
def test_what_could_smuggle_a_second_letter_is_not_signed(letter: bytes) -> None:
    with pytest.raises(SigningError) as caught:
        dkim.sign(letter, [signer()], at=AT)

    assert caught.value.code == "bare_line_end"


@pytest.mark.parametrize(
    "letter",
    [
        LETTER.replace(b"From:", b"X-From:"),
        b"From: second@x.example\r\n" + LETTER,
        b"no header\r\n" + LETTER,
        b" \r\n" + LETTER,
    ],
)
def test_a_letter_without_exactly_one_from_is_not_signed(letter: bytes) -> None:
    with pytest.raises(SigningError) as caught:
        dkim.sign(letter, [signer()], at=AT)

    assert caught.value.code == "bad_header"


@pytest.mark.parametrize(
    "name", ["", "a b", "x.example\r\nBcc: y", "x;d=y", "Ü.example", "X.example", ".x", "x..y", "-x", "x\n"]
)
def test_a_name_that_is_none_never_comes_into_a_header(name: str) -> None:
    for names in ({"domain": name}, {"selector": name}):
        with pytest.raises(SigningError):
            signer(**names)


def test_a_key_of_another_kind_is_refused() -> None:
    key = rsa.generate_private_key(65537, 1024)
    for algorithm in (dkim.ED25519, "rsa-sha1", ""):
        with pytest.raises(SigningError):
            Signer("x.example", "s1", algorithm, key)


def test_a_signed_letter_is_still_one_envelope() -> None:
    signed = dkim.sign(LETTER, [signer(), signer(dkim.ED25519)], at=AT)

    assert Envelope("", "ann@example.com", signed, "<1@x>").data == signed


def test_a_signer_does_not_show_its_key() -> None:
    assert "key" not in repr(signer()).replace("Signer(", "")


@pytest.mark.parametrize("stored", ["", "kkkk", "!!", base64.b64encode(b"0\x82").decode()])
def test_a_key_that_cannot_be_read_is_not_told(stored: str) -> None:
    with pytest.raises(EspError) as caught:
        dkim_keys.load(Secret(stored))

    assert caught.value.code == "bad_signing_key"
    assert caught.value.__context__ is None
    assert not stored or stored not in caught.value.message


def test_a_key_of_another_kind_than_ours_cannot_be_loaded() -> None:
    from cryptography.hazmat.primitives.asymmetric import ec

    private = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    with pytest.raises(SigningError):
        dkim_keys.load(Secret(base64.b64encode(private).decode()))


@pytest.mark.parametrize(
    ("texts", "published"),
    [
        ([], Published.MISSING),
        (["v=DKIM1; k=rsa; p=AB+/="], Published.FOUND),
        (["v=DKIM1;p=AB+ /="], Published.FOUND),
        (["p=AB+/="], Published.FOUND),
        (["google-site-verification=1", "v=DKIM1; p=AB+/="], Published.FOUND),
        (["v=DKIM1; k=ed25519; p=AB+/="], Published.DIFFERENT),
        (["v=DKIM1; p="], Published.DIFFERENT),
        (["v=DKIM1; p=AB"], Published.DIFFERENT),
        (["v=spf1 -all"], Published.DIFFERENT),
        (["v=DKIM1; p=AB+/=", "v=DKIM1; p=CD"], Published.SEVERAL),
    ],
)
def test_what_a_name_server_has_is_judged(texts: list[str], published: Published) -> None:
    assert dkim_keys.judge(texts, algorithm=dkim.RSA, public="AB+/=") is published
